"""Calibration speed against bare ONNX Runtime float runs of the same images on the same cores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.methods import Method
from pulsar2.context import make_context
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

from .builds import Build
from .measure import interleaved
from .peers import Array, input_of, random_inputs, session
from .report import Section

IMAGES = 32
"""As many as a build takes unless told otherwise."""

_LONGER = 3
"""Times as many images tell what one more takes, apart from what comes before the first."""
METHODS: tuple[Method, ...] = ("MinMax", "Percentile", "MSE", "KL")


def own_sides(
    model: Path, name: str, inputs: Sequence[Array], threads: int
) -> dict[str, Callable[[], object]]:
    """Our calibration of a model by each method, on values of its one input `name`."""
    context = make_context()
    module = import_onnx(model, context)
    run_passes(context, module, parse_passes("optimize"))
    samples = [Sample(str(index), {name: value}) for index, value in enumerate(inputs)]
    return {
        method: partial(calibrate, module, context, samples, method, threads=threads)
        for method in METHODS
    }


def measure_calibration(
    builds: Sequence[Build], threads: int, repeats: int
) -> tuple[Section, dict[str, float]]:
    """The section, and by method the geometric mean of our images/s to bare runs."""
    section = Section(
        f"Calibration, images/s, {threads} threads",
        (
            "network", "bare ORT float", *METHODS, *(f"ratio {m}" for m in METHODS), "set-up, ms",
            f"ratio MinMax, {IMAGES} images",
        ),
        notes=[
            f"Images are in memory on both sides. Our images/s are those by which {IMAGES} images "
            f"differ from {IMAGES * _LONGER}; ratios are to bare float inference with a session "
            f"that is there. What precedes the first image with MinMax (planning, export, two "
            f"sessions) stands apart, and is part of the last column."
        ],
    )  # fmt: skip
    ratios: dict[str, list[float]] = {method: [] for method in METHODS}
    for build in builds:
        bare = session(build.model, threads)
        name, shape = input_of(bare)
        inputs = random_inputs(shape, IMAGES)

        def run_bare(bare=bare, name=name, inputs=inputs) -> None:  # type: ignore[no-untyped-def]
            for value in inputs:
                bare.run(None, {name: value})

        longer = own_sides(build.model, name, inputs * _LONGER, threads)
        sides = {
            "bare": run_bare,
            **own_sides(build.model, name, inputs, threads),
            **{f"longer {method}": side for method, side in longer.items()},
        }
        seconds = interleaved(sides, repeats)
        each = {
            m: (seconds[f"longer {m}"] - seconds[m]) / ((_LONGER - 1) * IMAGES) for m in METHODS
        }
        found = {m: seconds["bare"] / IMAGES / each[m] for m in METHODS}
        for method, ratio in found.items():
            ratios[method].append(ratio)
        section.add(
            build.name,
            IMAGES / seconds["bare"],
            *(1 / each[m] for m in METHODS),
            *found.values(),
            1e3 * (seconds["MinMax"] - IMAGES * each["MinMax"]),
            seconds["bare"] / seconds["MinMax"],
        )
    means = {
        m: math.exp(sum(map(math.log, found)) / len(found)) for m, found in ratios.items() if found
    }
    if means:
        section.notes.append(
            "Ratios in the geometric mean: "
            + ", ".join(f"{method} {mean:.2f}" for method, mean in means.items())
            + "."
        )
    return section, means
