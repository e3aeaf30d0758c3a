"""ONNX attributes as typed IR attributes, and back.

| ONNX | IR | Python |
| --- | --- | --- |
| INT | `2 : i64`; an element type is the type, `f32` | `int`, or `TypeAttribute` |
| FLOAT | `1.0 : f32` | `float` |
| STRING | `"text"` | `str` |
| INTS | `array<i64: 1, 2>` | `tuple[int, ...]` |
| FLOATS, STRINGS | `[1.0 : f32]`, `["a"]` | `tuple[float, ...]`, `tuple[str, ...]` |
| TENSOR | `dense<..> : tensor<..>` or `#ax.weight<..>` | kept as an attribute |
| TYPE_PROTO | a type | `TypeAttribute` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import onnx.helper
from onnx import AttributeProto, TensorProto, numpy_helper
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute, TypeAttribute

from pulsar2.dialects.onnx.constants import (
    AnyConstant,
    is_constant_attribute,
    make_tensor_constant,
    read_tensor_constant,
)
from pulsar2.dialects.onnx.schema import ELEMENT_TYPE_ATTRIBUTES, AttributeKind
from pulsar2.dialects.onnx.types import (
    element_type,
    from_type_proto,
    onnx_element_type,
    to_type_proto,
)
from pulsar2.weights import AnyArray, WeightStore

AttributeValue = (
    int | float | str | Sequence[int] | Sequence[float] | Sequence[str] | Attribute | None
)


def to_attribute(value: AttributeValue, kind: AttributeKind | None = None) -> Attribute:
    """The IR attribute of a Python value; `kind` tells apart what Python's types do not."""
    match value:
        case Attribute():
            return value
        case bool() | int() if kind is not AttributeKind.FLOAT:
            return IntegerAttr(int(value), i64)
        case int() | float():
            return FloatAttr(float(value), f32)
        case str():
            return StringAttr(value)
        case None:
            raise ValueError("an absent attribute has no value")
        case _:
            return _sequence(value, kind)


def _sequence(value: Sequence[Any], kind: AttributeKind | None) -> Attribute:
    if kind is AttributeKind.STRINGS or (value and isinstance(value[0], str)):
        return ArrayAttr([StringAttr(v) for v in value])
    if kind is AttributeKind.FLOATS or any(isinstance(v, float) for v in value):
        return ArrayAttr([FloatAttr(float(v), f32) for v in value])
    return DenseArrayBase.from_list(i64, [int(v) for v in value])


def from_attribute(attribute: Attribute) -> Any:
    """The Python value of an IR attribute; a tensor and a type are returned as they are."""
    match attribute:
        case IntegerAttr() | FloatAttr():
            return attribute.value.data
        case StringAttr():
            return attribute.data
        case DenseArrayBase():
            return cast("DenseArrayBase[IntegerType]", attribute).get_values()
        case ArrayAttr():
            return tuple(from_attribute(a) for a in attribute)
        case _:
            return attribute


def kind_of(attribute: Attribute) -> AttributeKind | None:
    """The ONNX attribute type that an IR attribute stands for; None if it stands for none.

    An element type counts as INT, an empty array as STRINGS.
    """
    if is_constant_attribute(attribute):
        return AttributeKind.TENSOR
    match attribute:
        case IntegerAttr():
            return AttributeKind.INT if attribute.type == i64 else None
        case FloatAttr():
            return AttributeKind.FLOAT if attribute.type == f32 else None
        case StringAttr():
            return AttributeKind.STRING
        case DenseArrayBase():
            return AttributeKind.INTS if attribute.elt_type == i64 else None
        case ArrayAttr():
            kinds = {kind_of(a) for a in attribute}
            if kinds == {AttributeKind.FLOAT}:
                return AttributeKind.FLOATS
            return AttributeKind.STRINGS if kinds <= {AttributeKind.STRING} else None
        case TypeAttribute():
            try:
                onnx_element_type(attribute)
            except KeyError:
                return AttributeKind.TYPE_PROTO
            return AttributeKind.INT
        case _:
            return None


def import_attribute(proto: AttributeProto, weights: WeightStore) -> Attribute | None:
    """The IR attribute of an ONNX attribute other than a graph.

    None for an element type of 0, which says no more than leaving it out. Raises `ValueError` with
    what is wrong with the attribute.
    """
    kind = AttributeKind(proto.type)
    value: Any
    match kind:
        case AttributeKind.INT if proto.name in ELEMENT_TYPE_ATTRIBUTES:
            if proto.i == TensorProto.UNDEFINED:
                return None
            try:
                return element_type(proto.i)
            except KeyError:
                raise ValueError(f"there is no element type {proto.i}") from None
        case AttributeKind.STRING:
            value = _text(proto.s)
        case AttributeKind.STRINGS:
            value = [_text(s) for s in proto.strings]
        case AttributeKind.TENSOR:
            try:
                return make_tensor_constant(numpy_helper.to_array(proto.t), weights)
            except (KeyError, TypeError):
                raise ValueError(
                    f"the tensor of '{proto.name}' has no element type {proto.t.data_type}"
                ) from None
        case AttributeKind.TYPE_PROTO:
            try:
                return from_type_proto(proto.tp)
            except KeyError as error:
                raise ValueError(f"there is no element type {error}") from None
        case AttributeKind.INT | AttributeKind.INTS | AttributeKind.FLOAT | AttributeKind.FLOATS:
            value = onnx.helper.get_attribute_value(proto)
        case _:
            raise ValueError(f"an attribute of type {kind.name} is not supported")
    return to_attribute(value, kind)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("its text is not UTF-8") from None


def export_attribute(name: str, attribute: Attribute, weights: WeightStore) -> AttributeProto:
    """The ONNX attribute `name` of an IR attribute that `import_attribute` could have made."""
    kind = kind_of(attribute)
    if kind is None:
        raise ValueError(f"attribute '{name}' has no form in ONNX: {attribute}")
    proto = AttributeProto(name=name, type=kind.value)
    match kind:
        case AttributeKind.TENSOR:
            assert is_constant_attribute(attribute)
            proto.t.CopyFrom(export_tensor("", attribute, weights))  # pyright: ignore
        case AttributeKind.TYPE_PROTO:
            proto.tp.CopyFrom(to_type_proto(attribute))
        case AttributeKind.INT if isinstance(attribute, TypeAttribute):
            proto.i = onnx_element_type(attribute)
        case AttributeKind.INT:
            proto.i = from_attribute(attribute)
        case AttributeKind.FLOAT:
            proto.f = from_attribute(attribute)
        case AttributeKind.STRING:
            proto.s = from_attribute(attribute).encode()
        case AttributeKind.INTS:
            proto.ints.extend(from_attribute(attribute))
        case AttributeKind.FLOATS:
            proto.floats.extend(from_attribute(attribute))
        case _:
            proto.strings.extend(s.encode() for s in from_attribute(attribute))
    return proto


def export_tensor(name: str, constant: AnyConstant, weights: WeightStore) -> TensorProto:
    """The ONNX tensor `name` of a constant."""
    return array_to_tensor(name, read_tensor_constant(constant, weights))


def array_to_tensor(name: str, array: AnyArray) -> TensorProto:
    """The ONNX tensor `name` of an array of any dtype that the dialect knows."""
    return numpy_helper.from_array(array, name)
