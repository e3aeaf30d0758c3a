"""conv and matmul, and the parts of their reductions, against their golden."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from golden import Operand
from harness import (
    F32,
    I8,
    I16,
    I32,
    I64,
    NO_CLAMP,
    U8,
    U16,
    call,
    channels_last,
    check,
    fill_random,
    quantized,
    random_clamp,
    random_operand,
    seeds,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

small = st.integers(1, 3)
FACTORS = [U8, I8, U16, I16]
OUTPUTS = [U8, I8, U16, I16, F32]


def weights_last(rng, shape, dtype):
    """OIHW view of OHWI memory, as the scheduler lays weights out."""
    o, i, h, w = shape
    return np.zeros((o, h, w, i), dtype).transpose(0, 3, 1, 2)


def contraction_tail(rng, x, w, y, channels, length, bias_mode):
    """mult and bias of a job whose outputs use y's range."""
    spread = float(np.std(x.array.astype(float)) * np.std(w.array.astype(float)) * length**0.5)
    mult = rng.uniform(0.2, 3, channels) / max(spread, 1.0)
    if y.is_float or bias_mode == 2:
        mult = mult * 3
    elif y.array.dtype.itemsize == 1:
        mult = mult * 60
    else:
        mult = mult * 15000
    if bias_mode == 2 and not y.is_float:
        y.scale = float(np.float32(1 / 20 if y.array.dtype.itemsize == 1 else 1 / 5000))
    tail = [Operand(mult.astype(np.float32))]
    if bias_mode == 1:
        values = np.clip(rng.normal(size=channels) * spread, -(2**31), 2**31 - 1)
        tail.append(Operand(values.astype(np.int32)))
    elif bias_mode == 2:
        tail.append(Operand(rng.normal(size=channels).astype(np.float32)))
    return tail


def earlier_sums(rng, y):
    """S32 or S64 sums in the shape of y, of any size."""
    dtype = rng.choice([I32, I64])
    array = fill_random(rng, strided(rng, y.array.shape, dtype))
    array >>= rng.integers(0, 25)
    return Operand(array)


