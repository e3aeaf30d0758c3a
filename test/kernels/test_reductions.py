"""Pooling, reductions and softmax."""

from __future__ import annotations

import numpy as np
import pytest
from golden import Operand
from harness import (
    F16,
    F32,
    I32,
    SMALL_INTS,
    U8,
    channels_last,
    check,
    fill_random,
    quantized,
    random_clamp,
    random_operand,
    seeds,
    shapes,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

ANY = [*SMALL_INTS, I32, F32, F16]
small = st.integers(1, 3)


@given(
    kind=st.integers(0, 1),
    sizes=st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    dilations=st.tuples(small, small),
    out=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    include=st.integers(0, 1),
    types=st.tuples(st.sampled_from(ANY), st.sampled_from(ANY)),
    layout=st.booleans(),
    same=st.booleans(),
    seed=seeds,
)
def test_pool(
    kind, sizes, kernel, strides, pads, dilations, out, include, types, layout, same, seed
):
    rng = np.random.default_rng(seed)
    x = random_operand(rng, sizes, types[0])
    if layout:
        x = quantized(rng, fill_random(rng, channels_last(rng, sizes, types[0])))
    y = random_operand(rng, (*sizes[:2], *out), types[0] if same else types[1])
    if same:
        y.scale, y.zero_point = x.scale, x.zero_point
    params = [kind, *kernel, *strides, *pads, *dilations, include]
    check("pool", [x, y], [*params, *random_clamp(rng, y.array.dtype)], seed)


@pytest.mark.parametrize("dtype", [*SMALL_INTS, F32])
@pytest.mark.parametrize("kind", [0, 1])
def test_pool_of_many_channels(dtype, kind):
    rng = np.random.default_rng(3)
    x = quantized(rng, fill_random(rng, channels_last(rng, (1, 600, 9, 9), dtype)))
    y = quantized(rng, channels_last(rng, (1, 600, 5, 5), dtype))
    check("pool", [x, y], [kind, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, -(2**31), 2**31 - 1])


NORMED = [*SMALL_INTS, F32, F16]


@given(
    shape=shapes(),
    mask=st.integers(0, 31),
    kind=st.integers(4, 7),
    types=st.tuples(st.sampled_from(NORMED), st.sampled_from(ANY)),
    seed=seeds,
)
def test_reduce_to_norms(shape, mask, kind, types, seed):
    rng = np.random.default_rng(seed)
    mask &= (1 << len(shape)) - 1
    x = random_operand(rng, shape, types[0])
    kept = [1 if mask >> d & 1 else n for d, n in enumerate(shape)]
    y = random_operand(rng, kept, types[1])
    check("reduce", [x, y], [kind, mask, *random_clamp(rng, y.array.dtype)], seed)


@given(
    shape=shapes(),
    mask=st.integers(0, 31),
    kind=st.integers(0, 3),
    types=st.tuples(st.sampled_from(ANY), st.sampled_from(ANY)),
    same=st.booleans(),
    seed=seeds,
)
def test_reduce(shape, mask, kind, types, same, seed):
    rng = np.random.default_rng(seed)
    mask &= (1 << len(shape)) - 1
    x = random_operand(rng, shape, types[0])
    kept = [1 if mask >> d & 1 else n for d, n in enumerate(shape)]
    y = random_operand(rng, kept, types[0] if same else types[1])
    if same:
        y.scale, y.zero_point = x.scale, x.zero_point
    check("reduce", [x, y], [kind, mask, *random_clamp(rng, y.array.dtype)], seed)


@pytest.mark.parametrize("dtype", [*SMALL_INTS, F32])
@pytest.mark.parametrize("shape", [(1, 515, 7, 7), (1, 3, 64, 64), (2, 16, 40, 41)])
def test_global_mean(shape, dtype):
    rng = np.random.default_rng(5)
    x = quantized(rng, fill_random(rng, channels_last(rng, shape, dtype)))
    y = random_operand(rng, (*shape[:2], 1, 1), dtype)
    check("reduce", [x, y], [0, 0b1100, -(2**31), 2**31 - 1])


def test_extreme_sums_do_not_overflow():
    """2^16 elements of 16 bits need more than 32 bits."""
    x = Operand(np.full((1, 1, 256, 257), 65535, np.uint16), 1.0, 0)
    y = Operand(np.zeros((1, 1, 1, 1), np.float32))
    expected = check("reduce", [x, y], [1, 0b1100, -(2**31), 2**31 - 1])
    assert expected.item() == np.float32(65535 * 256 * 257)


@given(
    shape=shapes(1, 4, 20),
    axis=st.integers(0, 3),
    types=st.tuples(st.sampled_from(ANY), st.sampled_from(ANY)),
    seed=seeds,
)
def test_softmax(shape, axis, types, seed):
    rng = np.random.default_rng(seed)
    x = random_operand(rng, shape, types[0])
    y = random_operand(rng, shape, types[1], 1 / 255 if types[1].itemsize == 1 else None)
    check("softmax", [x, y], [axis % len(shape)], seed)
    check("log_softmax", [x, y], [axis % len(shape)], seed)


def test_softmax_of_many_classes():
    rng = np.random.default_rng(9)
    x = random_operand(rng, (2, 1003), U8)
    check("softmax", [x, Operand(np.zeros((2, 1003), np.float32))], [1])
    check("softmax", [x, Operand(np.zeros((2, 1003), np.uint8), 1 / 255)], [1])


def repeated(rng, shape):
    """An f32 operand of the shape that repeats along some dimensions."""
    kept = [n if rng.random() < 0.6 else 1 for n in shape]
    own = strided(rng, kept, F32)
    own[...] = rng.normal(size=kept)
    return Operand(np.broadcast_to(own, shape))


@given(
    shape=shapes(1, 5, 12),
    mask=st.integers(0, 31),
    kind=st.integers(0, 3),
    factors=st.tuples(st.booleans(), st.booleans()),
    types=st.tuples(st.sampled_from(NORMED), st.sampled_from(ANY)),
    layout=st.booleans(),
    seed=seeds,
)
def test_norm(shape, mask, kind, factors, types, layout, seed):
    rng = np.random.default_rng(seed)
    mask &= (1 << len(shape)) - 1
    x = random_operand(rng, shape, types[0])
    if layout and len(shape) == 4:
        x = quantized(rng, fill_random(rng, channels_last(rng, shape, types[0])))
    if rng.random() < 0.1:
        x.array[...] = x.zero_point
    y = random_operand(rng, shape, types[1], 4 / 255 if types[1].itemsize == 1 else None)
    epsilon = float(np.float32(rng.choice([1e-12, 1e-5, 1.0]) if kind < 2 else 0))
    extra = [repeated(rng, shape) for wanted in factors if wanted]
    params = [kind, mask, epsilon, *map(int, factors), *random_clamp(rng, y.array.dtype)]
    check("norm", [x, y, *extra], params, seed)


@pytest.mark.parametrize("dtype", [U8, SMALL_INTS[3], F32])
@pytest.mark.parametrize("kind", [0, 1])
def test_norm_of_tokens(kind, dtype):
    rng = np.random.default_rng(7)
    x, y = (random_operand(rng, (2, 5, 775), dtype) for _ in range(2))
    extra = [
        Operand(np.broadcast_to(rng.normal(size=775).astype(np.float32), (2, 5, 775)))
        for _ in range(2)
    ]
    check("norm", [x, y, *extra], [kind, 0b100, 1e-5, 1, 1, -(2**31), 2**31 - 1])


@pytest.mark.parametrize("whole", [np.int32, np.uint32])
@pytest.mark.parametrize("dtype", [U8, F32])
def test_norm_with_a_scale_of_whole_numbers(whole, dtype):
    rng = np.random.default_rng(9)
    x, y = (random_operand(rng, (2, 5, 515), dtype) for _ in range(2))
    info = np.iinfo(whole)
    scale, one = (
        Operand(np.broadcast_to(rng.integers(info.min, info.max, n).astype(whole), x.array.shape))
        for n in (515, 1)
    )
    bias = Operand(np.broadcast_to(rng.normal(size=515).astype(np.float32), x.array.shape))
    for factor in (scale, one):
        operand = Operand(factor.array, 2.0**-31)
        check("norm", [x, y, operand, bias], [0, 0b100, 1e-5, 1, 1, -(2**31), 2**31 - 1])


@pytest.mark.parametrize("dtype", [U8, F32])
def test_norm_of_instances(dtype):
    """Groups that lie strided in memory, longer than a block."""
    rng = np.random.default_rng(8)
    x, y = (
        quantized(rng, fill_random(rng, channels_last(rng, (1, 6, 25, 43), dtype))) for _ in "xy"
    )
    row = np.broadcast_to(rng.normal(size=(6, 1, 1)).astype(np.float32), (1, 6, 25, 43))
    check("norm", [x, y, Operand(row)], [0, 0b1100, 1e-5, 1, 0, -(2**31), 2**31 - 1])


def test_norm_of_extreme_numbers_is_exact():
    """2^17 elements of 16 bits: the sum of their squares needs more than 32 bits."""
    array = np.full((1, 1 << 17), 65535, np.uint16)
    array[0, ::2] = 0
    y = Operand(np.zeros(array.shape, np.float32))
    expected = check("norm", [Operand(array), y], [0, 0b10, 1e-12, 0, 0, -(2**31), 2**31 - 1])
    np.testing.assert_allclose(np.unique(expected), [-1, 1], rtol=1e-6)


@given(
    shape=shapes(1, 4, 20),
    axis=st.integers(0, 3),
    flags=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    types=st.tuples(st.sampled_from(NORMED), st.sampled_from(ANY)),
    seed=seeds,
)
def test_cum_sum(shape, axis, flags, types, seed):
    rng = np.random.default_rng(seed)
    x, y = random_operand(rng, shape, types[0]), random_operand(rng, shape, types[1])
    clamp = random_clamp(rng, y.array.dtype)
    check("cum_sum", [x, y], [axis % len(shape), *flags, *clamp], seed)
