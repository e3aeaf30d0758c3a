"""Conflict analysis against sets of bytes, on random strided boxes."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.conflicts import Access, conflict_waits, prune_waits


def touched(access: Access) -> set[int]:
    starts = {access.address}
    for size, stride in zip(access.shape, access.strides, strict=True):
        starts = {s + i * stride for s in starts for i in range(size)}
    return {s + b for s in starts for b in range(access.itemsize)}


@st.composite
def lattice_accesses(draw: st.DrawFn) -> list[Access]:
    """Boxes cut from one channels-last tensor, as tiles are."""
    h, w, c = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    base = draw(st.sampled_from([0, 64]))
    accesses: list[Access] = []
    for _ in range(2):
        ranges = []
        for size in (c, h, w):
            begin = draw(st.integers(0, size - 1))
            ranges.append((begin, draw(st.integers(begin + 1, size))))
        strides = (1, w * c, c)
        address = base + sum(r[0] * s for r, s in zip(ranges, strides, strict=True))
        shape = tuple(r[1] - r[0] for r in ranges)
        accesses.append(Access(0, address, shape, strides, 1, draw(st.booleans())))
    return accesses


any_access = st.builds(
    lambda address, dims, itemsize, writes: Access(
        0, address, tuple(d[0] for d in dims), tuple(d[1] for d in dims), itemsize, writes
    ),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 12)), min_size=1, max_size=3),
    st.sampled_from([1, 2, 4]),
    st.booleans(),
)


@given(lattice_accesses() | st.lists(any_access, min_size=2, max_size=2))
@settings(max_examples=600, deadline=None)
def test_jobs_conflict_exactly_when_they_share_a_byte(
    accesses: list[Access],
) -> None:
    a, b = accesses
    expected = bool(touched(a) & touched(b)) and (a.writes or b.writes)
    assert (conflict_waits([[a], [b]]) == [[], [0]]) == expected


def reachable(waits: list[list[int]]) -> list[set[int]]:
    before: list[set[int]] = []
    for others in waits:
        reach = set(others)
        for other in others:
            reach |= before[other]
        before.append(reach)
    return before


@given(st.lists(st.lists(any_access, min_size=1, max_size=3), min_size=2, max_size=8))
@settings(max_examples=300, deadline=None)
def test_every_conflict_is_ordered(jobs: list[list[Access]]) -> None:
    before = reachable(conflict_waits(jobs))
    for first, second in itertools.combinations(range(len(jobs)), 2):
        conflict = any(
            (a.writes or b.writes) and touched(a) & touched(b)
            for a in jobs[first]
            for b in jobs[second]
        )
        if conflict:
            assert first in before[second]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_pruning_keeps_the_order_and_leaves_no_implied_wait(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 10))
    queues = [data.draw(st.integers(0, 2)) for _ in range(count)]
    waits = [
        sorted(data.draw(st.sets(st.integers(0, j - 1), max_size=4))) if j else []
        for j in range(count)
    ]

    def with_queues(waits: list[list[int]]) -> list[list[int]]:
        last: dict[int, int] = {}
        full: list[list[int]] = []
        for job, others in enumerate(waits):
            queue = [last[queues[job]]] if queues[job] in last else []
            full.append(sorted({*others, *queue}))
            last[queues[job]] = job
        return full

    pruned = prune_waits(queues, waits)
    assert reachable(with_queues(pruned)) == reachable(with_queues(waits))
    for job, others in enumerate(pruned):
        for other in others:
            fewer = [list(w) for w in pruned]
            fewer[job].remove(other)
            assert other not in reachable(with_queues(fewer))[job]


@st.composite
def tiled_buffers(draw: st.DrawFn) -> tuple[list[list[Access]], list[tuple[int, int]]]:
    """Buffers that take each other's place in 48 bytes, written and read by tiles of columns."""
    jobs: list[list[Access]] = []
    places: list[tuple[int, int]] = []
    for number in range(draw(st.integers(2, 5))):
        rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 6))
        low = draw(st.integers(0, 48 - rows * columns))
        places.append((low, low + rows * columns))
        cuts = sorted({0, columns, *draw(st.lists(st.integers(0, columns), max_size=2))})
        tiles = [
            Access(0, low + a, (rows, b - a), (columns, 1), 1, True, number)
            for a, b in itertools.pairwise(cuts)
        ]
        # Some tiles are not written, some twice, some only read.
        kept = draw(st.lists(st.sampled_from([*tiles, *tiles]), max_size=6)) or tiles
        chosen = tiles if draw(st.booleans()) else kept
        reads = [tile._replace(writes=False) for tile in draw(st.permutations(chosen))]
        jobs += [[tile] for tile in [*chosen, *reads]]
    return jobs, places


@given(tiled_buffers())
@settings(max_examples=600, deadline=None)
def test_what_a_filled_buffer_replaces_is_ordered_through_it(
    drawn: tuple[list[list[Access]], list[tuple[int, int]]],
) -> None:
    jobs, places = drawn
    before = reachable(conflict_waits(jobs, places))
    for first, second in itertools.combinations(range(len(jobs)), 2):
        (a,), (b,) = jobs[first], jobs[second]
        if (a.writes or b.writes) and touched(a) & touched(b):
            assert first in before[second]


def test_waits_do_not_grow_with_the_number_of_buffers_at_one_place() -> None:
    """Tiles with gaps fill each buffer together, so that only the last buffer matters."""
    tiles = [(0, 4), (4, 8)]
    jobs = [
        [Access(0, a, (4, b - a), (8, 1), 1, writes, number)]
        for number in range(20)
        for writes in (True, False)
        for a, b in tiles
    ]
    waits = conflict_waits(jobs, [(0, 32)] * 20)
    assert max(map(len, waits)) == 2