def conv_case(
    rng,
    x_shape,
    out_channels,
    kernel,
    out,
    strides=(1, 1),
    pads=(0, 0),
    dilations=(1, 1),
    group=1,
    types=(U8, I8, U8),
    bias_mode=1,
    per_channel_zero=False,
    symmetric=True,
    fast_layout=True,
    sums=False,
):
    """Operands and parameters of a conv job with random contents."""
    n, in_channels = x_shape[:2]
    x_array = (channels_last if fast_layout else strided)(rng, x_shape, types[0])
    w_shape = (out_channels, in_channels // group, *kernel)
    w_array = (weights_last if fast_layout else strided)(rng, w_shape, types[1])
    y_array = (channels_last if fast_layout else strided)(rng, (n, out_channels, *out), types[2])
    x = quantized(rng, fill_random(rng, x_array))
    w = quantized(rng, fill_random(rng, w_array))
    y = quantized(rng, y_array)
    if symmetric:
        w.zero_point = 0
    length = in_channels // group * kernel[0] * kernel[1]
    tail = contraction_tail(rng, x, w, y, out_channels, length, bias_mode)
    if per_channel_zero:
        lo, hi = np.iinfo(types[1]).min, np.iinfo(types[1]).max
        tail.append(Operand(rng.integers(lo, hi + 1, out_channels).astype(np.int32)))
    if sums:
        tail.append(earlier_sums(rng, y))
    params = [*strides, *pads, *dilations, group, bias_mode, int(per_channel_zero), int(sums)]
    return [x, w, y, *tail], [*params, *random_clamp(rng, types[2])]


@given(
    sizes=st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
    group=small,
    per_group=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(small, small),
    strides=st.tuples(small, small),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilations=st.tuples(small, small),
    out=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    types=st.tuples(*[st.sampled_from(t) for t in (FACTORS, FACTORS, OUTPUTS)]),
    bias_mode=st.integers(0, 2),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    seed=seeds,
)
def test_conv(
    sizes, group, per_group, kernel, strides, pads, dilations, out, types, bias_mode, flags, seed
):
    """Everything at once, in any layout."""
    rng = np.random.default_rng(seed)
    x_shape = (sizes[0], group * per_group[0], *sizes[1:])
    operands, params = conv_case(
        rng, x_shape, group * per_group[1], kernel, out, strides, pads, dilations, group, types,
        bias_mode, *flags,
    )  # fmt: skip
    check("conv", operands, params, seed)


@given(
    in_channels=st.integers(1, 70),
    out_channels=st.integers(1, 70),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    types=st.tuples(*[st.sampled_from(t) for t in ([U8, I8], [U8, I8], [U8, I8])]),
    bias_mode=st.integers(0, 2),
    flags=st.tuples(st.booleans(), st.booleans()),
    seed=seeds,
)
def test_pointwise_conv(in_channels, out_channels, size, types, bias_mode, flags, seed):
    rng = np.random.default_rng(seed)
    case = conv_case(
        rng, (1, in_channels, *size), out_channels, (1, 1), size, types=types, bias_mode=bias_mode,
        per_channel_zero=flags[0], symmetric=flags[1],
    )  # fmt: skip
    check("conv", *case, seed)


@given(
    channels=st.integers(1, 140),
    kernel=st.sampled_from([(3, 3), (5, 5), (1, 3), (2, 2), (7, 7)]),
    stride=st.integers(1, 2),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    pads=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    types=st.tuples(*[st.sampled_from(t) for t in ([U8, I8], [U8, I8], [U8, I8, U16])]),
    bias_mode=st.integers(0, 2),
    flags=st.tuples(st.booleans(), st.booleans()),
    seed=seeds,
)
def test_depthwise_conv(channels, kernel, stride, size, pads, types, bias_mode, flags, seed):
    rng = np.random.default_rng(seed)
    out = (-(-size[0] // stride), -(-size[1] // stride))
    case = conv_case(
        rng, (1, channels, *size), channels, kernel, out, (stride, stride), pads, group=channels,
        types=types, bias_mode=bias_mode, per_channel_zero=flags[0], symmetric=flags[1],
    )  # fmt: skip
    check("conv", *case, seed)


@pytest.mark.parametrize("x_type", [U8, I8])
@pytest.mark.parametrize("w_type", [U8, I8])
@pytest.mark.parametrize("in_channels", [3, 64, 260])
def test_conv_at_the_ends_of_the_range(x_type, w_type, in_channels):
    """All factors at their extremes: a 16-bit intermediate sum would saturate."""
    for x_value in (np.iinfo(x_type).min, np.iinfo(x_type).max):
        for w_value in (np.iinfo(w_type).min, np.iinfo(w_type).max):
            x_array = np.full((1, 6, 6, in_channels), x_value, x_type).transpose(0, 3, 1, 2)
            w_array = np.full((24, 3, 3, in_channels), w_value, w_type).transpose(0, 3, 1, 2)
            y = Operand(np.zeros((1, 6, 6, 24), np.float32).transpose(0, 3, 1, 2))
            operands = [Operand(x_array, 1.0, 3), Operand(w_array), y, Operand(np.ones(24, "f4"))]
            check("conv", operands, [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, *NO_CLAMP])


def test_conv_whose_sum_needs_64_bits():
    """Products of 16 bits, and an S32 bias that takes the sum over its type's end."""
    x = np.full((1, 2, 2, 300), 65535, np.uint16).transpose(0, 3, 1, 2)
    w = np.full((8, 1, 1, 300), 32767, np.int16).transpose(0, 3, 1, 2)
    y = Operand(np.zeros((1, 2, 2, 8), np.float32).transpose(0, 3, 1, 2))
    params = [1, 1, 0, 0, 1, 1, 1, 0, 0, 0, *NO_CLAMP]
    check("conv", [Operand(x), Operand(w), y, Operand(np.ones(8, "f4"))], params)
    x8 = np.full((1, 2, 2, 64), 255, np.uint8).transpose(0, 3, 1, 2)
    w8 = np.full((8, 1, 1, 64), 127, np.int8).transpose(0, 3, 1, 2)
    bias = Operand(np.full(8, 2**31 - 1, np.int32))
    params = [1, 1, 0, 0, 1, 1, 1, 1, 0, 0, *NO_CLAMP]
    check("conv", [Operand(x8), Operand(w8), y, Operand(np.ones(8, "f4")), bias], params)


def factors(rng, batch, broadcast, sizes, types, plain):
    """The operands a and b of a matrix product, some of the batch dimensions repeated."""
    m, k, n = sizes
    operands = []
    for mask, dims, dtype in zip(broadcast, ((m, k), (k, n)), types, strict=False):
        lead = [1 if mask >> d & 1 else b for d, b in enumerate(batch)]
        operand = random_operand(rng, (*lead, *dims), dtype)
        if plain:
            operand.array = np.ascontiguousarray(operand.array)
        operands.append(operand)
    return operands


@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    broadcast=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 40)),
    types=st.tuples(*[st.sampled_from(t) for t in (FACTORS, FACTORS, OUTPUTS)]),
    bias_mode=st.integers(0, 2),
    shared=st.booleans(),
    plain=st.booleans(),
    sums=st.booleans(),
    seed=seeds,
)
def test_matmul(batch, broadcast, sizes, types, bias_mode, shared, plain, sums, seed):
    rng = np.random.default_rng(seed)
    m, k, n = sizes
    operands = factors(rng, batch, broadcast, sizes, types, plain)
    y = random_operand(rng, (*batch, m, n), types[2])
    tail = contraction_tail(rng, *operands, y, n, k, bias_mode)
    if shared:
        tail[0].array = tail[0].array[:1]
    if sums:
        tail.append(earlier_sums(rng, y))
    params = [bias_mode, int(sums), *random_clamp(rng, types[2])]
    check("matmul", [*operands, y, *tail], params, seed)


