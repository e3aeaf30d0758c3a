"""Emulation time against ONNX Runtime float and int8, same model, same threads, taking turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pulsar2.runtime import InferenceSession

from .builds import Build
from .measure import interleaved
from .peers import INT8_KINDS, input_of, quantize, random_inputs, session
from .report import Section

_COLUMNS = (
    "network", "threads", "emulator", "ORT float", "ORT u8s8", "ORT u8u8",
    "ratio float", "ratio u8s8", "ratio u8u8",
)  # fmt: skip
_INT8_CALIBRATION = 4


def measure_emulation(
    builds: Sequence[Build], folder: Path, threads: Sequence[int], repeats: int
) -> tuple[Section, dict[tuple[str, int], dict[str, float]]]:
    """The section, and the median seconds by (network, threads) and side."""
    section = Section(
        "Emulation of the AX650 NPU1 program, ms per image",
        _COLUMNS,
        notes=[
            "Ratios are emulator time over ONNX Runtime time. ONNX Runtime's u8s8 is exact only on "
            "processors with VNNI; u8u8 is exact everywhere, as the emulator is."
        ],
    )
    medians: dict[tuple[str, int], dict[str, float]] = {}
    for build in builds:
        for count in threads:
            seconds = _measure(build, folder, count, repeats)
            medians[build.name, count] = seconds
            own = seconds["emulator"]
            peers = [seconds[name] for name in ("float", *INT8_KINDS)]
            times = [value * 1e3 for value in (own, *peers)]
            section.add(build.name, count, *times, *(own / peer for peer in peers))
    return section, medians


def _measure(build: Build, folder: Path, threads: int, repeats: int) -> dict[str, float]:
    floating = session(build.model, threads)
    name, shape = input_of(floating)
    inputs = random_inputs(shape, _INT8_CALIBRATION)
    runs: dict[str, Callable[[], object]] = {}
    emulator = InferenceSession(str(build.compiled), threads=threads)
    argument = emulator.get_inputs()[0]
    pixels = np.random.default_rng(0).integers(0, 256, argument.shape, np.uint8)
    runs["emulator"] = lambda: emulator.run(None, {argument.name: pixels})
    runs["float"] = lambda: floating.run(None, {name: inputs[0]})
    for kind in INT8_KINDS:
        peer = session(quantize(build.model, kind, inputs, folder), threads)
        runs[kind] = lambda peer=peer: peer.run(None, {name: inputs[0]})
    return interleaved(runs, repeats)
