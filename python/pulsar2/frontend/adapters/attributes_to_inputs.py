"""Operators whose attributes became inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.frontend.node import Node

Adapter = Callable[[Node, OpBuilder], None]


def _integers(name: str, index: int) -> Adapter:
    """The INTS attribute `name` becomes input `index`."""

    def adapter(node: Node, builder: OpBuilder) -> None:
        values = node.take(name)
        if values is not None:
            array = np.array(values, dtype=np.int64)
            node.set_operand(index, builder.constant(array))

    return adapter


def _split_outputs(node: Node, builder: OpBuilder) -> None:
    """Split without sizes splits into as many parts as it has outputs."""
    if node.operand(1) is None and "num_outputs" not in node.attributes:
        from pulsar2.dialects.onnx.attributes import to_attribute

        node.attributes["num_outputs"] = to_attribute(len(node.outputs))


def _dropout(node: Node, builder: OpBuilder) -> None:
    """Dropout's ratio becomes an input; before opset 12 a model was never in training mode."""
    ratio: Any = node.take("ratio")
    if ratio is not None:
        node.set_operand(1, builder.constant(np.array(ratio, dtype=np.float32)))


def _dft_axis(node: Node, builder: OpBuilder) -> None:
    axis: Any = node.take("axis", 1)
    node.set_operand(2, builder.constant(np.array(axis, dtype=np.int64)))


_REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
)

ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    "Squeeze": ((13, _integers("axes", 1)),),
    "Unsqueeze": ((13, _integers("axes", 1)),),
    "ReduceSum": ((13, _integers("axes", 1)),),
    "Split": ((13, _integers("split", 1)), (18, _split_outputs)),
    "Dropout": ((12, _dropout),),
    "DFT": ((20, _dft_axis),),
    **{op_type: ((18, _integers("axes", 1)),) for op_type in _REDUCTIONS},
}
