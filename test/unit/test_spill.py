"""Eviction: capacity is kept, every use is served, and nothing leaves that need not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.spill import TooLarge, split_lives


def loads(stays: list[list[list[int]]]) -> int:
    return sum(len(s) - 1 for s in stays if s)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_residency_stays_within_capacity(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    sizes = [data.draw(st.integers(1, 9)) for _ in range(count)]
    jobs = data.draw(
        st.lists(
            st.lists(st.integers(0, count - 1), min_size=1, max_size=3), min_size=1, max_size=12
        )
    )
    largest = max(sum(sizes[b] for b in set(j)) for j in jobs)
    capacity = data.draw(st.integers(largest, largest + 12))
    stays = split_lives(jobs, sizes, capacity)
    for position, needed in enumerate(jobs):
        alive = {
            b for b, all_stays in enumerate(stays) for s in all_stays if s[0] <= position <= s[-1]
        }
        assert set(needed) <= alive
        assert sum(sizes[b] for b in alive) <= capacity
    flat = [[p for s in all_stays for p in s] for all_stays in stays]
    assert flat == [[p for p, j in enumerate(jobs) if b in j] for b in range(count)]
    if capacity >= sum(sizes):
        assert loads(stays) == 0


def test_the_farthest_next_use_leaves() -> None:
    stays = split_lives([[0], [1], [2], [1], [0]], [1, 1, 1], 2)
    assert stays == [[[0], [4]], [[1, 3]], [[2]]]


def test_a_job_that_cannot_fit_is_refused() -> None:
    with pytest.raises(TooLarge, match="job 1 needs 7 bytes at once, there are 6"):
        split_lives([[0], [0, 1]], [3, 4], 6)
