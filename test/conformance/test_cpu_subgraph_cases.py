"""ONNX's node cases that ONNX Runtime runs: each builds, and computes what ONNX Runtime does."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from cpu_subgraph_cases import run_case_compiled
from onnx_cases import Outcome, node_cases

REFUSED = (
    "compiled for fixed shapes",
    "is not a tensor",
    "takes a NaN or infinite value in calibration",
    "NaN or infinite number(s)",
)
"""What a build refuses: inputs without a shape, sequences as inputs and outputs, and (so far)
infinite numbers in masks."""

COARSE = ("test_softmax_large_number_expanded", "test_logsoftmax_large_number_expanded")
"""Cases whose numbers are one when quantized: 10,000 and 10,001 are within a step of 8 bits."""

_SHARE = 8
"""The suite takes one case in so many, the same ones every time."""


def chosen_cases() -> list[Any]:
    cases = [c for c in node_cases() if not c.name.startswith(COARSE)]
    return [c for c in cases if zlib.crc32(c.name.encode()) % _SHARE == 0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_cases_that_onnx_runtime_runs_are_built(part: int) -> None:
    wrong: list[str] = []
    for case in chosen_cases()[part::4]:
        result = run_case_compiled(case)
        if result.outcome is Outcome.REFUSED and any(r in result.reason for r in REFUSED):
            continue
        if result.outcome in (Outcome.REFUSED, Outcome.FAILED):
            wrong.append(f"{case.name}: {result.outcome.value}: {result.reason}")
    assert not wrong, "\n".join(wrong)
