"""Constants that an imported model has in integers, and what is computed from constants alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects.onnx.constant import Constant, NoValue
from pulsar2.dialects.onnx.evaluate import evaluate
from pulsar2.dialects.onnx.layout import Transpose
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.quant.types import (
    F32Array,
    I32Array,
    QuantizedType,
    UniformPerAxisType,
    UniformType,
    storage_dtype,
)
from pulsar2.weights import AnyArray, WeightStore

STORAGES = {
    "uint8": "u8",
    "int8": "i8",
    "uint16": "u16",
    "int16": "i16",
    "uint4": "u4",
    "int4": "i4",
    "int32": "i32",
}
"""The storage of a quantized tensor by the numpy type of its integers."""

_FOLDED = ("DequantizeLinear", "QuantizeLinear", "Transpose")


@dataclass(frozen=True)
class StoredConstant:
    """Integers, and which numbers they stand for.

    `scales` and `zero_points` are [1], or [size of `axis`] where they belong to one.
    """

    values: npt.NDArray[Any]
    storage: str
    scales: F32Array
    zero_points: I32Array
    axis: int | None = None

    def transposed(self, perm: Sequence[int]) -> StoredConstant:
        """The constant with its axes in another order."""
        axis = None if self.axis is None else list(perm).index(self.axis)
        return replace(self, values=self.values.transpose(perm), axis=axis)

    def reshaped(self, shape: Sequence[int]) -> StoredConstant:
        """The constant in another shape; the axis of the scales is not among those that change."""
        return replace(self, values=self.values.reshape(shape))

    def scaled(self, factor: float) -> StoredConstant:
        """The constant times a positive number."""
        return replace(self, scales=(self.scales * np.float32(factor)).astype(np.float32))

    def type(self, weights: WeightStore) -> QuantizedType:
        """Its element type."""
        if self.axis is None:
            return UniformType(self.storage, float(self.scales[0]), int(self.zero_points[0]))
        return UniformPerAxisType.of(
            self.storage, self.axis, self.scales, self.zero_points, weights
        )

    def array(self, weights: WeightStore) -> AnyArray:
        """The integers as a `quant.constant` holds them."""
        return np.ascontiguousarray(self.values).astype(storage_dtype(self.type(weights)))


def is_constant_op(op: Operation | object) -> bool:
    """Whether an operation is a constant, or is kept although it could be folded into one.

    The latter are dequantizations, because the integers behind them are what a kernel reads.
    """
    if isinstance(op, Constant | NoValue):
        return True
    if not isinstance(op, OnnxOp) or op.op_type not in _FOLDED:
        return False
    return all(is_constant_op(v.owner) for v in op.operands)


def is_constant(value: SSAValue) -> bool:
    """Whether a tensor is a constant, or is computed from constants alone; see `is_constant_op`."""
    return is_constant_op(value.owner) and not isinstance(value.owner, NoValue)


def constant_of(value: SSAValue | None, weights: WeightStore) -> AnyArray | None:
    """The values of a constant tensor, or None where `value` is not one."""
    if value is None or not is_constant(value):
        return None
    owner = value.owner
    assert isinstance(owner, OnnxOp)
    if isinstance(owner, Constant):
        return owner.array(weights)
    operands = [constant_of(v, weights) for v in owner.operands]
    return evaluate(owner, operands, weights)[0]


def stored_constant(value: SSAValue | None, weights: WeightStore) -> StoredConstant | None:
    """The integers of a constant tensor that the model gives in integers, None for any other.

    None too where one axis has scales for blocks of its elements.
    """
    if value is None or not is_constant(value):
        return None
    owner = value.owner
    if isinstance(owner, Transpose):
        inner = stored_constant(owner.operands[0], weights)
        perm = owner.perm
        assert perm is not None
        return None if inner is None else inner.transposed(perm)
    if not isinstance(owner, OnnxOp) or owner.op_type != "DequantizeLinear":
        return None
    values = constant_of(owner.operands[0], weights)
    found = linear_parameters(owner, weights)
    if values is None or found is None:
        return None
    storage, scales, points = found
    axis = None
    if scales.size > 1:
        axis = int(owner.value_of("axis")) % values.ndim
        if values.shape[axis] != scales.size:
            return None
    wide = values.astype(np.int32)
    return StoredConstant(wide, storage, scales, points, axis)


def linear_parameters(op: OnnxOp, weights: WeightStore) -> tuple[str, F32Array, I32Array] | None:
    """Storage, scales and zero points of a QuantizeLinear or DequantizeLinear; 1-d arrays.

    None where they are not constants, or of another kind than one number or one per index of an
    axis, or the integers of a type that is not supported, or a scale is no positive number.
    """
    scale = constant_of(op.operands[1], weights)
    given = op.operand(2)
    point = constant_of(given, weights)
    if scale is None or (given is not None and point is None) or scale.ndim > 1:
        return None
    # The zero point of QuantizeLinear says the type of its result too.
    stored = op.operands[0] if op.op_type == "DequantizeLinear" else op.results[0]
    storage = STORAGES.get(_dtype_name(stored))
    if storage is None or scale.dtype != np.float32:
        return None
    scales = scale.reshape(-1).astype(np.float32)
    if not np.all(np.isfinite(scales)) or scales.min(initial=1.0) <= 0:
        return None
    points = np.zeros(scales.size, np.int32)
    if point is not None:
        points = np.broadcast_to(point.reshape(-1).astype(np.int32), points.shape)
    return storage, scales, points


def fixed_type(op: Operation | object, weights: WeightStore) -> UniformType | None:
    """The quantization that a QuantizeLinear or DequantizeLinear gives its result, else None.

    That is one scale for the whole tensor, of an activation.
    """
    if not isinstance(op, OnnxOp) or op.op_type not in ("DequantizeLinear", "QuantizeLinear"):
        return None
    found = linear_parameters(op, weights)
    if found is None or found[1].size != 1 or found[0] == "i32":
        return None
    return UniformType(found[0], float(found[1][0]), int(found[2][0]))


def dequantized_type(value: SSAValue, weights: WeightStore) -> UniformType | None:
    """The quantization of integers that are given to the graph: by who first dequantizes them."""
    found = (fixed_type(use.operation, weights) for use in value.uses if use.index == 0)
    return next((type_ for type_ in found if type_ is not None), None)


def _dtype_name(value: SSAValue) -> str:
    from pulsar2.dialects.onnx.types import dtype_of, element_of

    element = element_of(value.type)
    return "" if element is None else dtype_of(element).name
