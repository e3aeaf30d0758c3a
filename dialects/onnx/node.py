"""One operation without regions as an ONNX node, in the lowest opset that means the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnx import NodeProto
from xdsl.dialects.builtin import NoneType
from xdsl.ir import Attribute

from pulsar2.dialects.onnx.attributes import export_attribute
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.schema import IR_OPSET, op_spec, op_versions
from pulsar2.dialects.onnx.types import type_string
from pulsar2.dialects.onnx.verify import schema_violations
from pulsar2.weights import WeightStore

EXPORT_OPSET = 21
"""The oldest opset that an export uses: from here to `IR_OPSET`, operators only gained types,
attributes and inputs, so what an older schema accepts means the same (but for a few exceptions)."""


def _is_float(op: OnnxOp) -> bool:
    return type_string(op.result.type) in ("tensor(float)", "tensor(float16)", "tensor(double)")


_MEANING_CHANGED: dict[str, tuple[int, Callable[[OnnxOp], bool]]] = {
    "Attention": (25, lambda op: True),
    "AveragePool": (22, lambda op: bool(op.value_of("ceil_mode"))),
    "MaxPool": (22, lambda op: bool(op.value_of("ceil_mode"))),
    "Mod": (28, lambda op: _is_float(op) and not op.value_of("fmod")),
    "Range": (
        27,
        lambda op: type_string(op.result.type) in ("tensor(float16)", "tensor(bfloat16)"),
    ),
}
"""The exceptions: opsets that gave an older form of some operations another meaning."""


def to_node(
    op: OnnxOp, inputs: Sequence[str], outputs: Sequence[str], weights: WeightStore, name: str = ""
) -> NodeProto:
    """The node of `op` with tensors of these names; '' for what is left out."""
    attributes: dict[str, Attribute] = {
        n: a for n, a in sorted(op.attributes.items()) if "." not in n
    }
    node = NodeProto(op_type=op.op_type, name=name)
    if isinstance(op, Custom):
        node.op_type, node.domain = op.function, op.domain
        attributes = dict(op.custom_attributes)
    names = list(inputs)
    while names and not names[-1]:
        names.pop()
    node.input.extend(names)
    node.output.extend(outputs)
    node.attribute.extend(export_attribute(n, a, weights) for n, a in attributes.items())
    return node


def lowest_opset(op: OnnxOp) -> int:
    """The lowest opset from `EXPORT_OPSET` on whose schema accepts `op` as it is.

    An operation that is the dialect's own is built of operators of `EXPORT_OPSET`.
    """
    if op.own:
        return EXPORT_OPSET
    changed = _MEANING_CHANGED.get(op.op_type)
    least = changed[0] if changed is not None and changed[1](op) else EXPORT_OPSET
    versions = [v for v in op_versions(op.op_type) if v > least]
    operand_types = op.operand_types
    while operand_types and isinstance(operand_types[-1], NoneType):
        operand_types = operand_types[:-1]
    for version in (least, *versions):
        spec = op_spec(op.op_type, version)
        if spec is not None and not any(
            schema_violations(spec, operand_types, op.result_types, op.attributes, len(op.regions))
        ):
            return version
    return IR_OPSET
