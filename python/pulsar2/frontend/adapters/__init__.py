"""Raises nodes of older opsets to `IR_OPSET`.

Where a newer version of an operator only takes more types, attributes or inputs, there is nothing
to do. Each other change has an adapter here: it rewrites a `Node` in place, and may emit operations
before it. An adapter is registered with the opset that made the change, and applies to nodes of
older opsets.
"""

from __future__ import annotations

from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.schema import op_spec
from pulsar2.frontend.adapters import attributes_to_inputs, meaning
from pulsar2.frontend.node import Node

_ADAPTERS = {**attributes_to_inputs.ADAPTERS, **meaning.ADAPTERS}


def adapt(node: Node, version: int, builder: OpBuilder) -> None:
    """Raises `node`, which is of opset `version`, to `IR_OPSET`.

    Raises `ValueError` with what of the node has no counterpart.
    """
    spec = op_spec(node.op_type, version)
    if spec is not None and len(node.operands) < spec.min_inputs:
        raise ValueError(f"expects at least {spec.min_inputs} operands, got {len(node.operands)}")
    for below, adapter in _ADAPTERS.get(node.op_type, ()):
        if version < below:
            adapter(node, builder)
