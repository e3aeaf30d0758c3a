"""EfficientNet-Lite0 (the one without squeeze-and-excitation, ReLU6 for swish)."""

from __future__ import annotations

import onnx

from .builder import GraphBuilder

_STAGES = (
    # expansion, channels, blocks, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_BRANCH_GAIN = 0.3


def _block(
    graph: GraphBuilder, x: str, name: str, expansion: int, outputs: int, stride: int, kernel: int
) -> str:
    inputs = graph.channels[x]
    y = x
    if expansion != 1:
        y = graph.relu6(graph.conv(y, f"{name}/expand", inputs * expansion), f"{name}/relu1")
    width = graph.channels[y]
    y = graph.conv(y, f"{name}/depthwise", width, kernel, stride, group=width)
    y = graph.relu6(y, f"{name}/relu2")
    joins = stride == 1 and inputs == outputs
    y = graph.conv(y, f"{name}/project", outputs, gain=_BRANCH_GAIN if joins else 1.0)
    return graph.node("Add", f"{name}/add", [x, y]) if joins else y


def efficientnet_lite0(
    size: int = 224, classes: int = 1000, *, batch_norm: bool = False, seed: int = 0
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("efficientnet_lite0", seed, batch_norm=batch_norm)
    x = graph.input("input", [1, 3, size, size])
    x = graph.relu6(graph.conv(x, "stem", 32, 3, 2), "stem/relu")
    for stage, (expansion, channels, blocks, stride, kernel) in enumerate(_STAGES):
        for repeat in range(blocks):
            name = f"blocks.{stage}.{repeat}"
            first = stride if repeat == 0 else 1
            x = _block(graph, x, name, expansion, channels, first, kernel)
    x = graph.relu6(graph.conv(x, "head", 1280), "head/relu")
    return graph.finish({"output": (graph.classifier(x, classes), [1, classes])})
