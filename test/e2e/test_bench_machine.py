"""The benchmark's sweeps of the machine half: random graphs on every chip, and growth with jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import exactness
from bench.exactness import Tally, report, run_batch
from bench.scale import chart, growth, measure_scale, table


def test_random_graphs_are_exact_everywhere() -> None:
    tally = Tally()
    for number in (1, 4):
        run_batch(number, tally, 8)
    assert tally.wrong == []
    assert (tally.graphs, tally.references) == (16, 8)
    assert sum(tally.programs.values()) + tally.too_small == 48
    assert tally.small > 5


def test_findings_tell_their_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactness, "_findings", lambda _: ["race: made up"])
    tally = Tally()
    run_batch(2, tally, 1, others=0)
    assert tally.wrong == ["seed 2, graph 1: whole: race: made up"]
    assert "1 findings\n  seed 2, graph 1" in report(tally, (2, 2), 1.0)


def test_scheduling_grows_about_linearly(tmp_path: Path) -> None:
    rows = measure_scale((60, 300), tmp_path)
    assert rows[1].jobs > 3 * rows[0].jobs
    assert growth(rows) < 1.4
    assert f"| {rows[1].jobs} |" in table(rows)
    assert chart(rows).startswith("<svg")
