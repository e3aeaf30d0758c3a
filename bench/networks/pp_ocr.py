"""A text detector of the PP-OCR kind: MobileNetV3 blocks, a feature pyramid, a head of DB."""

from __future__ import annotations

import onnx

from .blocks import concat, upsample
from .builder import GraphBuilder

_STAGES = (
    # kernel, expanded, outputs, stride, whether hard swish
    (3, 8, 8, 1, False),
    (3, 32, 16, 2, False),
    (3, 40, 16, 1, False),
    (5, 40, 24, 2, False),
    (5, 64, 24, 1, False),
    (5, 64, 24, 1, False),
    (3, 120, 40, 2, True),
    (3, 104, 40, 1, True),
    (3, 96, 40, 1, True),
    (3, 96, 40, 1, True),
    (3, 240, 56, 1, True),
    (3, 336, 56, 1, True),
    (5, 336, 80, 2, True),
    (5, 480, 80, 1, True),
    (5, 480, 80, 1, True),
)
_TAPS = (2, 5, 11, 14)
"""The blocks whose results enter the pyramid: strides 4, 8, 16 and 32."""


def _activate(graph: GraphBuilder, x: str, name: str, hard_swish: bool) -> str:
    return graph.node("HardSwish", name, [x]) if hard_swish else graph.relu(x, name)


def _block(
    graph: GraphBuilder,
    x: str,
    name: str,
    kernel: int,
    expanded: int,
    outputs: int,
    stride: int,
    swish: bool,
) -> str:
    y = _activate(graph, graph.conv(x, f"{name}/expand", expanded), f"{name}/act1", swish)
    y = graph.conv(y, f"{name}/depthwise", expanded, kernel, stride, group=expanded)
    y = graph.conv(_activate(graph, y, f"{name}/act2", swish), f"{name}/project", outputs, gain=0.5)
    if stride == 1 and graph.channels[x] == outputs:
        y = graph.node("Add", f"{name}/add", [x, y])
    return y


def _enlarge(graph: GraphBuilder, x: str, name: str, outputs: int) -> str:
    """Transposed convolution that doubles height and width."""
    inputs = graph.channels[x]
    weight = graph.normal(f"{name}.weight", (inputs, outputs, 2, 2), (2 / inputs) ** 0.5)
    bias = graph.normal(f"{name}.bias", (outputs,), 0.1)
    y = graph.node("ConvTranspose", name, [x, weight, bias], kernel_shape=[2, 2], strides=[2, 2])
    graph.channels[y] = outputs
    return y


def pp_ocr_det(size: int = 640, width: int = 96, *, seed: int = 0) -> onnx.ModelProto:
    """``x`` f32 [1, 3, size, size] to the text map ``maps`` f32 [1, 1, size, size]."""
    graph = GraphBuilder("pp_ocr_det", seed)
    x = graph.input("x", [1, 3, size, size])
    x = graph.node("HardSwish", "stem/act", [graph.conv(x, "stem", 8, 3, 2)])
    taps: list[str] = []
    for index, (kernel, expanded, outputs, stride, swish) in enumerate(_STAGES):
        x = _block(graph, x, f"blocks.{index}", kernel, expanded, outputs, stride, swish)
        if index in _TAPS:
            taps.append(x)
    pyramid = [graph.conv(taps[-1], "neck.3/in", width)]
    for level in (2, 1, 0):
        lateral = graph.conv(taps[level], f"neck.{level}/in", width)
        above = upsample(graph, pyramid[0], f"neck.{level}/up")
        pyramid.insert(0, graph.node("Add", f"neck.{level}/add", [lateral, above]))
    levels = [graph.conv(y, f"neck.{i}/out", width // 4, 3) for i, y in enumerate(pyramid)]
    fused = [upsample(graph, y, f"neck.{i}/join", 1 << i) if i else y for i, y in enumerate(levels)]
    y = concat(graph, "neck/concat", fused)
    y = graph.relu(graph.conv(y, "head.conv", width // 4, 3), "head.relu")
    y = graph.relu(_enlarge(graph, y, "head.up1", width // 4), "head.relu1")
    y = graph.node("Sigmoid", "head.sigmoid", [_enlarge(graph, y, "head.up2", 1)])
    return graph.finish({"maps": (y, [1, 1, size, size])})
