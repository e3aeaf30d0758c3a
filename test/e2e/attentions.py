"""Attention as a model by itself."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

HEADS, WIDTH = 4, 32


def make_attention(path: Path, tokens: int) -> None:
    """Writes attention of some tokens: inputs q, k, v of [1, HEADS, tokens, WIDTH], output y."""
    shape = (1, HEADS, tokens, WIDTH)
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], "turn", perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"], "scores"),
        helper.make_node("Softmax", ["scores"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"], "context"),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "qkv"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
