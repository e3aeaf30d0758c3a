"""What the operations of the `quant` dialect share: constraints and checks of types and shapes."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    DenseArrayBase,
    Float32Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    f32,
    i64,
)
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    UniformType,
    element_type,
    shape_of,
    uniform_of,
)

_WEIGHT_BITS = (4, 8)

Tensor = AnyTensorTypeConstr
"""Any ranked tensor."""

IntArray = DenseArrayBase[IntegerType]
IntArrayConstr = DenseArrayBase.constr(i64)
"""A list of integers, written `[1, 2]`."""

FloatArray = DenseArrayBase[Float32Type]
FloatArrayConstr = DenseArrayBase.constr(f32)
"""A list of f32 numbers, written `[1.0, 2.0]`."""

Int = IntegerAttr[IntegerType]
IntConstr = IntegerAttr.constr(i64)
"""An integer, written `3`."""

Float = FloatAttr[Float32Type]
FloatConstr = FloatAttr.constr(f32)
"""An f32 number, written `0.5`."""


def int_array(values: Sequence[int]) -> IntArray:
    return DenseArrayBase.from_list(i64, list(values))


def float_array(values: Sequence[float]) -> FloatArray:
    return DenseArrayBase.from_list(f32, [float(v) for v in values])


def integer(value: int) -> Int:
    return IntegerAttr(value, i64)


def float_number(value: float) -> Float:
    return FloatAttr(float(value), f32)


def ints(array: IntArray) -> tuple[int, ...]:
    return array.get_values()


def optional_pair(array: IntArray | None) -> tuple[int, int] | None:
    if array is None:
        return None
    low, high = array.get_values()
    return low, high


def verify_activation(value: SSAValue, what: str) -> None:
    """An activation is f32, or quantized per tensor."""
    type_ = element_type(value)
    if type_ != f32 and not isinstance(type_, UniformType):
        raise VerifyException(f"{what} is f32 or quantized per tensor, got elements of {type_}")


def verify_clamp(clamp: IntArray | None, result: SSAValue) -> None:
    """Fused activation bounds are two integers within the result's storage type."""
    if clamp is None:
        return
    type_ = uniform_of(result)
    if type_ is None:
        raise VerifyException("clamp bounds are integers of a quantized result, and this is f32")
    if len(clamp) != 2:
        raise VerifyException(f"clamp has a lower and an upper bound, got {len(clamp)} numbers")
    low, high = clamp.get_values()
    least, greatest = type_.bounds
    if not least <= low <= high <= greatest:
        raise VerifyException(
            f"clamp bounds [{low}, {high}] are not ordered within [{least}, {greatest}]"
        )


def verify_same_elements(value: SSAValue, result: SSAValue, what: str) -> None:
    """Data that only moves keeps its quantization."""
    ours, theirs = element_type(result), element_type(value)
    if ours != theirs:
        raise VerifyException(f"{what} has elements of {theirs} and the result of {ours}")


def verify_shape(result: SSAValue, expected: Sequence[int]) -> None:
    got = shape_of(result)
    if got != tuple(expected):
        raise VerifyException(f"the result has shape {list(got)}, expected {list(expected)}")


def verify_length(array: Sequence[object], length: int, what: str) -> None:
    if len(array) != length:
        raise VerifyException(f"{what} has {length} numbers, got {len(array)}")


def verify_axis(axis: int, rank: int) -> None:
    if not 0 <= axis < rank:
        raise VerifyException(f"axis {axis} is outside 0 to {rank - 1}")


def verify_axes(axes: Sequence[int], rank: int) -> None:
    """Axes along which elements are taken together."""
    if not axes or sorted(set(axes)) != list(axes):
        raise VerifyException(f"axes are sorted, distinct and at least one, got {list(axes)}")
    for axis in axes:
        verify_axis(axis, rank)


def verify_bias(bias: SSAValue | None, channels: int) -> None:
    """A bias is [channels], f32 or quantized to i32 (per tensor or along axis 0)."""
    if bias is None:
        return
    if shape_of(bias) != (channels,):
        raise VerifyException(f"the bias has shape {list(shape_of(bias))}, expected [{channels}]")
    type_ = element_type(bias)
    if type_ == f32:
        return
    if not isinstance(type_, UniformType | UniformPerAxisType) or type_.storage.width.data != 32:
        raise VerifyException(f"the bias is f32 or quantized to i32, got {type_}")
    if type_.has_zero_points if isinstance(type_, UniformPerAxisType) else type_.zero_point:
        raise VerifyException("the bias has zero point 0")
    verify_axis_size(bias, "the bias", 0)


def verify_weight(value: SSAValue) -> None:
    """Weights are quantized to 4 or 8 bits, per tensor or per axis."""
    type_ = element_type(value)
    if not isinstance(type_, UniformType | UniformPerAxisType) or (
        type_.storage.width.data not in _WEIGHT_BITS
    ):
        raise VerifyException(f"weights are quantized to 4 or 8 bits, got {type_}")


def verify_axis_size(value: SSAValue, what: str, axis: int) -> None:
    """Where `value` is quantized per axis, it is along `axis`, one scale per index."""
    type_ = element_type(value)
    if not isinstance(type_, UniformPerAxisType):
        return
    if type_.axis != axis:
        raise VerifyException(f"{what} is quantized along axis {axis}, got axis {type_.axis}")
    size = shape_of(value)[axis]
    if type_.size != size:
        raise VerifyException(f"{what} has {size} channels and {type_.size} scales")


def broadcast(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """numpy's broadcast of two shapes; `VerifyException` where they do not fit."""
    rank = max(len(a), len(b))
    wide_a = (1,) * (rank - len(a)) + tuple(a)
    wide_b = (1,) * (rank - len(b)) + tuple(b)
    shape: list[int] = []
    for m, n in zip(wide_a, wide_b, strict=True):
        if m != n and 1 not in (m, n):
            raise VerifyException(f"shapes {list(a)} and {list(b)} do not broadcast")
        shape.append(n if m == 1 else m)
    return tuple(shape)


def window_size(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int, ceil: bool = False
) -> int:
    """How many windows of a convolution or pooling fit along one dimension.

    With `ceil`, a last window that starts inside the input or its leading padding counts too, as
    ONNX says.
    """
    reach = size + before + after - dilation * (kernel - 1) - 1
    if not ceil:
        return reach // stride + 1
    count = -(-reach // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return count
