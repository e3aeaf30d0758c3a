"""What each operation of a job computes, written from the numerics in numpy.

This is the definition that the C++ kernels are compared with, element by element. It is written
for clarity: whole tensors, exact Python or 64-bit integers, one f32 operation a line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import golden_functions as functions
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F32 = np.float32
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


@dataclass
class Operand:
    """A tensor of a job: logical array (any strides) and its quantization."""

    array: Array
    scale: float = 1.0
    zero_point: int = 0

    @property
    def is_float(self) -> bool:
        return self.array.dtype.kind == "f"

    @property
    def f32_scale(self) -> np.float32:
        return F32(self.scale)


def word_to_float(word: int | float) -> np.float32:
    """A parameter word's f32: floats are themselves, integers are bits."""
    if isinstance(word, float):
        return F32(word)
    return np.array([word], np.int32).view(F32)[0]


def value_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def dequantize(x: Operand) -> NDArray[np.float32]:
    """f32(x - z) * s; floating point as it is."""
    if x.is_float:
        return x.array.astype(F32)
    return (x.array.astype(np.int64) - x.zero_point).astype(F32) * x.f32_scale


def clamp_bounds(y: Operand, lo: int, hi: int) -> tuple[Any, Any]:
    """Bounds in y's storage integers, or as f32; the full int32 range means none."""
    none = (lo, hi) == (INT32_MIN, INT32_MAX)
    if y.is_float:
        return (-np.inf, np.inf) if none else (word_to_float(lo), word_to_float(hi))
    type_lo, type_hi = value_range(y.array.dtype)
    return (type_lo, type_hi) if none else (max(lo, type_lo), min(hi, type_hi))


def round_to(y: Operand, v: Array, zero_point: int, lo: int, hi: int) -> Array:
    """clamp(rne(v) + zero_point); the clamp comes last, so it also saturates; NaN gives lo."""
    low, high = clamp_bounds(y, lo, hi)
    rounded = np.rint(v.astype(np.float64))
    # f64 holds every integer that is not saturated anyway, but for 64-bit types near their ends.
    rounded = np.where(np.isnan(rounded), -np.inf, rounded)
    limit = 2.0**62
    exact = np.clip(rounded, -limit, limit).astype(np.int64) + zero_point
    exact = np.where(rounded >= limit, high, np.where(rounded <= -limit, low, exact))
    return np.clip(exact, low, high).astype(y.array.dtype)


def quantize(y: Operand, v: NDArray[np.float32], lo: int, hi: int) -> Array:
    """sat(rne(v / s) + z), then the clamp; floating point is clamped only."""
    if y.is_float:
        low, high = clamp_bounds(y, lo, hi)
        v = np.where(v < F32(low), F32(low), v)
        v = np.where(v > F32(high), F32(high), v)
        return v.astype(y.array.dtype)
    return round_to(y, v / y.f32_scale, y.zero_point, lo, hi)


def lane_sum(v: NDArray[np.float32]) -> NDArray[np.float32]:
    """The f32 sum over the last axis: element i in lane i mod 8, lanes added pairwise."""
    n = v.shape[-1]
    lanes = [np.zeros(v.shape[:-1], F32) for _ in range(8)]
    for i in range(n):
        lanes[i % 8] = lanes[i % 8] + v[..., i]
    for step in (4, 2, 1):
        lanes = [lanes[i] + lanes[i + step] for i in range(step)]
    return lanes[0]


# Contractions


def requantize(
    y: Operand, acc: Array, mult: Array, bias: Array | None, bias_mode: int, lo: int, hi: int
) -> Array:
    """acc [.., C] of exact integers to y; mult and bias are [C] (or [1])."""
    if bias_mode == 1:
        assert bias is not None
        acc = acc + bias.astype(np.int64)
    v = acc.astype(F32) * mult
    if bias_mode == 2:
        assert bias is not None
        v = v + bias
    if y.is_float:
        return quantize(y, v, lo, hi)
    if bias_mode == 2:
        v = v / y.f32_scale
    return round_to(y, v, y.zero_point, lo, hi)


def window_of(x: Array, pads: tuple[int, int], frame: tuple[int, int]) -> Array:
    """[.., H, W] set into zeros of the frame's size, `pads` from its upper left corner."""
    out = np.zeros((*x.shape[:-2], *frame), x.dtype)
    h = min(x.shape[-2], frame[0] - pads[0])
    w = min(x.shape[-1], frame[1] - pads[1])
    if h > 0 and w > 0:
        out[..., pads[0] : pads[0] + h, pads[1] : pads[1] + w] = x[..., :h, :w]
    return out


