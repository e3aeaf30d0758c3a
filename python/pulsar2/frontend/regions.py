"""The types of the values that a subgraph is given by its operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import GraphProto
from xdsl.dialects.builtin import IntegerAttr, IntegerType, UnrankedTensorType, f32, i64
from xdsl.ir import Attribute, SSAValue, TypeAttribute

from pulsar2.dialects.onnx.attributes import from_attribute
from pulsar2.dialects.onnx.types import (
    SeqType,
    element_of,
    from_type_proto,
    shape_of,
    tensor_type,
)


def body_argument_types(
    op_type: str,
    graph: GraphProto,
    operands: Sequence[SSAValue | None],
    attributes: Mapping[str, Attribute],
) -> list[TypeAttribute]:
    """The types of the inputs of a subgraph: those that its operator gives, else those declared."""
    declared = [_declared(v.type) for v in graph.input]
    given: list[Attribute | None] = [None] * len(declared)
    values = [v.type if v is not None else None for v in operands]
    if op_type == "Loop":
        given = [tensor_type(i64, ()), tensor_type(IntegerType(1), ()), *values[2:]]
    elif op_type == "Scan":
        given = _scan_arguments(values, attributes)
    elif op_type == "SequenceMap":
        given = [v.element if isinstance(v, SeqType) else v for v in values]
    types = [*given[: len(declared)], *([None] * (len(declared) - len(given)))]
    return [g or d for g, d in zip(types, declared, strict=True)]  # pyright: ignore


def _declared(type_: object) -> TypeAttribute:
    try:
        return from_type_proto(type_)  # pyright: ignore
    except (KeyError, ValueError):
        return UnrankedTensorType(f32)


def _scan_arguments(
    types: Sequence[Attribute | None], attributes: Mapping[str, Attribute]
) -> list[Attribute | None]:
    count = attributes.get("num_scan_inputs")
    scans = min(count.value.data, len(types)) if isinstance(count, IntegerAttr) else 0
    states = len(types) - scans
    axes_attribute = attributes.get("scan_input_axes")
    axes = from_attribute(axes_attribute) if axes_attribute is not None else (0,) * scans
    slices: list[Attribute | None] = []
    for type_, axis in zip(types[states:], axes, strict=False):
        shape = shape_of(type_) if type_ is not None else None
        if type_ is None or shape is None:
            slices.append(None)
            continue
        axis %= max(len(shape), 1)
        element = element_of(type_)
        extent = (*shape[:axis], *shape[axis + 1 :])
        slices.append(tensor_type(element, extent))  # pyright: ignore[reportArgumentType]
    return [*types[:states], *slices]
