"""Which operations run together, on random graphs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.lowering.analysis.batches import assign_batches


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    """Operations of kinds 0, 1 and of kinds of their own (one each), and what they need."""
    count = draw(st.integers(0, 12))
    kinds = [draw(st.integers(0, 1)) for _ in range(count)]
    for index in range(count):
        if draw(st.integers(0, 4)) == 0:
            kinds[index] = index + 2
    needs = [
        sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else [] for i in range(count)
    ]
    return kinds, needs


@given(graphs())
def test_each_batch_is_of_one_kind_and_in_order(graph: tuple[list[int], list[list[int]]]) -> None:
    kinds, needs = graph
    batches = assign_batches(kinds, needs)
    assert sorted(set(batches)) == list(range(max(batches, default=-1) + 1))
    for batch in set(batches):
        assert len({kinds[i] for i, b in enumerate(batches) if b == batch}) == 1
    for op, before in enumerate(needs):
        assert all(batches[n] <= batches[op] for n in before)


def test_a_kind_of_its_own_stays_together_or_cannot_be() -> None:
    assert assign_batches([0, 2, 2, 0], [[], [0], [1], [2]]) == [0, 1, 1, 2]
    with pytest.raises(ValueError, match="kind 2"):
        assign_batches([2, 0, 2], [[], [0], [1]])
