"""Latency estimates stay near the published figures that the assumed numbers were fitted to."""

from __future__ import annotations

from pathlib import Path

from bench.fit import PLAUSIBLE, Fit, timing_with
from bench.published import POINTS, Point, published_section
from pulsar2.targets import load_target

_QUICK = ("mobilenet_v2", "squeezenet1_1", "mobilenet_v1")


def test_estimates_are_near_the_published_figures(tmp_path: Path) -> None:
    points = [point for point in POINTS if point.network in _QUICK]
    _, errors = published_section(tmp_path, points)
    assert len(errors) == len(points)
    assert sorted(map(abs, errors))[len(errors) // 2] <= 0.15
    assert max(map(abs, errors)) <= 0.4


def test_what_does_not_build_is_said(tmp_path: Path) -> None:
    section, errors = published_section(tmp_path, [])
    assert not section.rows
    assert not errors


def test_the_search_finds_the_invocation() -> None:
    timing = load_target("AX650").timing
    plausible = PLAUSIBLE["AX650"]
    fit = Fit(plausible, [(Point("AX650", "NPU1", "empty", 0.4, "made up"), [])], timing)
    found = fit.search()
    assert found["invocation NPU1"] == 400
    assert timing_with(plausible, found, timing) == timing_with(
        plausible, {**found, "invocation NPU1": 1}, timing
    )


def test_fitted_numbers_are_entries_of_the_target() -> None:
    for target, plausible in PLAUSIBLE.items():
        timing = load_target(target).timing
        for number in plausible.values():
            assert number.moves.keys() <= timing.keys()
