"""A notation for small ONNX graphs in tests: operators are called, numbers become constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto
from onnx_models import Shapes, model, node


class Sketch:
    """A graph that grows: `s("Add", "x", 1.0)` adds a node and returns the name of its result."""

    def __init__(self, opset: int = 21) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, np.ndarray] = {}
        self._opset = opset

    def __call__(self, op_type: str, *inputs: str | float | np.ndarray, **attributes: Any) -> str:
        name = f"v{len(self._nodes)}"
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self._nodes.append(node(op_type, names, [name], **attributes))
        return name

    def several(
        self, op_type: str, count: int, *inputs: str | float | np.ndarray, **attributes: Any
    ) -> list[str]:
        """The names of the results of a node that has `count` of them."""
        names = [f"v{len(self._nodes)}_{i}" for i in range(count)]
        given = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self._nodes.append(node(op_type, given, names, **attributes))
        return names

    def constant(self, value: float | np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        array = value if isinstance(value, np.ndarray) else np.array(value, np.float32)
        self._constants[name] = array
        return name

    def mean(self, x: str, axes: Sequence[int]) -> str:
        return self("ReduceMean", x, np.array(axes, np.int64), keepdims=1)

    def model(self, inputs: Shapes, *outputs: str) -> ModelProto:
        return model(self._nodes, inputs, outputs, self._constants, opset=self._opset)