@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    broadcast=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 40)),
    types=st.tuples(st.sampled_from(FACTORS), st.sampled_from(FACTORS)),
    plain=st.booleans(),
    sums=st.booleans(),
    sum_type=st.sampled_from([I32, I64]),
    seed=seeds,
)
def test_matmul_sums(batch, broadcast, sizes, types, plain, sums, sum_type, seed):
    rng = np.random.default_rng(seed)
    operands = factors(rng, batch, broadcast, sizes, types, plain)
    operands.append(Operand(strided(rng, (*batch, sizes[0], sizes[2]), sum_type)))
    if sums:
        operands.append(earlier_sums(rng, operands[2]))
    check("matmul_sums", operands, [int(sums)], seed)


@given(
    x_shape=st.tuples(st.just(1), st.integers(2, 70), st.integers(3, 7), st.integers(3, 7)),
    cut=st.integers(1, 69),
    out_channels=st.integers(1, 70),
    kernel=st.sampled_from([(1, 1), (3, 3), (2, 1)]),
    types=st.tuples(*[st.sampled_from(t) for t in (FACTORS, [U8, I8], OUTPUTS)]),
    bias_mode=st.integers(0, 2),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    seed=seeds,
)
def test_conv_in_parts(x_shape, cut, out_channels, kernel, types, bias_mode, flags, seed):
    """The sums of some input channels, then those of the others: what the whole gives."""
    rng = np.random.default_rng(seed)
    out = (x_shape[2] - kernel[0] + 1, x_shape[3] - kernel[1] + 1)
    operands, params = conv_case(
        rng, x_shape, out_channels, kernel, out, types=types, bias_mode=bias_mode,
        per_channel_zero=flags[0], symmetric=flags[1], fast_layout=flags[2],
    )  # fmt: skip
    whole = golden.conv(operands, params)
    x, w, y, *tail = operands
    cut = min(cut, x_shape[1] - 1)
    begin, end = (
        [Operand(o.array[:, part], o.scale, o.zero_point) for o in (x, w)]
        for part in (slice(0, cut), slice(cut, None))
    )
    # S32 holds the sums of bytes, S64 all.
    sums = Operand(strided(rng, y.array.shape, I32 if types[0].itemsize == 1 else I64))
    zeros = tail[-1:] if flags[0] else []
    window = params[:7]
    check("conv_sums", [*begin, sums, *zeros], [*window, int(flags[0]), 0], seed)
    call("conv_sums", [*begin, sums, *zeros], [*window, int(flags[0]), 0])
    params[9] = 1
    assert np.array_equal(check("conv", [*end, y, *tail, sums], params, seed), whole)


