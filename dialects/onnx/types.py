"""Element and value types of ONNX in the IR, and their conversion from and to ONNX's own.

Tensors are builtin `tensor<...>`; a dimension that is not known is `?`, an unknown rank
`tensor<*x..>`. Signed integers are signless (`i8`), unsigned ones `ui8`, booleans `i1`. What MLIR
has no type for is defined here: strings, sequences, optionals and maps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import ml_dtypes
import numpy as np
from onnx import TensorProto, TensorShapeProto, TypeProto
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BFloat16Type,
    ComplexType,
    Float4E2M1FNType,
    Float6E2M3FNType,
    Float6E3M2FNType,
    Float8E4M3FNType,
    Float8E4M3FNUZType,
    Float8E5M2FNUZType,
    Float8E5M2Type,
    Float8E8M0FNUType,
    IntegerType,
    NoneType,
    Signedness,
    TensorType,
    UnrankedTensorType,
    f16,
    f32,
    f64,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition

from pulsar2.values import Form

AnyTensor = TensorType[Attribute] | UnrankedTensorType[Attribute]


@irdl_attr_definition
class StringType(ParametrizedAttribute, TypeAttribute):
    """The element type of a tensor of strings: `tensor<2x!onnx.String>`."""

    name = "onnx.String"


@irdl_attr_definition
class SeqType(ParametrizedAttribute, TypeAttribute):
    """A sequence of values of one type: `!onnx.Seq<tensor<?xf32>>`."""

    name = "onnx.Seq"

    element: TypeAttribute


@irdl_attr_definition
class OptType(ParametrizedAttribute, TypeAttribute):
    """A value or nothing: `!onnx.Opt<tensor<2xf32>>`."""

    name = "onnx.Opt"

    element: TypeAttribute


@irdl_attr_definition
class MapType(ParametrizedAttribute, TypeAttribute):
    """A map from keys of an element type to values: `!onnx.Map<i64, tensor<*xf32>>`."""

    name = "onnx.Map"

    key: TypeAttribute
    value: TypeAttribute


_U = Signedness.UNSIGNED
# ONNX element type, IR element type, numpy type.
_ELEMENTS: tuple[tuple[int, TypeAttribute, Any], ...] = (
    (TensorProto.FLOAT, f32, np.float32),
    (TensorProto.UINT8, IntegerType(8, _U), np.uint8),
    (TensorProto.INT8, IntegerType(8), np.int8),
    (TensorProto.UINT16, IntegerType(16, _U), np.uint16),
    (TensorProto.INT16, IntegerType(16), np.int16),
    (TensorProto.INT32, IntegerType(32), np.int32),
    (TensorProto.INT64, IntegerType(64), np.int64),
    (TensorProto.STRING, StringType(), np.object_),
    (TensorProto.BOOL, IntegerType(1), np.bool_),
    (TensorProto.FLOAT16, f16, np.float16),
    (TensorProto.DOUBLE, f64, np.float64),
    (TensorProto.UINT32, IntegerType(32, _U), np.uint32),
    (TensorProto.UINT64, IntegerType(64, _U), np.uint64),
    (TensorProto.COMPLEX64, ComplexType(f32), np.complex64),
    (TensorProto.COMPLEX128, ComplexType(f64), np.complex128),
    (TensorProto.BFLOAT16, BFloat16Type(), ml_dtypes.bfloat16),
    (TensorProto.FLOAT8E4M3FN, Float8E4M3FNType(), ml_dtypes.float8_e4m3fn),
    (TensorProto.FLOAT8E4M3FNUZ, Float8E4M3FNUZType(), ml_dtypes.float8_e4m3fnuz),
    (TensorProto.FLOAT8E5M2, Float8E5M2Type(), ml_dtypes.float8_e5m2),
    (TensorProto.FLOAT8E5M2FNUZ, Float8E5M2FNUZType(), ml_dtypes.float8_e5m2fnuz),
    (TensorProto.UINT4, IntegerType(4, _U), ml_dtypes.uint4),
    (TensorProto.INT4, IntegerType(4), ml_dtypes.int4),
    (TensorProto.FLOAT4E2M1, Float4E2M1FNType(), ml_dtypes.float4_e2m1fn),
    (TensorProto.FLOAT8E8M0, Float8E8M0FNUType(), ml_dtypes.float8_e8m0fnu),
    (TensorProto.UINT2, IntegerType(2, _U), ml_dtypes.uint2),
    (TensorProto.INT2, IntegerType(2), ml_dtypes.int2),
    (TensorProto.FLOAT6E2M3, Float6E2M3FNType(), ml_dtypes.float6_e2m3fn),
    (TensorProto.FLOAT6E3M2, Float6E3M2FNType(), ml_dtypes.float6_e3m2fn),
)
_FROM_ONNX: dict[int, TypeAttribute] = {onnx: ir for onnx, ir, _ in _ELEMENTS}
_TO_ONNX: dict[Attribute, int] = {ir: onnx for onnx, ir, _ in _ELEMENTS}
_TO_NUMPY: dict[Attribute, np.dtype[Any]] = {ir: np.dtype(dtype) for _, ir, dtype in _ELEMENTS}
_FROM_NUMPY = {np.dtype(dtype): ir for _, ir, dtype in _ELEMENTS}


def element_type(onnx_type: int) -> TypeAttribute:
    """The IR element type of a `TensorProto.DataType`; `KeyError` for one that is unknown."""
    return _FROM_ONNX[onnx_type]


def onnx_element_type(ir_type: Attribute) -> int:
    """The `TensorProto.DataType` of an IR element type; `KeyError` if ONNX has none."""
    return _TO_ONNX[ir_type]


def dtype_of(ir_type: Attribute) -> np.dtype[Any]:
    """The numpy dtype (of ml_dtypes where numpy has none) of an IR element type."""
    return _TO_NUMPY[ir_type]


def element_type_of_dtype(dtype: np.dtype[Any]) -> TypeAttribute:
    """The IR element type of a numpy dtype; any string or object dtype is `!onnx.String`."""
    if dtype.kind in "OUS":
        return StringType()
    return _FROM_NUMPY[dtype]


@lru_cache(maxsize=4096)
def tensor_type(element: TypeAttribute, shape: tuple[int, ...]) -> TensorType[TypeAttribute]:
    """`tensor<shape x element>`; a dimension of `DYNAMIC_INDEX` is unknown."""
    return TensorType(element, shape)


def is_tensor(type_: Attribute) -> bool:
    return isinstance(type_, TensorType | UnrankedTensorType)


def element_of(type_: Attribute) -> Attribute | None:
    """The element type of a tensor type of known or unknown rank, else None."""
    if isinstance(type_, TensorType | UnrankedTensorType):
        return cast("AnyTensor", type_).element_type
    return None


def form_of(type_: Attribute) -> tuple[Form, Attribute] | None:
    """How a value of a type is made of tensors, and the type of these.

    None for other types: maps, sequences of sequences, and what is not known.
    """
    form: Form = "tensor"
    if isinstance(type_, OptType):
        form, type_ = "optional", type_.element
    if isinstance(type_, SeqType):
        form, type_ = ("optional sequence" if form == "optional" else "sequence"), type_.element
    return (form, type_) if is_tensor(type_) else None


def shape_of(type_: Attribute) -> tuple[int, ...] | None:
    """The shape, with `DYNAMIC_INDEX` for an unknown dimension, or None without a known rank."""
    return type_.get_shape() if isinstance(type_, TensorType) else None


def static_shape_of(type_: Attribute) -> tuple[int, ...] | None:
    """The shape when every dimension is known, else None."""
    shape = shape_of(type_)
    return None if shape is None or DYNAMIC_INDEX in shape else shape


def _extent(dim: TensorShapeProto.Dimension) -> int:
    """A dimension; ONNX's inference leaves a negative one where it cannot tell."""
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else DYNAMIC_INDEX


