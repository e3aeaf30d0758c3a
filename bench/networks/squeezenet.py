"""SqueezeNet 1.1 (Iandola et al., 2016)."""

from __future__ import annotations

import onnx

from .builder import GraphBuilder

_POOL_BEFORE = {0, 2, 4}
_SQUEEZES = (16, 16, 32, 32, 48, 48, 64, 64)


def squeezenet1_1(size: int = 224, classes: int = 1000, *, seed: int = 0) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("squeezenet1_1", seed)
    x = graph.input("input", [1, 3, size, size])
    x = graph.relu(graph.conv(x, "stem", 64, 3, 2), "stem/relu")
    for index, squeeze in enumerate(_SQUEEZES):
        name = f"fire{index}"
        if index in _POOL_BEFORE:
            x = graph.node("MaxPool", f"{name}/pool", [x], kernel_shape=[3, 3], strides=[2, 2])
        x = graph.relu(graph.conv(x, f"{name}/squeeze", squeeze), f"{name}/squeeze/relu")
        branches = [
            graph.relu(graph.conv(x, f"{name}/expand{kernel}", squeeze * 4, kernel), relu)
            for kernel, relu in ((1, f"{name}/expand1/relu"), (3, f"{name}/expand3/relu"))
        ]
        x = graph.node("Concat", f"{name}/concat", branches, axis=1)
        graph.channels[x] = squeeze * 8
    x = graph.relu(graph.conv(x, "classifier", classes), "classifier/relu")
    x = graph.node("GlobalAveragePool", "pool", [x])
    x = graph.node("Flatten", "flatten", [x], axis=1)
    return graph.finish({"output": (x, [1, classes])})
