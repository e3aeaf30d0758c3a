"""Operations that are dequantize, compute, quantize: eltwise, unary, convert, and lut."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from golden import Operand
from harness import (
    BOOL,
    F16,
    F32,
    I8,
    I32,
    I64,
    NO_CLAMP,
    QUANTIZED,
    SMALL_INTS,
    U8,
    U16,
    U32,
    check,
    random_clamp,
    random_operand,
    seeds,
    shapes,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

ANY = [*QUANTIZED, F32, BOOL, I64, U32, F16]


@pytest.mark.parametrize("fn", range(len(golden.BINARY)), ids=[n for n, _ in golden.BINARY])
@given(
    shape=shapes(),
    types=st.tuples(*[st.sampled_from(ANY)] * 3),
    broadcast=st.tuples(st.integers(0, 31), st.integers(0, 31)),
    seed=seeds,
)
def test_eltwise(fn, shape, types, broadcast, seed):
    rng = np.random.default_rng(seed)
    operands = []
    for dtype, mask in zip(types[:2], broadcast, strict=True):
        small = [1 if mask >> d & 1 else n for d, n in enumerate(shape)]
        operand = random_operand(rng, small, dtype)
        operand.array = np.broadcast_to(operand.array, shape)
        operands.append(operand)
    y = random_operand(rng, shape, types[2])
    check("eltwise", [*operands, y], [fn, *random_clamp(rng, types[2])], seed)


@pytest.mark.parametrize("dtype", [U8, I8, U16, F32])
def test_eltwise_long_runs(dtype):
    rng = np.random.default_rng(1)
    a, b, y = (random_operand(rng, (3, 5000), dtype) for _ in range(3))
    y.array = np.zeros((3, 5000), dtype)
    check("eltwise", [a, b, y], [0, *NO_CLAMP])


@pytest.mark.parametrize("fn", range(len(golden.UNARY)), ids=[n for n, _ in golden.UNARY])
@given(shape=shapes(), types=st.tuples(*[st.sampled_from(ANY)] * 2), seed=seeds)
def test_unary(fn, shape, types, seed):
    rng = np.random.default_rng(seed)
    x = random_operand(rng, shape, types[0])
    y = random_operand(rng, shape, types[1])
    alpha, beta = (float(np.float32(v)) for v in np.sort(rng.normal(size=2)))
    check("unary", [x, y], [fn, alpha, beta, *random_clamp(rng, types[1])], seed)


@pytest.mark.parametrize("fn", range(len(golden.UNARY)), ids=[n for n, _ in golden.UNARY])
def test_unary_over_all_of_f32(fn):
    """Every exponent and sign, special values included."""
    patterns = np.random.default_rng(fn).integers(0, 2**32, 4000, np.uint32)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, 3e38], np.float32)
    x = np.concatenate([patterns.view(np.float32), special])
    y = np.zeros_like(x)
    check("unary", [Operand(x), Operand(y)], [fn, 0.25, 0.75, *NO_CLAMP])


@given(shape=shapes(), types=st.tuples(*[st.sampled_from(ANY)] * 2), seed=seeds)
def test_convert(shape, types, seed):
    rng = np.random.default_rng(seed)
    x = random_operand(rng, shape, types[0])
    y = random_operand(rng, shape, types[1])
    if rng.random() < 0.3 and not x.is_float and not y.is_float:
        x.scale, x.zero_point = y.scale, y.zero_point
        lo, hi = golden.value_range(x.array.dtype)
        if x.array.dtype in (BOOL, I64) or not lo <= x.zero_point <= hi:
            x.zero_point = y.zero_point = 0
    check("convert", [x, y], random_clamp(rng, types[1]), seed)


@pytest.mark.parametrize("dtype", SMALL_INTS)
def test_requantize_rounds_ties_to_even(dtype):
    lo, hi = golden.value_range(np.dtype(dtype))
    x = np.arange(max(lo, -300), min(hi, 300) + 1).astype(dtype)
    y = np.zeros_like(x)
    expected = check("convert", [Operand(x, 1.0), Operand(y, 2.0)], NO_CLAMP)
    np.testing.assert_array_equal(expected, np.rint(x / 2))


@given(
    shape=shapes(),
    x_type=st.sampled_from([U8, I8]),
    y_type=st.sampled_from([U8, I8, U16, I32, F32, I64]),
    axis=st.integers(-1, 4),
    seed=seeds,
)
def test_lut(shape, x_type, y_type, axis, seed):
    rng = np.random.default_rng(seed)
    axis = min(axis, len(shape) - 1)
    x = random_operand(rng, shape, x_type)
    table = random_operand(rng, [256] if axis < 0 else [shape[axis], 256], y_type)
    y = Operand(strided(rng, shape, y_type))
    check("lut", [x, table, y], [axis], seed)


@given(n=st.integers(1, 3000), seed=seeds)
def test_lut_long_runs(n, seed):
    rng = np.random.default_rng(seed)
    x = Operand(rng.integers(0, 256, n).astype(np.uint8))
    table = Operand(rng.integers(0, 256, 256).astype(np.uint8))
    check("lut", [x, table, Operand(np.zeros(n, np.uint8))], [-1], seed)
