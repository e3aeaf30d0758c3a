"""Random graphs through every target: `python -m bench.exactness --graphs 2000`.

Hypothesis draws the graphs in batches, each from a seed that is told, so `--first SEED --graphs 1`
runs a batch again. Each graph is compiled whole (AX650 NPU1, all of its OCM) and for some targets,
modes and sizes of OCM, from a few KiB to all there is; of every program, the sanitizer must find
nothing, useless waits included, and its outputs must be those of the whole one, bit for bit. Where
no operator has an f32 function inside, those must be the ones of `onnx.reference` too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from loguru import logger

from pulsar2.diagnostics import UserError
from pulsar2.targets import load_target, target_names

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "e2e"))

from random_graphs import EXACT, FUNCTIONS, SENSITIVE, models
from random_images import IMAGES
from random_integers import INTEGERS
from road import Program, Tensors, evaluate_reference, quantize, random_inputs

BATCH = 20
"""Graphs of one seed."""
_OCM = (0, 1 << 16, 1 << 15, 1 << 14, 1 << 13, 1 << 12)


@dataclass
class Tally:
    """What was run, and what was found: counts by target and mode, and descriptions of findings."""

    graphs: int = 0
    references: int = 0
    programs: Counter[str] = field(default_factory=Counter[str])
    small: int = 0
    too_small: int = 0
    not_run: int = 0
    wrong: list[str] = field(default_factory=list[str])


def _cases() -> list[tuple[str, str]]:
    return [(target, mode) for target in target_names() for mode in load_target(target).modes]


def _differences(got: Tensors, expected: Tensors) -> list[str]:
    return [n for n in expected if not np.array_equal(got[n], expected[n], equal_nan=True)]


def _check(
    model: onnx.ModelProto, exact: bool, picks: Sequence[tuple[str, str, int]], tally: Tally
) -> list[str]:
    """What is wrong with the programs of one graph."""
    inputs = random_inputs(model, 2)
    try:
        quantized = quantize(model, inputs[:1])
    except UserError as error:
        if "ONNX Runtime cannot run" not in str(error):
            raise
        tally.not_run += (
            1  # it lacks an operator of the newest opset: there is nothing to calibrate
        )
        return []
    whole = quantized.compile()
    expected = whole.run(inputs[1])
    wrong = [f"whole: {text}" for text in _findings(whole)]
    if exact:
        tally.references += 1
        reference = evaluate_reference(quantized.reference(), inputs[1])
        wrong += [f"onnx.reference: output {n} differs" for n in _differences(expected, reference)]
    for target, mode, ocm_bytes in picks:
        where = f"{target} {mode}, {ocm_bytes or 'all'} bytes of OCM"
        try:
            program = quantized.compile(mode, ocm_bytes, target)
        except UserError as error:
            if "bytes of OCM" not in str(error):
                wrong.append(f"{where}: {error}")
            tally.too_small += 1
            continue
        tally.programs[f"{target} {mode}"] += 1
        tally.small += bool(ocm_bytes)
        wrong += [f"{where}: {text}" for text in _findings(program)]
        got = program.run(inputs[1], threads=2)
        wrong += [f"{where}: output {n} differs" for n in _differences(got, expected)]
    return wrong


def _findings(program: Program) -> list[str]:
    from pulsar2 import _kernels

    return [
        f"{found.kind}: {found.message}"
        for each in program.compiled.programs
        for found in _kernels.sanitize(each.code)
    ]


def run_batch(number: int, tally: Tally, count: int = BATCH, others: int = 3) -> None:
    """Draws `count` graphs from the seed `number`, each for `others` further cases."""
    cases = _cases()
    exact = bool(number % 2)
    pool = (*EXACT, *IMAGES, *INTEGERS, *SENSITIVE)
    steps = 1 + number % 8

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        models(pool if exact else (*pool, *FUNCTIONS), steps=steps),
        st.lists(
            st.tuples(st.sampled_from(cases), st.sampled_from(_OCM)),
            min_size=others,
            max_size=others,
        ),
    )
    def batch(model: onnx.ModelProto, picks: list[tuple[tuple[str, str], int]]) -> None:
        if tally.graphs >= most:
            return
        tally.graphs += 1
        chosen = [(target, mode, ocm_bytes) for (target, mode), ocm_bytes in picks]
        try:
            found = _check(model, exact, chosen, tally)
        except Exception as error:  # a defect is a finding like others: go on and tell them all
            found = [f"{type(error).__name__}: {error}"]
        tally.wrong += [f"seed {number}, graph {tally.graphs - before}: {text}" for text in found]

    before, most = tally.graphs, tally.graphs + count
    batch()


def report(tally: Tally, seeds: tuple[int, int], seconds: float) -> str:
    """The outcome as text."""
    lines = [
        f"{tally.graphs} graphs (seeds {seeds[0]} to {seeds[1]}, {BATCH} of each), "
        f"{sum(tally.programs.values())} programs beside the whole ones, {tally.small} of them in "
        f"less OCM than there is; {tally.references} held against onnx.reference; "
        f"{tally.too_small} do not fit; ONNX Runtime cannot run {tally.not_run}; {seconds:.0f} s",
        *(f"  {case}: {count}" for case, count in sorted(tally.programs.items())),
        f"{len(tally.wrong)} findings",
        *(f"  {text}" for text in tally.wrong),
    ]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Runs batches and prints what was found; 1 when that is anything."""
    parser = argparse.ArgumentParser(prog="python -m bench.exactness", description=__doc__)
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    arguments = parser.parse_args(words)
    logger.remove()
    tally, started, number = Tally(), time.monotonic(), arguments.first
    while tally.graphs < arguments.graphs and time.monotonic() - started < arguments.seconds:
        before = len(tally.wrong)
        run_batch(number, tally, min(BATCH, arguments.graphs - tally.graphs))
        for text in tally.wrong[before:]:
            print(text, flush=True)
        number += 1
    print(report(tally, (arguments.first, number - 1), time.monotonic() - started))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
