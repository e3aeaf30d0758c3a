"""ResNet-18 and ResNet-50 (He et al., 2015; the 3x3 convolution of a bottleneck has the stride)."""

from __future__ import annotations

import onnx

from .builder import GraphBuilder

_BRANCH_GAIN = 0.2


def _basic_block(graph: GraphBuilder, x: str, name: str, width: int, stride: int) -> str:
    y = graph.relu(graph.conv(x, f"{name}/conv1", width, 3, stride), f"{name}/relu1")
    y = graph.conv(y, f"{name}/conv2", width, 3, gain=_BRANCH_GAIN)
    return _join(graph, x, y, name, stride)


def _bottleneck(graph: GraphBuilder, x: str, name: str, width: int, stride: int) -> str:
    y = graph.relu(graph.conv(x, f"{name}/conv1", width), f"{name}/relu1")
    y = graph.relu(graph.conv(y, f"{name}/conv2", width, 3, stride), f"{name}/relu2")
    y = graph.conv(y, f"{name}/conv3", width * 4, gain=_BRANCH_GAIN)
    return _join(graph, x, y, name, stride)


def _join(graph: GraphBuilder, x: str, y: str, name: str, stride: int) -> str:
    if stride != 1 or graph.channels[x] != graph.channels[y]:
        x = graph.conv(x, f"{name}/downsample", graph.channels[y], 1, stride, gain=1.0)
    return graph.relu(graph.node("Add", f"{name}/add", [y, x]), f"{name}/relu")


def _resnet(
    name: str,
    repeats: tuple[int, ...],
    bottleneck: bool,
    size: int,
    width: int,
    classes: int,
    batch_norm: bool,
    seed: int,
) -> onnx.ModelProto:
    block = _bottleneck if bottleneck else _basic_block
    graph = GraphBuilder(name, seed, batch_norm=batch_norm)
    x = graph.input("input", [1, 3, size, size])
    x = graph.relu(graph.conv(x, "stem", width, 7, 2), "stem/relu")
    x = graph.node(
        "MaxPool", "stem/pool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]
    )
    for stage, count in enumerate(repeats):
        for repeat in range(count):
            stride = 2 if stage > 0 and repeat == 0 else 1
            x = block(graph, x, f"layer{stage + 1}.{repeat}", width << stage, stride)
    return graph.finish({"output": (graph.classifier(x, classes), [1, classes])})


def resnet18(
    size: int = 224,
    width: int = 64,
    classes: int = 1000,
    *,
    repeats: tuple[int, ...] = (2, 2, 2, 2),
    batch_norm: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    return _resnet("resnet18", repeats, False, size, width, classes, batch_norm, seed)


def resnet50(
    size: int = 224,
    width: int = 64,
    classes: int = 1000,
    *,
    repeats: tuple[int, ...] = (3, 4, 6, 3),
    batch_norm: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    return _resnet("resnet50", repeats, True, size, width, classes, batch_norm, seed)
