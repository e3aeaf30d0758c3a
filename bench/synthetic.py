"""Float graphs of any size, of the pieces that networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx.helper as oh
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

_CHANNELS, _SIZE, _TOKENS = 16, 8, 16


@dataclass
class _Graph:
    """A graph that grows by one node at a time."""

    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    constants: dict[str, Any] = field(default_factory=dict[str, Any])
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def add(self, op_type: str, *inputs: str | Any, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(oh.make_node(op_type, names, [name], f"node{name}", **attributes))
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, *shape: int) -> Any:
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        return self.random.normal(0, scale, shape).astype(np.float32)


def _number(value: float) -> Any:
    return np.array(value, np.float32)


def _residual(graph: _Graph, x: str) -> str:
    """Conv, BatchNormalization, SiLU spelled out, Conv, Add: 8 nodes."""
    factors = [np.abs(graph.weight(_CHANNELS)) + 0.5 for _ in range(4)]
    y = graph.add("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    y = graph.add("Conv", y, graph.weight(_CHANNELS, _CHANNELS, 3, 3))
    y = graph.add("BatchNormalization", y, *factors)
    y = graph.add("Mul", y, graph.add("Sigmoid", y))
    y = graph.add("Conv", y, graph.weight(_CHANNELS, _CHANNELS, 1, 1))
    y = graph.add("Identity", y)
    return graph.add("Add", x, y)


def _shaped(graph: _Graph, x: str) -> str:
    """A Reshape to a shape that the graph computes, and back: 9 nodes."""
    shape = graph.add("Shape", x)
    batch = graph.add("Gather", shape, np.array(0, np.int64), axis=0)
    first = graph.add("Unsqueeze", batch, np.array([0], np.int64))
    target = graph.add("Concat", first, np.array([-1], np.int64), axis=0)
    y = graph.add("Relu", graph.add("Reshape", x, target))
    y = graph.add("Reshape", y, shape)
    return graph.add("Mul", y, _number(0.5))


def _channels_last(graph: _Graph, x: str) -> str:
    """A normalization of the channels between Transposes, spelled out: 12 nodes."""
    y = graph.add("Transpose", x, perm=[0, 2, 3, 1])
    axes = np.array([-1], np.int64)
    v = graph.add("Sub", y, graph.add("ReduceMean", y, axes))
    spread = graph.add("ReduceMean", graph.add("Pow", v, _number(2)), axes)
    y = graph.add("Div", v, graph.add("Sqrt", graph.add("Add", spread, _number(1e-5))))
    y = graph.add("Add", graph.add("Mul", y, graph.weight(_CHANNELS)), graph.weight(_CHANNELS))
    y = graph.add("Transpose", y, perm=[0, 3, 1, 2])
    return graph.add("Add", x, y)


def _perceptron(graph: _Graph, x: str) -> str:
    """Two matrix products with GELU spelled out between them, on tokens: 14 nodes."""
    y = graph.add("Reshape", x, np.array([1, _CHANNELS, _SIZE * _SIZE], np.int64))
    y = graph.add("Transpose", y, perm=[0, 2, 1])
    y = graph.add("MatMul", y, graph.weight(_CHANNELS, _TOKENS))
    y = graph.add("Add", graph.weight(_TOKENS), y)
    gate = graph.add("Erf", graph.add("Div", y, _number(np.sqrt(2))))
    y = graph.add("Mul", graph.add("Mul", y, graph.add("Add", gate, _number(1))), _number(0.5))
    y = graph.add("MatMul", y, graph.weight(_TOKENS, _CHANNELS))
    y = graph.add("Transpose", y, perm=[0, 2, 1])
    y = graph.add("Reshape", y, np.array([1, _CHANNELS, _SIZE, _SIZE], np.int64))
    return graph.add("Add", x, y)


_PIECES: tuple[Callable[[_Graph, str], str], ...] = (
    _residual,
    _shaped,
    _channels_last,
    _perceptron,
)


def synthetic_graph(nodes: int) -> ModelProto:
    """A model of about `nodes` nodes: convolutions, normalizations, products, shape arithmetic."""
    graph = _Graph()
    x, place = "x", 0
    while len(graph.nodes) < nodes:
        x = _PIECES[place % len(_PIECES)](graph, x)
        place += 1
    shape = [1, _CHANNELS, _SIZE, _SIZE]
    made = oh.make_graph(
        graph.nodes,
        "synthetic",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [oh.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    return oh.make_model(made, opset_imports=[oh.make_opsetid("", 18)], ir_version=10)
