"""ONNX's own backend cases: none may crash, differ, or be refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from onnx_cases import Outcome, light_models, node_cases, operator_of, optimize, run_variants


@cache
def by_operator() -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for case in node_cases():
        groups[operator_of(case.model)].append(case)
    return dict(groups)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("operator", sorted(by_operator()))
def test_cases_of(operator: str) -> None:
    wrong = list(_mistakes(by_operator()[operator]))
    assert not wrong, "\n".join(wrong)


def _mistakes(cases: list[Any]) -> Iterator[str]:
    for case in cases:
        for result, variant in zip(
            run_variants(case, [None, optimize]), ("round trip", "optimized"), strict=True
        ):
            if result.outcome is not Outcome.PASSED:
                yield f"{case.name} ({variant}): {result.outcome.value}: {result.reason}"


@pytest.mark.parametrize(
    ("name", "proto"), light_models(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_topologies_of_the_onnx_package(name: str, proto: Any) -> None:
    from light_topologies import check_topology

    check_topology(proto)


@pytest.mark.parametrize("name", ["light_resnet50", "light_squeezenet"])
def test_topologies_are_built_for_the_npu_alone(name: str) -> None:
    from light_topologies import check_build

    check_build(dict(light_models())[name])