def from_type_proto(proto: TypeProto) -> TypeAttribute:
    """The IR type of an ONNX type; symbolic dimensions become unknown.

    Raises `KeyError` for an element type that is unknown, `ValueError` for a kind of type (sparse,
    opaque) that the IR does not have.
    """
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        element = element_type(proto.tensor_type.elem_type)
        if not proto.tensor_type.HasField("shape"):
            return UnrankedTensorType(element)
        return tensor_type(element, tuple(_extent(d) for d in proto.tensor_type.shape.dim))
    if kind == "sequence_type":
        return SeqType(from_type_proto(proto.sequence_type.elem_type))
    if kind == "optional_type":
        return OptType(from_type_proto(proto.optional_type.elem_type))
    if kind == "map_type":
        return MapType(
            element_type(proto.map_type.key_type), from_type_proto(proto.map_type.value_type)
        )
    raise ValueError(f"a value of type {kind or 'unknown'} is not supported")


@lru_cache(maxsize=4096)
def to_type_proto(type_: Attribute) -> TypeProto:
    """The ONNX type of an IR type (shared between calls: copy it, do not change it)."""
    proto = TypeProto()
    element = element_of(type_)
    if element is not None:
        proto.tensor_type.elem_type = onnx_element_type(element)
    if isinstance(type_, TensorType):
        proto.tensor_type.shape.SetInParent()
        for size in type_.get_shape():
            dim = proto.tensor_type.shape.dim.add()
            if size != DYNAMIC_INDEX:
                dim.dim_value = size
    elif isinstance(type_, SeqType):
        proto.sequence_type.elem_type.CopyFrom(to_type_proto(type_.element))
    elif isinstance(type_, OptType):
        proto.optional_type.elem_type.CopyFrom(to_type_proto(type_.element))
    elif isinstance(type_, MapType):
        proto.map_type.key_type = onnx_element_type(type_.key)
        proto.map_type.value_type.CopyFrom(to_type_proto(type_.value))
    elif not isinstance(type_, NoneType | UnrankedTensorType):
        raise ValueError(f"ONNX has no type for {type_}")
    return proto


_ONNX_NAMES: dict[int, str] = {
    value: name.lower() for name, value in TensorProto.DataType.items()
}  # "FLOAT" -> "float" as schemas spell it


@lru_cache(maxsize=4096)
def type_string(type_: Attribute) -> str:
    """A type as ONNX schemas spell it, such as `tensor(float)`; shapes play no part."""
    element = element_of(type_)
    if element is not None:
        return f"tensor({_ONNX_NAMES[onnx_element_type(element)]})"
    if isinstance(type_, SeqType):
        return f"seq({type_string(type_.element)})"
    if isinstance(type_, OptType):
        return f"optional({type_string(type_.element)})"
    if isinstance(type_, MapType):
        key = _ONNX_NAMES[onnx_element_type(type_.key)]
        return f"map({key}, {type_string(type_.value)})"
    return str(type_)
