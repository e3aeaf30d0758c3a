"""Memory orders through views, against numpy's own strides."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.lowering.analysis import layouts

SIZES = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)


def laid(shape: Sequence[int], order: Sequence[int]) -> np.ndarray:
    """The numbers 0, 1, .. of memory as a tensor that lies in `order`."""
    flat = np.arange(math.prod(shape)).reshape([shape[dim] for dim in order])
    return flat.transpose([list(order).index(dim) for dim in range(len(shape))])


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[list[int], tuple[int, ...], list[int]]:
    shape = draw(SIZES)
    order = tuple(draw(st.permutations(range(len(shape)))))
    left, new = math.prod(shape), []
    while left > 1:
        new.append(draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
        left //= new[-1]
        if len(new) == 5:
            break
    return shape, order, [*new, left] if left > 1 or not new else new


@given(reshapes())
def test_reshapes(case: tuple[list[int], tuple[int, ...], list[int]]) -> None:
    shape, order, new = case
    source = laid(shape, order)
    expected = source.reshape(new)
    found = layouts.reshaped(order, shape, new)
    if found is None:
        assert not np.shares_memory(expected, source)
    else:
        assert sorted(found) == list(range(len(new)))
        np.testing.assert_array_equal(laid(new, found), expected)


@given(SIZES.flatmap(lambda s: st.tuples(st.just(s), *[st.permutations(range(len(s)))] * 2)))
def test_transpositions(case: tuple[list[int], list[int], list[int]]) -> None:
    shape, order, perm = case
    turned = layouts.transposed(tuple(order), perm)
    expected = laid(shape, order).transpose(perm)
    np.testing.assert_array_equal(laid([shape[p] for p in perm], turned), expected)
    assert layouts.before_transposition(turned, perm) == tuple(order)


def test_dimensions_that_go() -> None:
    assert layouts.without((0, 2, 3, 1), (2, 3)) == (0, 1)
    assert layouts.without((0, 2, 3, 1), (1,)) == (0, 1, 2)
    assert layouts.without((3, 1, 0, 2), (0,)) == (2, 0, 1)
