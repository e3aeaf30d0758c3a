"""ONNX's node cases that ONNX Runtime runs: each builds, and computes what ONNX Runtime does."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from cpu_subgraph_cases import run_case_compiled
from onnx_cases import Outcome, node_cases

REFUSED: dict[str, str] = {}

_SHARE = 8
"""The suite takes one case in so many, the same ones every time; `report.py --compiled` all."""


def chosen_cases() -> list[Any]:
    return [c for c in node_cases() if zlib.crc32(c.name.encode()) % _SHARE == 0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_cases_that_onnx_runtime_runs_are_built(part: int) -> None:
    wrong: list[str] = []
    for case in chosen_cases()[part::4]:
        result = run_case_compiled(case)
        if result.outcome is Outcome.REFUSED and REFUSED.get(case.name, "\0") in result.reason:
            continue
        if result.outcome in (Outcome.REFUSED, Outcome.FAILED):
            wrong.append(f"{case.name}: {result.outcome.value}: {result.reason}")
    assert not wrong, "\n".join(wrong)
