"""ONNX's operator schemas, as plain data that the dialect is made from.

The IR speaks one version of ONNX's operators, `IR_OPSET`; import raises what is older to it, and
export writes the lowest version that means the same. A schema is read from the `onnx` package once,
when it is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, cast

import onnx.defs
from onnx import AttributeProto
from onnx.defs import OpSchema

IR_OPSET = 28
"""The version of ONNX's default domain that `onnx.*` operations mean."""


class AttributeKind(Enum):
    """The types that an ONNX attribute may have, by their name in ONNX."""

    INT = AttributeProto.INT
    INTS = AttributeProto.INTS
    FLOAT = AttributeProto.FLOAT
    FLOATS = AttributeProto.FLOATS
    STRING = AttributeProto.STRING
    STRINGS = AttributeProto.STRINGS
    TENSOR = AttributeProto.TENSOR
    TENSORS = AttributeProto.TENSORS
    GRAPH = AttributeProto.GRAPH
    GRAPHS = AttributeProto.GRAPHS
    SPARSE_TENSOR = AttributeProto.SPARSE_TENSOR
    SPARSE_TENSORS = AttributeProto.SPARSE_TENSORS
    TYPE_PROTO = AttributeProto.TYPE_PROTO
    TYPE_PROTOS = AttributeProto.TYPE_PROTOS


ELEMENT_TYPE_ATTRIBUTES = frozenset(
    (
        "to",
        "dtype",
        "output_dtype",
        "output_datatype",
        "stash_type",
        "precision",
        "softmax_precision",
    )
)
"""INT attributes that hold a `TensorProto.DataType`; in the IR they are types."""


@dataclass(frozen=True)
class AttributeSpec:
    """One attribute of a schema. `default` is None or the ONNX default as a Python value."""

    name: str
    kind: AttributeKind
    required: bool
    default: Any


class Arity(Enum):
    SINGLE = "single"
    OPTIONAL = "optional"
    VARIADIC = "variadic"


@dataclass(frozen=True)
class ParameterSpec:
    """One formal input or output: what type strings it takes, and the variable they bind.

    `variable` is the name of a type variable that all its bearers must agree on, or ''.
    """

    name: str
    arity: Arity
    types: frozenset[str]
    variable: str


@dataclass(frozen=True)
class OpSpec:
    """One version of one operator."""

    op_type: str
    domain: str
    since: int
    inputs: tuple[ParameterSpec, ...]
    outputs: tuple[ParameterSpec, ...]
    min_inputs: int
    max_inputs: int
    min_outputs: int
    max_outputs: int
    attributes: dict[str, AttributeSpec]
    deterministic: bool
    deprecated: bool
    doc: str

    def input_at(self, index: int) -> ParameterSpec:
        """The formal input that operand `index` belongs to; the last one repeats if variadic."""
        return self.inputs[min(index, len(self.inputs) - 1)]

    def output_at(self, index: int) -> ParameterSpec:
        return self.outputs[min(index, len(self.outputs) - 1)]

    @property
    def region_names(self) -> tuple[str, ...]:
        """The graph attributes, which the IR holds as regions, in the order of the regions."""
        names = [n for n, a in self.attributes.items() if a.kind is AttributeKind.GRAPH]
        return tuple(sorted(names, key=lambda n: (n != "then_branch", n)))


def _parameter(schema: OpSchema, formal: OpSchema.FormalParameter) -> ParameterSpec:
    options = OpSchema.FormalParameterOption
    arity = {options.Optional: Arity.OPTIONAL, options.Variadic: Arity.VARIADIC}.get(
        formal.option, Arity.SINGLE
    )
    variables = {c.type_param_str for c in schema.type_constraints}
    shared = formal.type_str in variables and formal.is_homogeneous
    return ParameterSpec(
        formal.name, arity, frozenset(formal.types), formal.type_str if shared else ""
    )


def _attribute(attribute: OpSchema.Attribute) -> AttributeSpec:
    kind = AttributeKind[str(attribute.type).rpartition(".")[2]]
    default = attribute.default_value
    value: Any = onnx.helper.get_attribute_value(default) if default.type else None
    if isinstance(value, bytes):
        value = value.decode()
    elif isinstance(value, list):
        value = tuple(cast("list[Any]", value))
    return AttributeSpec(attribute.name, kind, attribute.required, value)


def is_deterministic(schema: OpSchema) -> bool:
    """Whether an operator computes the same results from the same operands and attributes."""
    return not schema.non_deterministic  # pyright: ignore


@cache
def spec_of(schema: OpSchema) -> OpSpec:
    """A schema as plain data."""
    return OpSpec(
        op_type=schema.name,
        domain=schema.domain,
        since=schema.since_version,
        inputs=tuple(_parameter(schema, p) for p in schema.inputs),
        outputs=tuple(_parameter(schema, p) for p in schema.outputs),
        min_inputs=schema.min_input,
        max_inputs=schema.max_input,
        min_outputs=schema.min_output,
        max_outputs=schema.max_output,
        attributes={name: _attribute(a) for name, a in sorted(schema.attributes.items())},
        deterministic=is_deterministic(schema),
        deprecated=schema.deprecated,
        doc=schema.doc or "",
    )


@cache
def onnx_schema(op_type: str, version: int = IR_OPSET, domain: str = "") -> OpSchema | None:
    """The schema that is in force for `op_type` at an opset version, or None."""
    try:
        return onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None


@cache
def op_spec(op_type: str, version: int = IR_OPSET, domain: str = "") -> OpSpec | None:
    """What ONNX says of `op_type` at an opset version, or None when it knows no such operator."""
    schema = onnx_schema(op_type, version, domain)
    return None if schema is None else spec_of(schema)


@cache
def op_versions(op_type: str) -> tuple[int, ...]:
    """The opset versions at which the default domain's `op_type` changed, up to `IR_OPSET`."""
    return tuple(
        sorted(
            s.since_version
            for s in _default_schemas()
            if s.name == op_type and s.since_version <= IR_OPSET
        )
    )


@cache
def _default_schemas() -> tuple[OpSchema, ...]:
    return tuple(s for s in onnx.defs.get_all_schemas_with_history() if s.domain == "")


@cache
def op_types() -> tuple[str, ...]:
    """Every operator of the default domain that is in force at `IR_OPSET`, sorted."""
    names = {s.name for s in onnx.defs.get_all_schemas() if s.domain == ""}
    found = {name: onnx_schema(name) for name in names}
    return tuple(sorted(n for n, s in found.items() if s is not None and not s.deprecated))
