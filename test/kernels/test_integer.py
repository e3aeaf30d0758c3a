"""integer, where and cast against their goldens."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from golden import Operand
from harness import (
    BOOL,
    F32,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    call,
    check,
    fill_random,
    random_operand,
    seeds,
    shapes,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

PLAIN = [BOOL, U8, I8, U16, I16, I32, U32]


def plain(rng, shape, dtype):
    return Operand(fill_random(rng, strided(rng, shape, dtype)))


def spread(rng, operand, mask):
    """The operand repeated along the dimensions of the mask's bits."""
    shape = operand.array.shape
    first = tuple(slice(0, 1 if mask >> d & 1 else n) for d, n in enumerate(shape))
    return Operand(np.broadcast_to(operand.array[first], shape), operand.scale, operand.zero_point)


@pytest.mark.parametrize("fn", range(len(golden.INTEGER)), ids=[n for n, _ in golden.INTEGER])
@given(shape=shapes(), dtype=st.sampled_from(PLAIN), masks=st.tuples(*[st.integers(0, 31)] * 2),
       small=st.booleans(), seed=seeds)  # fmt: skip
def test_integer(fn, shape, dtype, masks, small, seed):
    rng = np.random.default_rng(seed)
    a, b = (spread(rng, plain(rng, shape, dtype), mask) for mask in masks)
    if small and dtype != BOOL:
        a, b = (Operand((o.array % np.array(4, dtype)).astype(dtype)) for o in (a, b))
    result = BOOL if fn >= 10 else dtype
    check("integer", [a, b, Operand(strided(rng, shape, result))], [fn], seed)


@given(shape=shapes(), dtype=st.sampled_from([*PLAIN, F32, I64]),
       masks=st.tuples(*[st.integers(0, 31)] * 3), seed=seeds)  # fmt: skip
def test_where(shape, dtype, masks, seed):
    rng = np.random.default_rng(seed)
    types = (BOOL, dtype, dtype)
    c, a, b = (spread(rng, plain(rng, shape, t), m) for t, m in zip(types, masks, strict=True))
    check("where", [c, a, b, Operand(strided(rng, shape, dtype))], [], seed)


@given(shape=shapes(), types=st.tuples(*[st.sampled_from([*PLAIN, I64])] * 2),
       saturate=st.integers(0, 1), seed=seeds)  # fmt: skip
def test_casts_of_integers(shape, types, saturate, seed):
    rng = np.random.default_rng(seed)
    x, y = plain(rng, shape, types[0]), Operand(strided(rng, shape, types[1]))
    check("cast", [x, y], [saturate], seed)


@given(shape=shapes(), types=st.tuples(st.sampled_from([U8, I8, U16, I16, F32]),
       st.sampled_from(PLAIN)), back=st.booleans(), seed=seeds)  # fmt: skip
def test_casts_of_numbers(shape, types, back, seed):
    rng = np.random.default_rng(seed)
    real, whole = random_operand(rng, shape, types[0]), plain(rng, shape, types[1])
    if types[0] == F32:
        special = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 1e20], F32)
        chosen = rng.random(real.array.shape) < 0.2
        real.array[chosen] = rng.choice(special, int(chosen.sum()))
    check("cast", [whole, real] if back else [real, whole], [1], seed)


@pytest.mark.parametrize(
    ("name", "operands", "params", "message"),
    [
        ("integer", (I32, I32, I32), [15], "no function has number 15"),
        ("integer", (I32, I16, I32), [0], "a is S32, b is S16, y is S32"),
        ("integer", (I32, I32, I32), [10], "a is S32, b is S32, y is S32"),
        ("integer", (I64, I64, I64), [0], "a is S64, b is S64, y is S64"),
        ("integer", (F32, F32, F32), [0], "a holds no plain integers"),
        ("where", (U8, I32, I32, I32), [], "c is U8"),
        ("where", (BOOL, I32, I16, I32), [], "b is S16"),
        ("cast", (F32, F32), [1], "neither x nor y holds plain integers"),
        ("cast", (I32, I32), [2], "saturate is 2"),
    ],
)
def test_what_is_wrong_is_told(name, operands, params, message):
    with pytest.raises(ValueError, match=message):
        call(name, [Operand(np.zeros(4, dtype)) for dtype in operands], params)
