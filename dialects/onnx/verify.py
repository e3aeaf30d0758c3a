"""Checks an operation against an ONNX schema: counts, attributes, element types.

The checks say everything that is wrong, as sentences without the operation's name. The operation's
verifier, the importer and the exporter (which looks for the lowest opset) share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xdsl.dialects.builtin import NoneType
from xdsl.ir import Attribute

from pulsar2.diagnostics import nearest
from pulsar2.dialects.onnx.attributes import kind_of
from pulsar2.dialects.onnx.schema import (
    Arity,
    AttributeKind,
    AttributeSpec,
    OpSpec,
    ParameterSpec,
)
from pulsar2.dialects.onnx.types import type_string


def schema_violations(
    spec: OpSpec,
    operand_types: Sequence[Attribute],
    result_types: Sequence[Attribute],
    attributes: Mapping[str, Attribute],
    region_count: int,
) -> Iterator[str]:
    """What in an operation the schema does not allow.

    Attributes with a dot in their name belong to other dialects and are passed over.
    """
    yield from _count_violations(spec, operand_types, result_types)
    yield from attribute_violations(spec, attributes)
    names = spec.region_names
    if region_count > len(names) or any(spec.attributes[n].required for n in names[region_count:]):
        yield f"expects {len(names)} regions ({', '.join(names)}), got {region_count}"
    yield from _type_violations(spec, operand_types, result_types)


def attribute_violations(spec: OpSpec, attributes: Mapping[str, Attribute]) -> Iterator[str]:
    """Attributes that the schema does not know, that have another type, or that are missing."""
    own = {n: a for n, a in attributes.items() if "." not in n}
    for name, attribute in own.items():
        known = spec.attributes.get(name)
        if known is None:
            accepted = nearest(name, spec.attributes) or (
                f"it has {', '.join(spec.attributes) or 'none'}"
            )
            yield f"has no attribute '{name}' ({accepted})"
        elif not _is_of_kind(attribute, known):
            kind = kind_of(attribute)
            yield (
                f"attribute '{name}' is of type {known.kind.name}, "
                f"got {kind.name if kind else attribute}"
            )
    for name, known in spec.attributes.items():
        if known.required and name not in own and known.kind is not AttributeKind.GRAPH:
            yield f"needs the attribute '{name}'"


def _is_of_kind(attribute: Attribute, spec: AttributeSpec) -> bool:
    kind = kind_of(attribute)
    if kind is AttributeKind.STRINGS and not len(attribute):  # pyright: ignore
        return spec.kind in (AttributeKind.STRINGS, AttributeKind.FLOATS)
    return kind is spec.kind


def _count_violations(
    spec: OpSpec, operand_types: Sequence[Attribute], result_types: Sequence[Attribute]
) -> Iterator[str]:
    for what, count, least, most in (
        ("operands", len(operand_types), spec.min_inputs, spec.max_inputs),
        ("results", len(result_types), spec.min_outputs, spec.max_outputs),
    ):
        if not least <= count <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            if most > 1_000_000:
                wanted = f"at least {least}"
            yield f"expects {wanted} {what}, got {count}"


def _type_violations(
    spec: OpSpec, operand_types: Sequence[Attribute], result_types: Sequence[Attribute]
) -> Iterator[str]:
    bound: dict[str, tuple[str, str]] = {}
    if spec.inputs:
        for index, type_ in enumerate(operand_types[: spec.max_inputs]):
            yield from _one_type(spec.input_at(index), f"operand {index}", type_, bound)
    if spec.outputs:
        for index, type_ in enumerate(result_types[: spec.max_outputs]):
            yield from _one_type(spec.output_at(index), f"result {index}", type_, bound)


def _one_type(
    formal: ParameterSpec, place: str, type_: Attribute, bound: dict[str, tuple[str, str]]
) -> Iterator[str]:
    needed = formal.arity is Arity.SINGLE
    if formal.arity is Arity.VARIADIC and formal.variable:
        needed = place.startswith("operand")  # one of many alike, as in Sum
    place = f"{place} ({formal.name})"
    if isinstance(type_, NoneType):
        if needed:
            yield f"{place} is not optional"
        return
    text = type_string(type_)
    if formal.types and text not in formal.types:
        yield f"{place} cannot be a {text} (one of {', '.join(sorted(formal.types))})"
    elif formal.variable:
        other_place, other = bound.setdefault(formal.variable, (place, text))
        if other != text:
            yield f"{place} is a {text} where {other_place} is a {other}: they must be of one type"
