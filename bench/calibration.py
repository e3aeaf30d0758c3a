"""Calibration speed against bare ONNX Runtime float runs of the same images on the same cores."""

from __future__ import annotations

from collections.abc import Sequence

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

from .builds import Build
from .measure import interleaved
from .peers import input_of, random_inputs, session
from .report import Section

_IMAGES = 16


def measure_calibration(
    builds: Sequence[Build], threads: int, repeats: int
) -> tuple[Section, dict[str, float]]:
    """The section, and by network the ratio of our images/s to bare runs."""
    section = Section(
        f"Calibration (MinMax), images/s, {threads} threads",
        ("network", "pulsar2", "bare ORT float", "ratio"),
        notes=["Images are in memory on both sides; session creation counts on ours only."],
    )
    ratios: dict[str, float] = {}
    for build in builds:
        context = make_context()
        module = import_onnx(build.model, context)
        run_passes(context, module, parse_passes("optimize"))
        bare = session(build.model, threads)
        name, shape = input_of(bare)
        inputs = random_inputs(shape, _IMAGES)
        samples = [Sample(str(index), {name: value}) for index, value in enumerate(inputs)]

        def run_bare(bare=bare, name=name, inputs=inputs) -> None:  # type: ignore[no-untyped-def]
            for value in inputs:
                bare.run(None, {name: value})

        def run_own(module=module, context=context, samples=samples) -> None:  # type: ignore[no-untyped-def]
            calibrate(module, context, samples, threads=threads)

        seconds = interleaved({"pulsar2": run_own, "bare": run_bare}, repeats)
        ratios[build.name] = seconds["bare"] / seconds["pulsar2"]
        rates = [_IMAGES / seconds[side] for side in ("pulsar2", "bare")]
        section.add(build.name, *rates, ratios[build.name])
    return section, ratios
