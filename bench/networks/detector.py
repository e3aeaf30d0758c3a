"""A one-stage detector of the YOLOv5 kind: CSP backbone, SPPF, top-down and bottom-up necks."""

from __future__ import annotations

import onnx

from .blocks import concat, conv_silu, pyramid_pooling, upsample
from .builder import GraphBuilder

_STRIDES = (8, 16, 32)


def _csp(graph: GraphBuilder, x: str, name: str, outputs: int, depth: int, residual: bool) -> str:
    """Cross-stage block: a branch of bottlenecks beside a plain one, then joined."""
    half = outputs // 2
    y = conv_silu(graph, x, f"{name}/cv1", half)
    for index in range(depth):
        z = conv_silu(graph, y, f"{name}/m.{index}/cv1", half)
        z = conv_silu(graph, z, f"{name}/m.{index}/cv2", half, 3)
        y = graph.node("Add", f"{name}/m.{index}/add", [y, z]) if residual else z
    joined = concat(graph, f"{name}/concat", [y, conv_silu(graph, x, f"{name}/cv2", half)])
    return conv_silu(graph, joined, f"{name}/cv3", outputs)


def detector(
    size: int = 640, width: int = 32, depth: int = 1, classes: int = 80, *, seed: int = 0
) -> onnx.ModelProto:
    """``images`` f32 [1, 3, size, size] to raw maps ``stride8``, ``stride16``, ``stride32``."""
    graph = GraphBuilder("detector", seed)
    x = graph.input("images", [1, 3, size, size])
    x = conv_silu(graph, x, "stem", width, 5, 2)
    features: list[str] = []
    for stage, blocks in enumerate((depth, depth * 2, depth * 3, depth)):
        outputs = width * 2 << stage
        x = conv_silu(graph, x, f"backbone.{stage}/down", outputs, 3, 2)
        x = _csp(graph, x, f"backbone.{stage}/csp", outputs, blocks, residual=True)
        features.append(x)
    c3, c4, c5 = features[1], features[2], pyramid_pooling(graph, x, "sppf")

    p5 = conv_silu(graph, c5, "neck.p5", width * 8)
    merged = concat(graph, "neck.p4/concat", [upsample(graph, p5, "neck.p4/up"), c4])
    p4 = conv_silu(
        graph, _csp(graph, merged, "neck.p4/csp", width * 8, depth, False), "neck.p4", width * 4
    )
    merged = concat(graph, "neck.p3/concat", [upsample(graph, p4, "neck.p3/up"), c3])
    n3 = _csp(graph, merged, "neck.n3/csp", width * 4, depth, False)
    merged = concat(graph, "neck.n4/concat", [conv_silu(graph, n3, "neck.n3", width * 4, 3, 2), p4])
    n4 = _csp(graph, merged, "neck.n4/csp", width * 8, depth, False)
    merged = concat(graph, "neck.n5/concat", [conv_silu(graph, n4, "neck.n4", width * 8, 3, 2), p5])
    n5 = _csp(graph, merged, "neck.n5/csp", width * 16, depth, False)

    channels = 3 * (classes + 5)
    outputs: dict[str, tuple[str, list[int]]] = {}
    for stride, feature in zip(_STRIDES, (n3, n4, n5), strict=True):
        head = graph.conv(feature, f"head.{stride}", channels)
        side = size // stride
        outputs[f"stride{stride}"] = (head, [1, channels, side, side])
    return graph.finish(outputs)
