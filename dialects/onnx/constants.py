"""Constant tensors of every ONNX element type as attributes.

What `pulsar2.dialects.ax` can hold is held its way: inline when small, else a handle. A narrow or
complex type is held as its bits, an array of unsigned integers (or f32/f64 pairs) in the weight
store, under a handle of the real type. Strings are written out.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DenseIntOrFPElementsAttr, StringAttr, TensorType
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.ax import ConstantAttr, WeightAttr, make_constant, read_constant
from pulsar2.dialects.onnx.types import StringType, dtype_of, element_type_of_dtype
from pulsar2.weights import AnyArray, WeightStore


@irdl_attr_definition
class StringsAttr(ParametrizedAttribute):
    """A tensor of strings: `#onnx.strings<["a", "b"], tensor<2x!onnx.String>>`."""

    name = "onnx.strings"

    values: ArrayAttr[StringAttr]
    type: TensorType

    def verify(self) -> None:
        count = int(np.prod(self.type.get_shape(), dtype=np.int64))
        if not isinstance(self.type.element_type, StringType) or count != len(self.values):
            raise VerifyException(f"{len(self.values)} strings do not make up a {self.type}")


AnyConstant = ConstantAttr | StringsAttr

_BITS = {1: np.uint8, 2: np.uint16}
_COMPLEX_PARTS = {"complex64": np.float32, "complex128": np.float64}


def is_constant_attribute(attribute: Attribute | None) -> TypeGuard[AnyConstant]:
    return isinstance(attribute, DenseIntOrFPElementsAttr | WeightAttr | StringsAttr)


def constant_type(attribute: AnyConstant) -> TensorType[Any]:
    """The tensor type of a constant attribute."""
    type_ = attribute.type
    assert isinstance(type_, TensorType)
    return type_


def make_tensor_constant(array: AnyArray, weights: WeightStore) -> AnyConstant:
    """The attribute of a constant of any ONNX element type (numpy's or ml_dtypes' dtype)."""
    type_ = TensorType(element_type_of_dtype(array.dtype), array.shape)
    if array.dtype.kind in "OUS":
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in array.reshape(-1).tolist()]
        return StringsAttr(ArrayAttr([StringAttr(t) for t in texts]), type_)
    if array.dtype.name in _COMPLEX_PARTS:
        part = _COMPLEX_PARTS[array.dtype.name]
        bits: AnyArray = np.ascontiguousarray(array).reshape((*array.shape, 1)).view(part)
    elif array.dtype.type.__module__ == "numpy":
        return make_constant(array, weights)
    else:
        bits = np.ascontiguousarray(array).reshape(array.shape).view(_BITS[array.dtype.itemsize])
    return WeightAttr(StringAttr(weights.add(bits)), type_)


def read_tensor_constant(attribute: AnyConstant, weights: WeightStore) -> AnyArray:
    """The values of a constant attribute, as an array of its shape and of its type's dtype.

    Raises `UserError` when the weight store lacks the bytes.
    """
    if isinstance(attribute, StringsAttr):
        array = np.empty(len(attribute.values), dtype=np.object_)
        array[:] = [v.data for v in attribute.values]
        return array.reshape(attribute.type.get_shape())
    element = attribute.type.get_element_type()
    dtype = dtype_of(element)
    if dtype.name in _COMPLEX_PARTS:
        parts = read_constant(attribute, weights)
        return np.ascontiguousarray(parts).view(dtype).reshape(attribute.type.get_shape())
    if dtype.type.__module__ == "numpy":
        return read_constant(attribute, weights)
    if isinstance(attribute, WeightAttr):
        return weights.get(attribute.key.data).view(dtype)
    values: list[Any] = list(attribute.get_values())
    return np.asarray(values).astype(dtype).reshape(attribute.type.get_shape())