def window_sums(ops: Sequence[Operand], window: Sequence[int], w_zero: Array | None) -> Array:
    """The exact sums of a convolution."""
    sh, sw, top, left, dh, dw, group = window
    x, w, y = ops[:3]
    if w_zero is None:
        w_zero = np.array(w.zero_point)
    w_zero = w_zero.astype(np.int64)
    out_channels, in_group, kh, kw = w.array.shape
    n, _, oh, ow = y.array.shape
    # Padding is z_x, so it is 0 here; the frame is all that any kernel tap can reach.
    frame = ((oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1)
    xi = window_of(x.array.astype(np.int64) - x.zero_point, (top, left), frame)
    wi = w.array.astype(np.int64) - np.reshape(w_zero, (-1, 1, 1, 1))
    xg = xi.reshape(n, group, in_group, *frame)
    wg = wi.reshape(group, out_channels // group, in_group, kh, kw)
    acc = np.zeros((n, out_channels, oh, ow), np.int64)
    for i, j in itertools.product(range(kh), range(kw)):
        rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
        columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
        terms = np.einsum("ngchw,goc->ngohw", xg[..., rows, columns], wg[..., i, j])
        acc += terms.reshape(acc.shape)
    return acc


def conv(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    *window, bias_mode, has_wzp, has_sums, lo, hi = params
    y, mult = ops[2:4]
    rest = list(ops[4:])
    bias = rest.pop(0).array if bias_mode else None
    acc = window_sums(ops, window, rest.pop(0).array if has_wzp else None)
    if has_sums:
        acc = acc + rest.pop(0).array
    result = requantize(y, np.moveaxis(acc, 1, -1), mult.array, bias, bias_mode, lo, hi)
    return np.moveaxis(result, -1, 1)


def conv_sums(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    *window, has_wzp, has_sums = params
    rest = list(ops[3:])
    acc = window_sums(ops, window, rest.pop(0).array if has_wzp else None)
    if has_sums:
        acc = acc + rest.pop(0).array
    return acc.astype(ops[2].array.dtype)


def factor_sums(a: Operand, b: Operand, y: Operand) -> Array:
    """The exact sums of a matrix product of integers."""
    acc = (a.array.astype(np.int64) - a.zero_point) @ (b.array.astype(np.int64) - b.zero_point)
    return np.broadcast_to(acc, y.array.shape)


def matmul_sums(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    acc = factor_sums(*ops[:3])
    if params[0]:
        acc = acc + ops[3].array
    return acc.astype(ops[2].array.dtype)


def matmul(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    bias_mode, has_sums, lo, hi = params
    a, b, y, mult = ops[:4]
    bias = ops[4].array if bias_mode else None
    if a.is_float:
        products = a.array[..., :, None, :] * np.swapaxes(b.array, -1, -2)[..., None, :, :]
        v = lane_sum(products)
        if bias is not None:
            v = v + bias
        return quantize(y, np.broadcast_to(v, y.array.shape), lo, hi)
    acc = factor_sums(a, b, y)
    if has_sums:
        acc = acc + ops[-1].array
    return requantize(y, acc, mult.array, bias, bias_mode, lo, hi)


# Elementwise


def _prelu(a: Array, b: Array) -> Array:
    return np.where(a < 0, a * b, a)


def _pow(a: Array, b: Array) -> Array:
    a, b = np.broadcast_arrays(a, b)
    return functions.pow(a.astype(np.float64), b.astype(np.float64)).astype(F32)


def _min(a: Array, b: Array) -> Array:
    return np.where((a < b) | np.isnan(a), a, b)


def _max(a: Array, b: Array) -> Array:
    return np.where((a > b) | np.isnan(a), a, b)


BINARY: list[tuple[str, Callable[[Array, Array], Array]]] = [
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("div", lambda a, b: a / b),
    ("min", _min),
    ("max", _max),
    ("pow", _pow),
    ("equal", lambda a, b: a == b),
    ("greater", lambda a, b: a > b),
    ("less", lambda a, b: a < b),
    ("greater_equal", lambda a, b: a >= b),
    ("less_equal", lambda a, b: a <= b),
    ("and", lambda a, b: (a != 0) & (b != 0)),
    ("or", lambda a, b: (a != 0) | (b != 0)),
    ("xor", lambda a, b: (a != 0) ^ (b != 0)),
    ("prelu", _prelu),
]


def _hard_sigmoid(v: Array, alpha: np.float32, beta: np.float32) -> Array:
    return _max(_min(alpha * v + beta, F32(1)), F32(0))


def _elu(v: Array, alpha: np.float32) -> Array:
    wide = v.astype(np.float64)
    return np.where(wide < 0, np.float64(alpha) * functions.expm1(wide), wide).astype(F32)


def _inverse_sigmoid(v: Array, eps: np.float32) -> Array:
    return functions.inverse_sigmoid(v.astype(np.float64), np.float64(eps)).astype(F32)


def _function(name: str) -> Callable[[Array, Any, Any], Array]:
    f = functions.UNARY[name]
    return lambda v, alpha, beta: f(v.astype(np.float64)).astype(F32)


UNARY: list[tuple[str, Callable[[Array, Any, Any], Array]]] = [
    ("identity", lambda v, alpha, beta: v),
    ("relu", lambda v, alpha, beta: _max(v, F32(0))),
    ("clip", lambda v, alpha, beta: _min(_max(v, alpha), beta)),
    ("sigmoid", _function("sigmoid")),
    ("hard_sigmoid", _hard_sigmoid),
    ("hard_swish", lambda v, alpha, beta: v * _hard_sigmoid(v, F32(1) / F32(6), F32(0.5))),
    ("tanh", _function("tanh")),
    ("exp", _function("exp")),
    ("log", _function("log")),
    ("sqrt", _function("sqrt")),
    ("erf", _function("erf")),
    ("gelu", _function("gelu")),
    ("leaky_relu", lambda v, alpha, beta: np.where(v < 0, alpha * v, v)),
    ("elu", lambda v, alpha, beta: _elu(v, alpha)),
    ("softplus", _function("softplus")),
    ("mish", _function("mish")),
    ("silu", _function("silu")),
    ("abs", lambda v, alpha, beta: np.abs(v)),
    ("neg", lambda v, alpha, beta: -v),
    ("floor", lambda v, alpha, beta: np.floor(v)),
    ("ceil", lambda v, alpha, beta: np.ceil(v)),
    ("round", lambda v, alpha, beta: np.rint(v)),
    ("sin", _function("sin")),
    ("cos", _function("cos")),
    ("rsqrt", _function("rsqrt")),
    ("gelu_tanh", _function("gelu_tanh")),
    ("not", lambda v, alpha, beta: v == 0),
    ("reciprocal", lambda v, alpha, beta: F32(1) / v),
    ("normalize", lambda v, alpha, beta: (v - alpha) / beta),
    ("pow", lambda v, alpha, beta: _pow(v, alpha)),
    ("inverse_sigmoid", lambda v, alpha, beta: _inverse_sigmoid(v, alpha)),
]


def eltwise(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    a, b, y = ops
    fn, lo, hi = params
    return quantize(y, BINARY[fn][1](dequantize(a), dequantize(b)).astype(F32), lo, hi)


def unary(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = ops
    fn, alpha, beta, lo, hi = params
    v = UNARY[fn][1](dequantize(x), word_to_float(alpha), word_to_float(beta))
    return quantize(y, v.astype(F32), lo, hi)


def convert(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = ops
    lo, hi = params
    same = (x.f32_scale, x.zero_point) == (y.f32_scale, y.zero_point)
    wide = max(x.array.dtype.itemsize, y.array.dtype.itemsize) > 2
    if same and wide and not x.is_float and not y.is_float:
        low, high = clamp_bounds(y, lo, hi)
        return np.array(
            [min(max(int(v), low), high) for v in x.array.ravel()], y.array.dtype
        ).reshape(y.array.shape)
    return quantize(y, dequantize(x), lo, hi)


def lut(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, table, _ = ops
    (axis,) = params
    index = x.array.astype(np.int64) & 0xFF
    if axis < 0:
        return table.array[index]
    shape = [1] * x.array.ndim
    shape[axis] = -1
    channel = np.arange(x.array.shape[axis]).reshape(shape)
    return table.array[channel, index]


# Reductions


def scaled_sum(x: Operand, y: Operand, sums: Array, count: int | Array) -> NDArray[np.float32]:
    """f32(sum) * f32(s_x / f32(s_y * f32(n))): the value before rounding."""
    y_scale = F32(1) if y.is_float else y.f32_scale
    factor = x.f32_scale / (y_scale * np.asarray(count).astype(F32))
    return sums.astype(F32) * factor


def reduce_vectors(
    x: Operand, y: Operand, kind: str, values: list[Array | None], count: int, lo: int, hi: int
) -> Array:
    """Reduces equally shaped arrays of x's storage; None is padding, which only takes up a lane."""
    present = [v for v in values if v is not None]
    shape = y.array.shape if not present else present[0].shape
    if kind == "sum":
        if x.is_float:
            padded = [np.zeros(shape, F32) if v is None else v.astype(F32) for v in values]
            return quantize(y, lane_sum(np.stack(padded, -1)) / F32(count), lo, hi)
        sums = np.zeros(shape, np.int64)
        for v in present:
            sums = sums + (v.astype(np.int64) - x.zero_point)
        v = scaled_sum(x, y, sums, count)
        return quantize(y, v, lo, hi) if y.is_float else round_to(y, v, y.zero_point, lo, hi)
    pick = np.maximum if kind == "max" else np.minimum
    if present:
        best = present[0]
        for v in present[1:]:
            best = pick(best, v)
    elif x.is_float:
        best = np.full(shape, -np.inf, x.array.dtype)
    else:
        best = np.full(shape, value_range(x.array.dtype)[0], x.array.dtype)
    same = x.array.dtype == y.array.dtype and (x.f32_scale, x.zero_point) == (
        y.f32_scale,
        y.zero_point,
    )
    if same and not x.is_float:
        low, high = clamp_bounds(y, lo, hi)
        return np.clip(best, low, high)
    return quantize(y, dequantize(Operand(best, x.scale, x.zero_point)), lo, hi)


def pool(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    kind, kh, kw, sh, sw, top, left, bottom, right, dh, dw, include, lo, hi = params
    x, y = ops
    height, width = x.array.shape[2:]
    out = np.empty_like(y.array)
    for a, b in itertools.product(*map(range, y.array.shape[2:])):
        values: list[Array | None] = []
        counted = 0
        for i, j in itertools.product(range(kh), range(kw)):
            row, column = a * sh - top + i * dh, b * sw - left + j * dw
            inside = 0 <= row < height and 0 <= column < width
            values.append(x.array[:, :, row, column] if inside else None)
            counted += inside or bool(include and row < height + bottom and column < width + right)
        name = "sum" if kind else "max"
        count = max(1, counted) if kind else 1
        if not any(v is not None for v in values):
            shape = y.array.shape[:2]
            best = Operand(np.empty(shape, y.array.dtype), y.scale, y.zero_point)
            out[:, :, a, b] = reduce_vectors(x, best, name, values, count, lo, hi)
        else:
            out[:, :, a, b] = reduce_vectors(x, y, name, values, count, lo, hi)
    return out


RESIZE_COORDINATES: list[Callable[[float, float, int, int], float]] = [
    lambda i, scale, size, out: i / scale,
    lambda i, scale, size, out: (i + 0.5) / scale - 0.5,
    lambda i, scale, size, out: -0.5 if scale * size == 1 else (i + 0.5) / scale - 0.5,
    lambda i, scale, size, out: 0.0 if scale * size == 1 else i * (size - 1) / (scale * size - 1),
    lambda i, scale, size, out: size / 2 * (1 - out / (scale * size)) + (i + 0.5) / scale - 0.5,
]
RESIZE_ROUNDINGS: list[Callable[[float], float]] = [
    np.floor,
    np.ceil,
    lambda p: np.ceil(p - 0.5),
    lambda p: np.floor(p + 0.5),
]


def resize(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    kind, coordinates, rounding, in_h, in_w, out_h, out_w, *rest = params
    scales, firsts = [float(word_to_float(s)) for s in rest[:2]], rest[2:]
    x, y = ops
    v: Array = x.array if kind == 0 else dequantize(x).astype(np.float64)
    for axis, size, whole in ((2, in_h, out_h), (3, in_w, out_w)):
        scale = scales[axis - 2] or whole / size
        first_in, first_out = firsts[axis - 2], firsts[axis]
        lines: list[Array] = []
        for i in range(first_out, first_out + y.array.shape[axis]):
            at = RESIZE_COORDINATES[coordinates](i, scale, size, whole)
            if kind == 0:
                nearest = int(np.clip(RESIZE_ROUNDINGS[rounding](at), 0, size - 1))
                lines.append(np.take(v, nearest - first_in, axis))
                continue
            low = int(np.floor(at))
            ratio = at - low
            pair = [int(np.clip(n, 0, size - 1)) - first_in for n in (low, low + (ratio > 0))]
            a, b = (np.take(v, n, axis) for n in pair)
            lines.append((1 - ratio) * a + ratio * b if pair[0] != pair[1] else a)
        v = np.stack(lines, axis)
    return v if kind == 0 else quantize(y, v.astype(F32), INT32_MIN, INT32_MAX)


def mirrored(at: float, least: float, greatest: float) -> float:
    """A position mirrored at both ends until it is inside."""
    if least <= at <= greatest or greatest <= least:
        return min(max(at, least), greatest)
    distance = (at - greatest) if at > greatest else (least - at)
    turns, rest = divmod(distance, greatest - least)
    from_least = (turns % 2 == 0) == (at < least)
    return least + rest if from_least else greatest - rest


def sample_axis(
    n: np.float32, size: int, kind: int, padding: int, align: int
) -> list[tuple[int | None, np.float32]]:
    """The elements (None is a zero) and their weights that a coordinate stands for."""
    edges = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    one, length = F32(1), F32(size)
    at = (n + one) / F32(2) * (length - one) if align else ((n + one) * length - one) / F32(2)
    at = np.rint(at) if kind == 0 else at
    if not edges[0] <= at <= edges[1]:
        if padding == 1:
            at = F32(min(max(at, F32(0)), length - one))
        elif padding == 2:
            at = F32(mirrored(float(at), *edges))

    def element(i: int) -> int | None:
        if padding == 2:
            i = int(mirrored(i, *edges))
        if padding == 0:
            return i if 0 <= i < size else None
        return min(max(i, 0), size - 1)

    if kind == 0:
        return [(element(int(at)), F32(1))]
    low = np.floor(at)
    share = F32(at - low)
    return [(element(int(low)), F32(1) - share), (element(int(low) + 1), share)]


def grid_sample(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, grid, y = ops
    image, places = dequantize(x), dequantize(grid)
    v = np.zeros(y.array.shape, F32)
    zero = np.zeros(v.shape[1], F32)
    for n, i, j in np.ndindex(v.shape[0], *v.shape[2:]):
        columns = sample_axis(places[n, i, j, 0], image.shape[3], *params)
        rows = sample_axis(places[n, i, j, 1], image.shape[2], *params)
        lines: list[Array] = []
        for row, _ in rows:
            terms = [
                (zero if row is None or column is None else image[n, :, row, column]) * weight
                for column, weight in columns
            ]
            lines.append(terms[0] if len(terms) == 1 else terms[0] + terms[1])
        total = [line * weight for line, (_, weight) in zip(lines, rows, strict=True)]
        v[n, :, i, j] = total[0] if len(total) == 1 else total[0] + total[1]
    return quantize(y, v, INT32_MIN, INT32_MAX)


def greater(a: Array, b: Array) -> Array:
    """The greater one, the first of equals (zeros of either sign are equal)."""
    return np.where(a < b, b, a)


def roi_value(x: Array, h: np.float32, w: np.float32, kind: int) -> Array:
    """A sample of x [C, H, W], f32 [C]."""
    height, width = x.shape[1:]
    if not (-1 <= h <= height and -1 <= w <= width):
        return np.zeros(x.shape[0], F32)
    pairs: list[list[tuple[int, np.float32]]] = []
    for at, size in ((h, height), (w, width)):
        place = max(at, F32(0))
        low = min(int(place), size - 1)
        share = F32(0) if low == size - 1 else place - F32(low)
        pairs.append([(low, F32(1) - share), (min(low + 1, size - 1), share)])
    terms = [a * b * x[:, i, j] for i, a in pairs[0] for j, b in pairs[1]]
    if kind == 1:
        return greater(greater(terms[0], terms[1]), greater(terms[2], terms[3]))
    return terms[0] + terms[1] + terms[2] + terms[3]


def roi_align(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    kind, half_pixel, samples, scale = params
    x, rois, batch, y = ops
    image, count = dequantize(x), F32(samples)
    corners = dequantize(rois) * word_to_float(scale) - F32(0.5 if half_pixel else 0)
    v = np.zeros(y.array.shape, F32)
    bins = v.shape[2:]
    for n, (left, top, right, bottom) in enumerate(corners):
        sizes = [bottom - top, right - left]
        if not half_pixel:
            sizes = [max(s, F32(1)) for s in sizes]
        steps = [s / F32(b) for s, b in zip(sizes, bins, strict=True)]
        for row, column in np.ndindex(*bins):
            values = [
                roi_value(
                    image[batch.array[n]],
                    top + F32(row) * steps[0] + (F32(i) + F32(0.5)) * steps[0] / count,
                    left + F32(column) * steps[1] + (F32(j) + F32(0.5)) * steps[1] / count,
                    kind,
                )
                for i, j in itertools.product(range(samples), range(samples))
            ]
            total = values[0]
            for value in values[1:]:
                total = greater(total, value) if kind else total + value
            v[n, :, row, column] = total if kind else total / F32(samples * samples)
    return quantize(y, v, INT32_MIN, INT32_MAX)


def grouped(x: Array, mask: int) -> Array:
    """[kept.., n]: the elements of each group along the axes of `mask`, in row-major order."""
    axes = [d for d in range(x.ndim) if mask >> d & 1]
    kept = [d for d in range(x.ndim) if d not in axes]
    return np.transpose(x, kept + axes).reshape([x.shape[d] for d in kept] + [-1])


def ungrouped(flat: Array, shape: Sequence[int], mask: int) -> Array:
    """`grouped` undone."""
    axes = [d for d in range(len(shape)) if mask >> d & 1]
    kept = [d for d in range(len(shape)) if d not in axes]
    moved = flat.reshape([shape[d] for d in kept + axes])
    return np.transpose(moved, np.argsort(kept + axes))


def whole(x: Operand) -> NDArray[np.int64]:
    """x - z, exactly."""
    return x.array.astype(np.int64) - x.zero_point


def log_sum_exp(v: NDArray[np.float32]) -> NDArray[np.float32]:
    top = v.max(-1)
    e = functions.exp((v - top[..., None]).astype(np.float64)).astype(F32)
    return functions.UNARY["log"](lane_sum(e).astype(np.float64)).astype(F32) + top


def reduce_rows(x: Operand, y: Operand, kind: str, mask: int, lo: int, hi: int) -> Array:
    if x.is_float or kind == "log_sum_exp":
        v = grouped(dequantize(x), mask)
        if kind == "log_sum_exp":
            result = log_sum_exp(v)
        elif kind == "l1":
            result = lane_sum(np.abs(v))
        else:
            result = lane_sum(v * v)
            if kind == "l2":
                result = np.sqrt(result.astype(np.float64)).astype(F32)
        return quantize(y, result.reshape(y.array.shape), lo, hi)
    q = grouped(whole(x), mask)
    y_scale = F32(1) if y.is_float else y.f32_scale
    if kind == "l1":
        v = np.abs(q).sum(-1).astype(F32) * (x.f32_scale / y_scale)
    elif kind == "l2":
        v = np.sqrt((q * q).sum(-1).astype(np.float64)).astype(F32) * (x.f32_scale / y_scale)
    else:
        v = (q * q).sum(-1).astype(F32) * (x.f32_scale * x.f32_scale / y_scale)
    v = v.reshape(y.array.shape)
    return quantize(y, v, lo, hi) if y.is_float else round_to(y, v, y.zero_point, lo, hi)


REDUCE_KINDS = ["mean", "sum", "max", "min", "l1", "l2", "sum_square", "log_sum_exp"]


def reduce(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    kind, mask, lo, hi = params
    x, y = ops
    if kind >= 4:
        return reduce_rows(x, y, REDUCE_KINDS[kind], mask, lo, hi)
    flat = grouped(x.array, mask)
    count = flat.shape[-1]
    name = ["sum", "sum", "max", "min"][kind]
    values: list[Array | None] = [flat[..., i] for i in range(count)]
    result = reduce_vectors(x, y, name, values, count if kind == 0 else 1, lo, hi)
    return result.reshape(y.array.shape)


def softmax(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = ops
    v = np.moveaxis(dequantize(x), params[0], -1)
    shifted = v - v.max(-1, keepdims=True)
    e = functions.exp(shifted.astype(np.float64)).astype(F32)
    p = e / lane_sum(e)[..., None]
    return quantize(y, np.moveaxis(p, -1, params[0]), INT32_MIN, INT32_MAX)


def log_softmax(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = ops
    v = np.moveaxis(dequantize(x), params[0], -1)
    shifted = v - v.max(-1, keepdims=True)
    e = functions.exp(shifted.astype(np.float64)).astype(F32)
    log = functions.UNARY["log"](lane_sum(e).astype(np.float64)).astype(F32)
    return quantize(y, np.moveaxis(shifted - log[..., None], -1, params[0]), INT32_MIN, INT32_MAX)


def _exact_group(kind: str, q: Array, scale: np.float64, epsilon: np.float64) -> tuple[Array, ...]:
    """f32 shift and factor [..] of groups of whole numbers [.., n]; every step in f64."""
    zero = np.zeros(q.shape[:-1], F32)
    if kind == "l1":
        return zero, (1.0 / np.maximum(np.abs(q).sum(-1), 1).astype(np.float64)).astype(F32)
    squares = (q * q).sum(-1)
    if kind == "l2":
        return zero, (1.0 / np.sqrt(np.maximum(squares, 1).astype(np.float64))).astype(F32)
    n = np.float64(q.shape[-1])
    spread = squares.astype(np.float64) / n
    mean = np.zeros(q.shape[:-1])
    if kind == "layer":
        mean = q.sum(-1).astype(np.float64) / n
        spread = np.maximum(spread - mean * mean, 0.0)
    variance = spread * (scale * scale) + epsilon
    return mean.astype(F32), (scale / np.sqrt(variance)).astype(F32)


def _float_group(kind: str, v: Array, epsilon: np.float32) -> tuple[Array, ...]:
    """The same of groups of f32 numbers, every step in f32."""
    zero = np.zeros(v.shape[:-1], F32)
    if kind == "l1":
        total = lane_sum(np.abs(v))
        return zero, np.where(total == 0, F32(0), F32(1) / total)
    mean = lane_sum(v) / F32(v.shape[-1]) if kind == "layer" else zero
    squares = lane_sum((v - mean[..., None]) ** 2)
    if kind == "l2":
        root = (1.0 / np.sqrt(squares.astype(np.float64))).astype(F32)
        return zero, np.where(squares == 0, F32(0), root)
    variance = squares / F32(v.shape[-1]) + epsilon
    return mean, (1.0 / np.sqrt(variance.astype(np.float64))).astype(F32)


def norm(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    number, mask, epsilon, has_scale, has_bias, lo, hi = params
    x, y = ops[:2]
    rest = [
        operand.array if operand.is_float else operand.array.astype(F32) * operand.f32_scale
        for operand in ops[2:]
    ]
    kind = ["layer", "rms", "l1", "l2"][number]
    epsilon = word_to_float(epsilon)
    if x.is_float:
        v = grouped(x.array.astype(F32), mask)
        shift, factor = _float_group(kind, v, epsilon)
    else:
        q = grouped(whole(x), mask)
        shift, factor = _exact_group(kind, q, np.float64(x.f32_scale), np.float64(epsilon))
        v = q.astype(F32)
    v = ungrouped((v - shift[..., None]) * factor[..., None], x.array.shape, mask)
    if has_scale:
        v = v * rest.pop(0)
    if has_bias:
        v = v + rest.pop(0)
    return quantize(y, v, lo, hi)


def cum_sum(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    axis, exclusive, reverse, lo, hi = params
    x, y = ops
    terms = x.array.astype(F32) if x.is_float else whole(x)
    terms = np.moveaxis(terms, axis, -1)
    if reverse:
        terms = terms[..., ::-1]
    sums = np.empty_like(terms)
    total = np.zeros(terms.shape[:-1], terms.dtype)
    for i in range(terms.shape[-1]):
        before, total = total, total + terms[..., i]
        sums[..., i] = before if exclusive else total
    if reverse:
        sums = sums[..., ::-1]
    sums = np.moveaxis(sums, -1, axis)
    if x.is_float:
        return quantize(y, sums, lo, hi)
    v = sums.astype(F32) * (x.f32_scale / (F32(1) if y.is_float else y.f32_scale))
    return quantize(y, v, lo, hi) if y.is_float else round_to(y, v, y.zero_point, lo, hi)


# Data movement


def copy(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    return ops[0].array


def fill(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    y = ops[0].array
    if y.dtype == F32:
        return np.full(y.shape, word_to_float(params[0]), F32)
    if y.dtype == np.float16:
        return np.full(y.shape, np.array([params[0]], np.uint16).view(np.float16)[0])
    if y.dtype == np.uint32:
        return np.full(y.shape, params[0] & 0xFFFFFFFF, y.dtype)
    return np.full(y.shape, params[0], y.dtype)


# Plain integers


def _truncating(a: Array, b: Array) -> Array:
    q = np.abs(a) // np.maximum(np.abs(b), 1)
    return np.where(b == 0, 0, np.where((a < 0) != (b < 0), -q, q))


INTEGER: list[tuple[str, Callable[[Array, Array], Array]]] = [
    ("add", np.add),
    ("sub", np.subtract),
    ("mul", np.multiply),
    ("div", _truncating),
    ("mod", lambda a, b: np.where(b == 0, 0, np.mod(a, np.where(b == 0, 1, b)))),
    ("min", np.minimum),
    ("max", np.maximum),
    ("and", np.bitwise_and),
    ("or", np.bitwise_or),
    ("xor", np.bitwise_xor),
    ("equal", np.equal),
    ("greater", np.greater),
    ("less", np.less),
    ("greater_or_equal", np.greater_equal),
    ("less_or_equal", np.less_equal),
]


def integer(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    a, b, y = ops
    return INTEGER[params[0]][1](a.array.astype(np.int64), b.array.astype(np.int64)).astype(
        y.array.dtype
    )


def where(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    return np.where(ops[0].array, ops[1].array, ops[2].array)


def cast(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = ops
    to = y.array.dtype
    plain = [not o.is_float and (o.scale, o.zero_point) == (1.0, 0) for o in ops]
    if plain[0] and plain[1]:
        if params[0] and to.kind != "b":
            return np.clip(x.array.astype(np.int64), *value_range(to)).astype(to)
        return x.array.astype(to)
    if plain[0]:
        return quantize(y, x.array.astype(F32), INT32_MIN, INT32_MAX)
    v = dequantize(x)
    if to.kind == "b":
        return v != 0
    low, high = value_range(to)
    whole = [0 if np.isnan(e) else max(low, min(high, _whole(e))) for e in v.reshape(-1)]
    return np.array(whole, to).reshape(v.shape)


def _whole(v: np.float32) -> int:
    return int(v) if np.isfinite(v) else (2**70 if v > 0 else -(2**70))


def gather_elements(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, indices, y = (o.array for o in ops)
    axis = params[0]
    cut = tuple(slice(None) if d == axis else slice(n) for d, n in enumerate(y.shape))
    return np.take_along_axis(x[cut], indices % x.shape[axis], axis)


def scatter_elements(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, indices, updates, _ = (o.array for o in ops)
    y = x.copy()
    for at in np.ndindex(indices.shape):
        to = list(at)
        to[params[0]] = int(indices[at])
        old, new = y[tuple(to)], updates[at]
        if y.dtype.kind in "iu":
            old, new = int(old), int(new)
        joined = [new, old + new, old * new, max(old, new), min(old, new)][params[1]]
        if y.dtype.kind in "iu":
            joined = np.array(joined & (2 ** (8 * y.itemsize) - 1), np.uint64).astype(y.dtype)
        y[tuple(to)] = joined
    return y


def arg(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    find = np.argmax if params[1] else np.argmin
    return find(ops[0].array, axis=params[0], keepdims=True).astype(np.int32)


def top_k(ops: Sequence[Operand], params: Sequence[Any]) -> Array:
    x, y = (o.array for o in ops)
    axis, largest = params
    wide = x.astype(np.float64)
    order = np.argsort(-wide if largest else wide, axis=axis, kind="stable")
    return np.take(order, np.arange(y.shape[axis]), axis).astype(np.int32)


Golden = Callable[[Sequence[Operand], Sequence[Any]], Array]

GOLDEN: dict[str, Golden] = {
    "copy": copy,
    "fill": fill,
    "conv": conv,
    "matmul": matmul,
    "conv_sums": conv_sums,
    "matmul_sums": matmul_sums,
    "eltwise": eltwise,
    "lut": lut,
    "unary": unary,
    "pool": pool,
    "roi_align": roi_align,
    "reduce": reduce,
    "grid_sample": grid_sample,
    "resize": resize,
    "softmax": softmax,
    "convert": convert,
    "norm": norm,
    "log_softmax": log_softmax,
    "cum_sum": cum_sum,
    "integer": integer,
    "where": where,
    "cast": cast,
    "gather_elements": gather_elements,
    "scatter_elements": scatter_elements,
    "arg": arg,
    "top_k": top_k,
}
