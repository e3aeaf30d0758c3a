"""EfficientNet-Lite0 as a float ONNX graph over the tensors of its checkpoint.

The names are those that PyTorch's exporter gives this network (``/_blocks.3/_expand_conv/Conv``).
Convolution padding is TensorFlow's SAME, so a convolution of stride 2 pads one element more at the
bottom and right than at the top and left. BatchNormalization stays in the graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import onnx
from checkpoint import Array
from onnx import TensorProto, helper, numpy_helper

IMAGE_SIZE = 224
CLASSES = 1000
_BATCH_NORM_EPSILON = 1e-3
# (repeats, stride of the first); kernels and channels are the checkpoint's.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


@dataclass
class _Graph:
    """Nodes and initializers in the making; ``size`` is the current height and width."""

    weights: dict[str, Array]
    size: int = IMAGE_SIZE
    nodes: list[onnx.NodeProto] = field(default_factory=list[onnx.NodeProto])
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict[str, onnx.TensorProto])

    def parameter(self, name: str) -> str:
        self.initializers[name] = numpy_helper.from_array(self.weights[name], name)
        return name

    def add(self, op: str, name: str, inputs: list[str], **attributes: object) -> str:
        output = f"{name}_output_0"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def convolution(self, x: str, name: str, stride: int = 1) -> str:
        """A convolution with SAME padding; depthwise where each filter sees one channel."""
        weight = self.weights[f"{name}.weight"]
        kernel = int(weight.shape[2])
        outputs = math.ceil(self.size / stride)
        padding = max((outputs - 1) * stride + kernel - self.size, 0)
        begin, end = padding // 2, padding - padding // 2
        self.size = outputs
        return self.add(
            "Conv",
            f"/{name.replace('._', '/_')}/Conv",
            [x, self.parameter(f"{name}.weight")],
            dilations=[1, 1],
            group=int(weight.shape[0]) if weight.shape[1] == 1 else 1,
            kernel_shape=[kernel, kernel],
            pads=[begin, begin, end, end],
            strides=[stride, stride],
        )

    def batch_norm(self, x: str, name: str) -> str:
        suffixes = ("weight", "bias", "running_mean", "running_var")
        return self.add(
            "BatchNormalization",
            f"/{name.replace('._', '/_')}/BatchNormalization",
            [x, *(self.parameter(f"{name}.{suffix}") for suffix in suffixes)],
            epsilon=_BATCH_NORM_EPSILON,
        )

    def relu6(self, x: str, scope: str, index: int = 0) -> str:
        suffix = f"_{index}" if index else ""
        return self.add("Clip", f"/{scope}/Clip{suffix}", [x, "clip_min", "clip_max"])

    def block(self, x: str, index: int, stride: int) -> str:
        """Inverted residual: expand to wide, filter depthwise, project, add the input."""
        name, scope, y = f"_blocks.{index}", f"_blocks.{index}", x
        activations = 0
        if f"{name}._expand_conv.weight" in self.weights:
            y = self.batch_norm(self.convolution(y, f"{name}._expand_conv"), f"{name}._bn0")
            y = self.relu6(y, scope)
            activations = 1
        y = self.convolution(y, f"{name}._depthwise_conv", stride)
        y = self.relu6(self.batch_norm(y, f"{name}._bn1"), scope, activations)
        y = self.batch_norm(self.convolution(y, f"{name}._project_conv"), f"{name}._bn2")
        expand = self.weights.get(f"{name}._expand_conv.weight")
        inputs = self.weights[f"{name}._depthwise_conv.weight"].shape[0]
        inputs = inputs if expand is None else expand.shape[1]
        if stride == 1 and inputs == self.weights[f"{name}._project_conv.weight"].shape[0]:
            y = self.add("Add", f"/{scope}/Add", [y, x])
        return y


def build_network(weights: dict[str, Array]) -> onnx.ModelProto:
    """The checked float model: ``input`` f32 [1,3,224,224] to ``output`` f32 [1,1000] (logits)."""
    graph = _Graph(weights)
    for name, bound in (("clip_min", 0.0), ("clip_max", 6.0)):
        graph.initializers[name] = helper.make_tensor(name, TensorProto.FLOAT, [], [bound])

    x = graph.batch_norm(graph.convolution("input", "_conv_stem", 2), "_bn0")
    x = graph.relu6(x, "_conv_stem")
    index = 0
    for repeats, first_stride in _STAGES:
        for repeat in range(repeats):
            x = graph.block(x, index, first_stride if repeat == 0 else 1)
            index += 1
    x = graph.relu6(graph.batch_norm(graph.convolution(x, "_conv_head"), "_bn1"), "_conv_head")
    x = graph.add("GlobalAveragePool", "/_avg_pooling/GlobalAveragePool", [x])
    x = graph.add("Flatten", "/Flatten", [x], axis=1)
    parameters = [graph.parameter("_fc.weight"), graph.parameter("_fc.bias")]
    graph.nodes.append(
        helper.make_node("Gemm", [x, *parameters], ["output"], "/_fc/Gemm", transB=1)
    )

    shape = [1, 3, IMAGE_SIZE, IMAGE_SIZE]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet_lite0",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, CLASSES])],
            list(graph.initializers.values()),
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
        producer_name="examples/efficientnet_lite0",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
