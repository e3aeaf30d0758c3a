"""Units and order of jobs: legal, as the replay has them, and close to the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2 import _kernels
from pulsar2.lowering.analysis.order import Schedule, assign_units

UNITS = {"conv": 2, "teng": 1, "cv": 1, "sdma": 1}
KINDS = tuple(UNITS)
Graph = tuple[list[int], list[int], list[list[int]]]

OPTIMA = {
    (0, 36): 9401, (1, 30): 10220, (2, 26): 7889, (3, 19): 4515, (5, 13): 4244, (9, 35): 10602,
    (11, 38): 16660, (12, 26): 7772, (15, 33): 12148, (17, 27): 7566, (20, 20): 3357,
    (25, 36): 7052, (28, 34): 14597,
}  # fmt: skip
"""Shortest makespans of `random_graph(seed, jobs)`, proven by CP-SAT (OR-tools 9.15)."""


def random_graph(seed: int, count: int) -> Graph:
    """Classes, cycles and waits of jobs: of any class, mostly conv, or in the rhythm of tiles."""
    rng = np.random.default_rng(seed)
    kinds: list[int] = []
    cycles: list[int] = []
    waits: list[list[int]] = []
    for job in range(count):
        if seed % 3 == 0:
            kinds.append(int(rng.choice(4, p=[0.45, 0.2, 0.1, 0.25])))
        elif seed % 3 == 1:
            kinds.append(int(rng.choice(4)))
        else:
            kinds.append([3, 0, 0, 1][job % 4])
        short = rng.random() < 0.8
        cycles.append(int(rng.integers(50, 1000)) if short else int(rng.integers(1000, 3000)))
        others: set[int] = set()
        for _ in range(int(rng.integers(0, 3)) if job else 0):
            others.add(int(rng.integers(max(0, job - 8), job)))
        waits.append(sorted(others))
    return kinds, cycles, waits


def scheduled(graph: Graph) -> Schedule:
    kinds, cycles, waits = graph
    names = [KINDS[k] for k in kinds]
    return assign_units(names, cycles, [0] * len(names), waits, UNITS, 1.0)


def test_close_to_the_optimum() -> None:
    ratios: list[float] = []
    for (seed, count), optimum in OPTIMA.items():
        result = scheduled(random_graph(seed, count))
        ratios.append(result.makespan / optimum)
        stages = dict(result.stages)
        assert list(stages) == ["heuristic", "onepass", "greedy", "improved"]
        assert result.makespan == min(stages.values())
    assert min(ratios) >= 1
    assert np.mean(ratios) <= 1.05
    assert max(ratios) <= 1.15


def test_close_to_the_optimum_of_fresh_graphs() -> None:
    """Solved here and now, where OR-tools is installed."""
    cp_model = pytest.importorskip("ortools.sat.python.cp_model", reason="needs OR-tools")
    ratios: list[float] = []
    for seed in (31, 32, 33, 36):
        kinds, cycles, waits = graph = random_graph(seed, 24)
        model = cp_model.CpModel()
        most = sum(cycles)
        starts = [model.new_int_var(0, most, "") for _ in cycles]
        spans = [
            model.new_interval_var(s, d, s + d, "") for s, d in zip(starts, cycles, strict=True)
        ]
        for job, others in enumerate(waits):
            for other in others:
                model.add(starts[job] >= starts[other] + cycles[other])
        for kind, count in enumerate(UNITS.values()):
            members = [span for span, k in zip(spans, kinds, strict=True) if k == kind]
            model.add_cumulative(members, [1] * len(members), count)
        end = model.new_int_var(0, most, "")
        for start, length in zip(starts, cycles, strict=True):
            model.add(end >= start + length)
        model.minimize(end)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = 10
        assert solver.solve(model) == cp_model.OPTIMAL
        ratios.append(scheduled(graph).makespan / solver.objective_value)
    assert min(ratios) >= 1
    assert np.mean(ratios) <= 1.05
    assert max(ratios) <= 1.15


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, list[int]]:
    count = draw(st.integers(0, 20))
    kinds = [draw(st.integers(0, 3)) for _ in range(count)]
    cycles = [draw(st.integers(0, 50)) for _ in range(count)]
    nbytes = [draw(st.sampled_from([0, 0, 10, 200])) if c else 0 for c in cycles]
    waits = [
        sorted(draw(st.sets(st.integers(0, j - 1), max_size=3))) if j else [] for j in range(count)
    ]
    return (kinds, cycles, waits), nbytes


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_schedules_are_legal_and_what_the_replay_says(case: tuple[Graph, list[int]]) -> None:
    (kinds, cycles, waits), nbytes = case
    names = [KINDS[k] for k in kinds]
    result = assign_units(names, cycles, nbytes, waits, UNITS, 4.0, 2_000)
    assert result == assign_units(names, cycles, nbytes, waits, UNITS, 4.0, 2_000)
    place = {job: position for position, job in enumerate(result.order)}
    assert sorted(place) == list(range(len(kinds)))
    assert all(0 <= result.units[j] < UNITS[names[j]] for j in place)
    assert all(place[other] < place[job] for job in place for other in waits[job])
    base = {"conv": 0, "teng": 2, "cv": 3, "sdma": 4}
    moved = [sorted(place[o] for o in waits[j]) for j in result.order]
    start, end = _kernels.replay(
        np.array([base[names[j]] + result.units[j] for j in result.order], np.int32),
        np.array([cycles[j] for j in result.order], np.int64),
        np.array([nbytes[j] for j in result.order], np.int64),
        np.cumsum([0, *map(len, moved)], dtype=np.int64),
        np.array([o for w in moved for o in w], np.int32),
        4.0,
    )
    assert start.tolist() == [result.start[j] for j in result.order]
    assert end.tolist() == [result.end[j] for j in result.order]


def test_wrong_graphs() -> None:
    with pytest.raises(ValueError, match="wait for earlier ones"):
        assign_units(["conv"], [1], [0], [[0]], UNITS, 1.0)
    with pytest.raises(ValueError, match="a class that has no unit"):
        assign_units(["conv"], [1], [0], [[]], {"conv": 0}, 1.0)
