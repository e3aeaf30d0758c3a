"""gather_elements, scatter_elements, arg and top_k against their goldens."""

from __future__ import annotations

import numpy as np
import pytest
from golden import Operand
from harness import F32, I8, I16, I32, U8, U16, call, check, fill_random, seeds, shapes, strided
from hypothesis import given
from hypothesis import strategies as st

TYPES = st.sampled_from([U8, I8, U16, I16, I32, F32])


def tensor(rng, shape, dtype):
    return Operand(fill_random(rng, strided(rng, shape, dtype)))


def places(rng, shape, size, negative=True):
    array = strided(rng, shape, I32)
    array[...] = rng.integers(-size if negative else 0, size, shape)
    return Operand(array)


def smaller(rng, shape, axis):
    """A shape with any size along the axis, and no more than `shape` elsewhere."""
    return tuple(int(rng.integers(1, 9 if d == axis else n + 1)) for d, n in enumerate(shape))


@given(shape=shapes(), axis=st.integers(0, 9), dtype=TYPES, seed=seeds)
def test_gather_elements(shape, axis, dtype, seed):
    rng = np.random.default_rng(seed)
    axis %= len(shape)
    wanted = smaller(rng, shape, axis)
    operands = [tensor(rng, shape, dtype), places(rng, wanted, shape[axis])]
    check("gather_elements", [*operands, Operand(strided(rng, wanted, dtype))], [axis], seed)


@given(shape=shapes(), axis=st.integers(0, 9), dtype=TYPES, kind=st.integers(0, 4), seed=seeds)
def test_scatter_elements(shape, axis, dtype, kind, seed):
    rng = np.random.default_rng(seed)
    axis %= len(shape)
    given_ = smaller(rng, shape, axis)
    x, updates = tensor(rng, shape, dtype), tensor(rng, given_, dtype)
    y = Operand(strided(rng, shape, dtype))
    operands = [x, places(rng, given_, shape[axis]), updates, y]
    check("scatter_elements", operands, [axis, kind], seed)


def ranked(shape, axis, dtype, count, few, seed):
    """x, and a place for the indices of its greatest elements; `few` makes many of them equal."""
    rng = np.random.default_rng(seed)
    x = tensor(rng, shape, dtype)
    if few:
        x.array[...] = rng.integers(0, 3, shape)
    result = tuple(count if d == axis else n for d, n in enumerate(shape))
    return [x, Operand(strided(rng, result, I32))]


RANKED = {
    "shape": shapes(),
    "axis": st.integers(0, 9),
    "dtype": TYPES,
    "largest": st.integers(0, 1),
    "few": st.booleans(),
    "seed": seeds,
}


@given(**RANKED)
def test_arg(shape, axis, dtype, largest, few, seed):
    axis %= len(shape)
    check("arg", ranked(shape, axis, dtype, 1, few, seed), [axis, largest], seed)


@given(**RANKED)
def test_top_k(shape, axis, dtype, largest, few, seed):
    axis %= len(shape)
    count = 1 + seed % shape[axis]
    check("top_k", ranked(shape, axis, dtype, count, few, seed), [axis, largest], seed)


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_outside_is_told(index):
    x, y = np.zeros(4, U8), np.zeros(1, U8)
    indices = np.array([index], I32)
    with pytest.raises(ValueError, match=f"index {index} of 4 elements"):
        call("gather_elements", [Operand(a) for a in (x, indices, y)], [0])
    with pytest.raises(ValueError, match=f"index {index} of 4 elements"):
        call("scatter_elements", [Operand(a) for a in (x, indices, y, x.copy())], [0, 0])


@pytest.mark.parametrize(
    ("name", "operands", "params", "message"),
    [
        ("gather_elements", ((4, U8), (4, U8), (4, U8)), [0], "indices are U8"),
        ("gather_elements", ((4, U8), (4, I32), (4, I8)), [0], "x is U8, y is S8"),
        ("gather_elements", ((4, U8), (4, I32), (4, U8)), [1], "axis 1 of a rank 1 tensor"),
        ("scatter_elements", ((4, U8), (2, I32), (2, U8), (4, U8)), [0, 5], "has number 5"),
        ("scatter_elements", ((4, U8), (2, I32), (2, I8), (4, U8)), [0, 0], "updates are S8"),
        ("arg", ((4, U8), (2, I32)), [0, 1], "2 elements along the axis"),
        ("arg", ((4, U8), (1, I32)), [0, 2], "largest is 2"),
        ("top_k", ((4, U8), (5, I32)), [0, 1], "5 of 4 elements"),
    ],
)
def test_what_is_wrong_is_told(name, operands, params, message):
    with pytest.raises(ValueError, match=message):
        call(name, [Operand(np.zeros(n, dtype)) for n, dtype in operands], params)
