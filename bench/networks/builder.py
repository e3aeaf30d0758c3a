"""A small writer of ONNX graphs: nodes with names, seeded random weights, shapes where needed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
_OPSET = 17
_IR_VERSION = 8


class GraphBuilder:
    """Collects one graph. Methods return the name of the tensor that they add.

    ``channels`` holds the channel count of each tensor made by a convolution or the input, so that
    a network is written without repeating them.
    """

    def __init__(self, name: str, seed: int, *, batch_norm: bool = False) -> None:
        self._name = name
        self._rng = np.random.default_rng(seed)
        self._batch_norm = batch_norm
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._scalars: dict[float, str] = {}
        self.channels: dict[str, int] = {}

    def input(self, name: str, shape: list[int]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.channels[name] = shape[1]
        return name

    def constant(self, name: str, value: Array) -> str:
        self._initializers.append(numpy_helper.from_array(value, name))
        return name

    def scalar(self, value: float) -> str:
        """A shared f32 scalar."""
        if value not in self._scalars:
            name = f"scalar_{len(self._scalars)}"
            self._scalars[value] = self.constant(name, np.array(value, np.float32))
        return self._scalars[value]

    def normal(self, name: str, shape: tuple[int, ...], deviation: float) -> str:
        """An f32 initializer drawn from a normal distribution around zero."""
        return self.constant(name, self._rng.normal(0.0, deviation, shape).astype(np.float32))

    def node(self, op: str, name: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{name}_output_0"
        self._nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        if inputs[0] in self.channels:
            self.channels[output] = self.channels[inputs[0]]
        return output

    def split(self, x: str, name: str, sizes: str, channels: list[int]) -> list[str]:
        """Cuts a feature map along its channels; ``sizes`` is the constant of these counts."""
        outputs = [f"{name}_output_{index}" for index in range(len(channels))]
        self._nodes.append(helper.make_node("Split", [x, sizes], outputs, name, axis=1))
        self.channels.update(zip(outputs, channels, strict=True))
        return outputs

    def conv(
        self,
        x: str,
        name: str,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        group: int = 1,
        gain: float = 2.0,
    ) -> str:
        """A convolution with symmetric padding and a bias, or BatchNormalization instead of one.

        ``gain`` is the variance of the outputs for inputs of variance 1: 2 makes up for a ReLU, and
        less keeps a branch that is added to another from growing the sum layer by layer.
        """
        inputs = self.channels[x]
        shape = (outputs, inputs // group, kernel, kernel)
        deviation = math.sqrt(gain / math.prod(shape[1:]))
        operands = [x, self.normal(f"{name}.weight", shape, deviation)]
        if not self._batch_norm:
            operands.append(self.normal(f"{name}.bias", (outputs,), 0.1))
        y = self.node(
            "Conv",
            name,
            operands,
            dilations=[1, 1],
            group=group,
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
            strides=[stride, stride],
        )
        self.channels[y] = outputs
        return self._normalize(y, f"{name}/bn", outputs) if self._batch_norm else y

    def _normalize(self, x: str, name: str, channels: int) -> str:
        draw = self._rng
        parameters = {
            "scale": draw.uniform(0.8, 1.2, channels),
            "bias": draw.normal(0.0, 0.1, channels),
            "mean": draw.normal(0.0, 0.1, channels),
            "var": draw.uniform(0.8, 1.2, channels),
        }
        operands = [
            self.constant(f"{name}.{key}", value.astype(np.float32))
            for key, value in parameters.items()
        ]
        return self.node("BatchNormalization", name, [x, *operands], epsilon=1e-5)

    def relu(self, x: str, name: str) -> str:
        return self.node("Relu", name, [x])

    def relu6(self, x: str, name: str) -> str:
        return self.node("Clip", name, [x, self.scalar(0.0), self.scalar(6.0)])

    def silu(self, x: str, name: str) -> str:
        return self.node("Mul", f"{name}/mul", [x, self.node("Sigmoid", f"{name}/sigmoid", [x])])

    def dense(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """MatMul with a constant and Add of a bias, over the last axis."""
        weight = self.normal(f"{name}.weight", (inputs, outputs), 1.0 / math.sqrt(inputs))
        y = self.node("MatMul", f"{name}/matmul", [x, weight])
        return self.node("Add", f"{name}/add", [y, self.normal(f"{name}.bias", (outputs,), 0.1)])

    def classifier(self, x: str, classes: int) -> str:
        """Global average pooling, flattening and a Gemm."""
        inputs = self.channels[x]
        x = self.node("GlobalAveragePool", "pool", [x])
        x = self.node("Flatten", "flatten", [x], axis=1)
        weight = self.normal("fc.weight", (classes, inputs), 1.0 / math.sqrt(inputs))
        return self.node(
            "Gemm", "fc", [x, weight, self.normal("fc.bias", (classes,), 0.1)], transB=1
        )

    def finish(self, outputs: dict[str, tuple[str, list[int]]]) -> onnx.ModelProto:
        """The checked model; ``outputs`` maps each output's name to its tensor and shape."""
        for name, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], f"{name}/identity"))
        self._merge_identities(set(outputs))
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, (_, shape) in outputs.items()
        ]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, infos, self._initializers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="bench",
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _merge_identities(self, outputs: set[str]) -> None:
        """Let the node that computes an output write it under the output's name."""
        renamed = {
            node.input[0]: node.output[0] for node in self._nodes if node.output[0] in outputs
        }
        self._nodes = [node for node in self._nodes if node.output[0] not in outputs]
        for node in self._nodes:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    names[index] = renamed.get(name, name)
