"""ONNX's node cases build and compute what they should, or are refused for a reason we know."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Any

import pytest
from cpu_subgraph_cases import COARSE, run_case_compiled
from onnx_cases import Outcome, node_cases, operator_of
from report import PAGE, REASONS

_ALWAYS = ("test_spacetodepth_crd_mode_example",)
_SHARE = 8
"""The suite takes one case in so many, the same ones every time."""


def chosen_cases() -> list[Any]:
    return [
        c for c in node_cases() if c.name in _ALWAYS or zlib.crc32(c.name.encode()) % _SHARE == 0
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_cases_are_built(part: int) -> None:
    wrong: list[str] = []
    for case in chosen_cases()[part::4]:
        result = run_case_compiled(case)
        if case.name in COARSE and result.outcome is Outcome.COARSE:
            continue
        if result.outcome is Outcome.REFUSED and any(r in result.reason for r in REASONS):
            continue
        if result.outcome is not Outcome.PASSED:
            wrong.append(f"{case.name}: {result.outcome.value}: {result.reason}")
    assert not wrong, "\n".join(wrong)


def test_the_page_counts_every_case() -> None:
    text = PAGE.read_text()
    counts = Counter(operator_of(c.model) for c in node_cases())
    missing = [o for o, n in counts.items() if f"\n| {o} | {n} |" not in text]
    assert missing == [], f"write {PAGE.name} anew with test/conformance/report.py"
