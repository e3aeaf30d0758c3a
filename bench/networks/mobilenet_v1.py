"""MobileNetV1 (Howard et al., 2017)."""

from __future__ import annotations

import onnx

from .builder import GraphBuilder

# (channels, stride of the depthwise convolution)
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(size: int = 224, classes: int = 1000, *, seed: int = 0) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("mobilenet_v1", seed)
    x = graph.input("input", [1, 3, size, size])
    x = graph.relu(graph.conv(x, "stem", 32, 3, 2), "stem/relu")
    for index, (outputs, stride) in enumerate(_BLOCKS):
        name, inputs = f"block{index}", graph.channels[x]
        x = graph.conv(x, f"{name}/depthwise", inputs, 3, stride, group=inputs)
        x = graph.relu(x, f"{name}/depthwise/relu")
        x = graph.relu(graph.conv(x, f"{name}/pointwise", outputs), f"{name}/relu")
    return graph.finish({"output": (graph.classifier(x, classes), [1, classes])})
