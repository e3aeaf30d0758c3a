"""VGG-16 (Simonyan and Zisserman, 2014, configuration D): 138 million weights."""

from __future__ import annotations

import math

import onnx

from .builder import GraphBuilder

# (convolutions, channels) between poolings
_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_HIDDEN = 4096


def vgg16(size: int = 224, classes: int = 1000, *, seed: int = 0) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("vgg16", seed)
    x = graph.input("input", [1, 3, size, size])
    for stage, (count, channels) in enumerate(_STAGES):
        for index in range(count):
            name = f"stage{stage}.{index}"
            x = graph.relu(graph.conv(x, name, channels, 3), f"{name}/relu")
        x = graph.node("MaxPool", f"pool{stage}", [x], kernel_shape=[2, 2], strides=[2, 2])
    pixels = (size >> len(_STAGES)) ** 2
    inputs = graph.channels[x] * pixels
    x = graph.node("Flatten", "flatten", [x], axis=1)
    for index, outputs in enumerate((_HIDDEN, _HIDDEN, classes)):
        name = f"fc{index}"
        weight = graph.normal(f"{name}.weight", (outputs, inputs), math.sqrt(2 / inputs))
        bias = graph.normal(f"{name}.bias", (outputs,), 0.1)
        x = graph.node("Gemm", name, [x, weight, bias], transB=1)
        if outputs != classes:
            x = graph.relu(x, f"{name}/relu")
        inputs = outputs
    return graph.finish({"output": (x, [1, classes])})
