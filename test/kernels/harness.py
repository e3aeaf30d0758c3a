"""What the kernel tests share: strided random operands, and the comparison with the golden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import golden
import numpy as np
from golden import Array, Operand
from hypothesis import strategies as st

from pulsar2 import _kernels

TABLE: dict[str, int] = {name: opcode for opcode, name, _, _ in _kernels.kernel_table()}
OUTPUT: dict[str, int] = {
    name: next(i for i, (_, is_output, _) in enumerate(operands) if is_output)
    for _, name, operands, _ in _kernels.kernel_table()
}
ISAS: list[str] = _kernels.supported_isas()
NO_CLAMP = (golden.INT32_MIN, golden.INT32_MAX)

U8, I8, U16, I16 = (np.dtype(t) for t in ("u1", "i1", "u2", "i2"))
I32, U32, I64, F16, F32, BOOL = (np.dtype(t) for t in ("i4", "u4", "i8", "f2", "f4", "?"))
SMALL_INTS = [U8, I8, U16, I16]
QUANTIZED = [*SMALL_INTS, I32]


def strided(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A zeroed array of the shape inside a larger buffer, with gaps and dimensions in any order."""
    rank = len(shape)
    order = rng.permutation(rank)
    gaps = rng.integers(0, 3, rank) * (rng.random(rank) < 0.4)
    offsets = [int(rng.integers(0, gap + 1)) for gap in gaps]
    buffer = np.zeros([shape[d] + gaps[d] for d in order], dtype)
    window = buffer[(*(slice(offsets[d], offsets[d] + shape[d]) for d in order), ...)]
    return window.transpose(np.argsort(order))


def channels_last(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """NCHW view of NHWC memory, where a pixel may be a part of a larger one."""
    n, c, h, w = shape
    gap = int(rng.integers(0, 3)) * 16
    return np.zeros((n, h, w, c + gap), dtype)[..., :c].transpose(0, 3, 1, 2)


def fill_random(rng: np.random.Generator, array: Array) -> Array:
    """Random values in place: the full range of integers, extremes often, floats of any scale."""
    shape, dtype = array.shape, array.dtype
    if dtype.kind == "f":
        array[...] = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3)
    elif dtype.kind == "b":
        array[...] = rng.integers(0, 2, shape)
    else:
        lo, hi = golden.value_range(dtype)
        lo, hi = max(lo, -(2**40)), min(hi, 2**40)
        values = rng.integers(lo, hi + 1, shape)
        extreme = rng.random(shape) < 0.1
        array[...] = np.where(extreme, rng.choice([lo, hi], shape), values)
    return array


def random_operand(
    rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any], scale: float | None = None
) -> Operand:
    return quantized(rng, fill_random(rng, strided(rng, shape, dtype)), scale)


def quantized(rng: np.random.Generator, array: Array, scale: float | None = None) -> Operand:
    """The array with random quantization parameters that suit its type."""
    if array.dtype.kind in "fb" or array.dtype == I64:
        return Operand(array)
    lo, hi = golden.value_range(array.dtype)
    wanted = 10.0 ** rng.uniform(-1, 1) / (hi - lo) * 8 if scale is None else scale
    lo, hi = max(lo, golden.INT32_MIN), min(hi, golden.INT32_MAX)
    zero_points = [0, lo, hi, int(rng.integers(lo, hi + 1))]
    return Operand(array, float(np.float32(wanted)), int(rng.choice(zero_points)))


def random_clamp(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if rng.random() < 0.5:
        return NO_CLAMP
    if dtype.kind == "f":
        lo, hi = np.sort(rng.normal(size=2).astype(np.float32))
        return float(lo), float(hi)
    lo, hi = golden.value_range(dtype)
    lo, hi = np.sort(rng.integers(max(lo, -(2**31)), min(hi, 2**31 - 1), 2, endpoint=True))
    return int(lo), int(hi)


def bits(array: Array) -> Array:
    """The array's values as integers, all NaNs alike."""
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array)
    plain = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return np.ascontiguousarray(plain).view(f"u{array.dtype.itemsize}")


def call(
    name: str,
    operands: Sequence[Operand],
    params: Sequence[Any],
    isa: str | None = None,
    threads: int = 1,
    state: Any = None,
) -> None:
    triples = [(o.array, o.scale, o.zero_point) for o in operands]
    _kernels.run_kernel(TABLE[name], triples, list(params), threads, isa, state)


def root(array: Array) -> Array:
    """The buffer that an array is a window of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def check(name: str, operands: Sequence[Operand], params: Sequence[Any], seed: int = 0) -> Array:
    """Runs the kernel on every instruction set and on several threads; each time the output must
    be the golden's, and no byte beside it may change. Returns the golden's output."""
    with np.errstate(all="ignore"):
        expected = golden.GOLDEN[name](operands, params)
    y = operands[OUTPUT[name]].array
    buffer = root(y)
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 2 if y.dtype == BOOL else 256, buffer.nbytes, np.uint8)
    before = noise.view(buffer.dtype).reshape(buffer.shape)
    assert expected.dtype == y.dtype
    assert expected.shape == y.shape
    for isa in ISAS:
        for threads in (1, 3):
            buffer[...] = before
            call(name, operands, params, isa, threads)
            np.testing.assert_array_equal(bits(y), bits(expected), err_msg=f"{isa} {threads}")
            y[...] = np.ascontiguousarray(before_view(before, y, buffer))
            assert buffer.tobytes() == before.tobytes(), f"{name} wrote beside its output ({isa})"
    return expected


def before_view(before: Array, y: Array, buffer: Array) -> Array:
    """The window of `before` that lies where y lies in its buffer."""
    offset = y.__array_interface__["data"][0] - buffer.__array_interface__["data"][0]
    return np.ndarray(y.shape, y.dtype, before, offset, y.strides)


seeds = st.integers(0, 2**32 - 1)


def shapes(min_rank: int = 1, max_rank: int = 5, most: int = 9) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, most), min_size=min_rank, max_size=max_rank)
