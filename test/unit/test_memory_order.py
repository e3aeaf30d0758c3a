"""Jobs ordered with memory as a resource: legal, within what there is, and no worse for it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.memory_order import Jobs, MemoryOrder, TimedOrder

UNITS = {"conv": 2, "teng": 1, "cv": 1, "sdma": 1}


@st.composite
def job_lists(draw: st.DrawFn) -> Jobs:
    """Jobs that read buffers of earlier ones; some are loads."""
    count = draw(st.integers(0, 20))
    kinds: list[str] = []
    waits: list[list[int]] = []
    used: list[list[int]] = []
    for job in range(count):
        if draw(st.booleans()):
            kinds.append("sdma")
            waits.append([])
        else:
            kinds.append(draw(st.sampled_from(sorted(UNITS))))
            waits.append(sorted(draw(st.sets(st.integers(0, job - 1), max_size=3))) if job else [])
        # Its own buffer, and those of the jobs that it waits for.
        used.append([job, *waits[-1]])
    cycles = [draw(st.integers(1, 50)) for _ in range(count)]
    nbytes = [draw(st.sampled_from([0, 40, 200])) if kind == "sdma" else 0 for kind in kinds]
    sizes = [draw(st.integers(0, 10)) for _ in range(count)]
    return Jobs(kinds, cycles, nbytes, waits, sizes, used)


def in_use(jobs: Jobs, times: list[tuple[int, int]]) -> int:
    """The most bytes of buffers whose jobs run at these times."""
    change: dict[int, int] = {}
    for buffer, size in enumerate(jobs.sizes):
        spans = [times[j] for j, used in enumerate(jobs.used) if buffer in used]
        begin, end = min(s for s, _ in spans), max(e for _, e in spans)
        change[begin] = change.get(begin, 0) + size
        change[end] = change.get(end, 0) - size
    return int(max(np.cumsum([change[t] for t in sorted(change)]), default=0))


def one_by_one(count: int) -> list[tuple[int, int]]:
    return [(job, job + 1) for job in range(count)]


def check(jobs: Jobs, result: TimedOrder) -> None:
    count = len(jobs.kinds)
    assert sorted(result.order) == list(range(count))
    assert [result.start[j] for j in result.order] == sorted(result.start)
    for job in range(count):
        assert result.end[job] - result.start[job] >= jobs.cycles[job]
        assert all(result.end[other] <= result.start[job] for other in jobs.waits[job])
    for kind, units in UNITS.items():
        spans = [(result.start[j], result.end[j]) for j in range(count) if jobs.kinds[j] == kind]
        for begin, _ in spans:
            assert sum(s <= begin < e for s, e in spans) <= units


@given(job_lists(), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_orders_are_legal_and_keep_within_memory(jobs: Jobs, limit: int) -> None:
    count = len(jobs.kinds)
    order = MemoryOrder(jobs, UNITS, 4.0)
    result = order.within(limit)
    assert result == order.within(limit)
    check(jobs, result)
    needed = in_use(jobs, one_by_one(count))
    assert in_use(jobs, list(zip(result.start, result.end, strict=True))) <= max(limit, needed)


def test_more_memory_is_used_for_overlap() -> None:
    """Tiles of load, conv and store: with room for two at a time they overlap."""
    tiles = 8
    kinds = ["sdma", "conv", "sdma"] * tiles
    cycles = [100, 100, 100] * tiles
    waits = [w for t in range(tiles) for w in ([], [3 * t], [3 * t + 1])]
    used = [u for t in range(tiles) for u in ([2 * t], [2 * t, 2 * t + 1], [2 * t + 1])]
    jobs = Jobs(kinds, cycles, [0] * len(kinds), waits, [1] * 16, used)
    order = MemoryOrder(jobs, UNITS, 1.0)
    alone, double = order.within(2), order.within(4)
    assert alone.makespan == 300 * tiles
    assert double.makespan <= 200 * tiles + 200


def test_tiles_do_not_run_far_ahead_of_a_store() -> None:
    """Tiles that a slow store holds up leave room for the layers behind them."""
    tiles, layers = 32, 20
    kinds = ["conv", "sdma"] * tiles + ["conv"] * layers
    cycles = [10, 1000] * tiles + [900] * layers
    first = 2 * tiles
    waits = [w for t in range(tiles) for w in ([], [2 * t])]
    waits += [[first + n - 1] if n else [] for n in range(layers)]
    used = [[job // 2] for job in range(first)] + [[tiles + n] for n in range(layers)]
    jobs = Jobs(kinds, cycles, [0] * len(kinds), waits, [1] * tiles + [6] * layers, used)
    result = MemoryOrder(jobs, {**UNITS, "conv": 1}, 1.0).within(8)
    assert result.makespan <= 1000 * (tiles + 2)


def test_loads_are_no_earlier_than_needed() -> None:
    """The loads of later layers do not take the room of tiles that could overlap."""
    tiles, layers = 8, 6
    kinds = ["conv", "teng"] * tiles + ["sdma", "conv"] * layers
    cycles = [100, 100] * tiles + [10, 100] * layers
    first = 2 * tiles
    waits = [w for t in range(tiles) for w in ([], [2 * t])]
    waits += [w for n in range(layers) for w in ([], sorted({first - 1, first + 2 * n}))]
    used = [u for t in range(tiles) for u in ([t], [t])]
    used += [u for n in range(layers) for u in ([tiles + n], [tiles + n])]
    nbytes = [10 if kind == "sdma" else 0 for kind in kinds]
    jobs = Jobs(kinds, cycles, nbytes, waits, [1] * (tiles + layers), used)
    result = MemoryOrder(jobs, {**UNITS, "conv": 1}, 1.0).within(3)
    assert result.end[first - 1] == 100 * (tiles + 1)
    assert result.makespan == 100 * (tiles + 1 + layers)