def test_sums_in_place_and_beyond_their_type():
    """A middle part adds to the sums where they lie; what S32 cannot hold wraps around."""
    rng = np.random.default_rng(0)
    operands, params = conv_case(rng, (1, 70, 5, 5), 40, (3, 3), (3, 3))
    x, w = operands[:2]
    start = fill_random(rng, np.zeros((1, 40, 3, 3), np.int32))
    y = Operand(start.copy())
    call("conv_sums", [x, w, y, y], [*params[:7], 0, 1])
    expected = golden.conv_sums([x, w, y, Operand(start)], [*params[:7], 0, 1])
    assert np.array_equal(y.array, expected)
    a, b = Operand(np.full((3, 8), 255, np.uint8)), Operand(np.full((8, 5), 127, np.int8))
    top = Operand(np.full((3, 5), 2**31 - 1, np.int32))
    expected = check("matmul_sums", [a, b, Operand(np.zeros((3, 5), np.int32)), top], [1])
    assert (expected < 0).all()


def test_sums_that_do_not_fit_are_refused():
    a, b = Operand(np.ones((3, 8), np.uint8)), Operand(np.ones((8, 5), np.int8))
    y, sums = (Operand(np.zeros((3, 5), np.int32)) for _ in range(2))
    with pytest.raises(ValueError, match="expected sums of S32 or S64"):
        call("matmul_sums", [a, b, Operand(np.zeros((3, 5), np.uint8))], [0])
    with pytest.raises(ValueError, match="dimension 1 of sums is 4, of y 5"):
        call("matmul_sums", [a, b, y, Operand(sums.array[:, :4])], [1])
    floats = [Operand(o.array.astype(np.float32)) for o in (a, b)]
    with pytest.raises(ValueError, match="expected 8- and 16-bit integers"):
        call("matmul_sums", [*floats, y], [0])
    mult = Operand(np.ones(1, np.float32))
    with pytest.raises(ValueError, match="beside F32 factors"):
        call("matmul", [*floats, Operand(y.array.astype("f4")), mult, sums], [0, 1, *NO_CLAMP])


@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 70)),
    y_type=st.sampled_from(OUTPUTS),
    bias_mode=st.sampled_from([0, 2]),
    seed=seeds,
)
def test_float_matmul(batch, sizes, y_type, bias_mode, seed):
    rng = np.random.default_rng(seed)
    m, k, n = sizes
    a = random_operand(rng, (*batch, m, k), F32)
    b = random_operand(rng, (*batch, k, n), F32)
    y = random_operand(rng, (*batch, m, n), y_type)
    tail = [Operand(np.ones(1, "f4"))]
    if bias_mode:
        tail.append(Operand(rng.normal(size=n).astype("f4")))
    check("matmul", [a, b, y, *tail], [bias_mode, 0, *random_clamp(rng, y_type)], seed)
