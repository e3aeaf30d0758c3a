"""A detector of the YOLOv8n kind: C2f blocks, no anchors, boxes and classes from separate heads."""

from __future__ import annotations

import numpy as np
import onnx

from .blocks import concat, conv_silu, pyramid_pooling, upsample
from .builder import GraphBuilder

_STRIDES = (8, 16, 32)
_BINS = 16


def _c2f(graph: GraphBuilder, x: str, name: str, outputs: int, depth: int, residual: bool) -> str:
    """Half of the channels pass through bottlenecks, every step of which is kept."""
    half = outputs // 2
    y = conv_silu(graph, x, f"{name}/cv1", outputs)
    sizes = graph.constant(f"{name}/sizes", np.array([half, half], np.int64))
    parts = graph.split(y, f"{name}/split", sizes, [half, half])
    for index in range(depth):
        z = conv_silu(graph, parts[-1], f"{name}/m.{index}/cv1", half, 3)
        z = conv_silu(graph, z, f"{name}/m.{index}/cv2", half, 3)
        joined = graph.node("Add", f"{name}/m.{index}/add", [parts[-1], z]) if residual else z
        parts.append(joined)
    return conv_silu(graph, concat(graph, f"{name}/concat", parts), f"{name}/cv2", outputs)


def _head(graph: GraphBuilder, x: str, name: str, width: int, outputs: int) -> str:
    y = conv_silu(graph, x, f"{name}.0", width, 3)
    y = conv_silu(graph, y, f"{name}.1", width, 3)
    return graph.conv(y, f"{name}.2", outputs)


def yolov8n(
    size: int = 640, width: int = 16, depth: int = 1, classes: int = 80, *, seed: int = 0
) -> onnx.ModelProto:
    """``images`` f32 [1, 3, size, size] to raw maps ``stride8``, ``stride16``, ``stride32``."""
    graph = GraphBuilder("yolov8n", seed)
    x = graph.input("images", [1, 3, size, size])
    x = conv_silu(graph, x, "model.0", width, 3, 2)
    features: list[str] = []
    for stage, blocks in enumerate((depth, depth * 2, depth * 2, depth)):
        outputs = width * 2 << stage
        x = conv_silu(graph, x, f"backbone.{stage}/down", outputs, 3, 2)
        x = _c2f(graph, x, f"backbone.{stage}/c2f", outputs, blocks, residual=True)
        features.append(x)
    c3, c4, c5 = features[1], features[2], pyramid_pooling(graph, x, "sppf")

    merged = concat(graph, "neck.p4/concat", [upsample(graph, c5, "neck.p4/up"), c4])
    p4 = _c2f(graph, merged, "neck.p4/c2f", width * 8, depth, False)
    merged = concat(graph, "neck.p3/concat", [upsample(graph, p4, "neck.p3/up"), c3])
    n3 = _c2f(graph, merged, "neck.n3/c2f", width * 4, depth, False)
    merged = concat(graph, "neck.n4/concat", [conv_silu(graph, n3, "neck.n3", width * 4, 3, 2), p4])
    n4 = _c2f(graph, merged, "neck.n4/c2f", width * 8, depth, False)
    merged = concat(graph, "neck.n5/concat", [conv_silu(graph, n4, "neck.n4", width * 8, 3, 2), c5])
    n5 = _c2f(graph, merged, "neck.n5/c2f", width * 16, depth, False)

    outputs: dict[str, tuple[str, list[int]]] = {}
    channels = 4 * _BINS + classes
    for stride, feature in zip(_STRIDES, (n3, n4, n5), strict=True):
        boxes = _head(graph, feature, f"head.{stride}/box", max(width, 4 * _BINS), 4 * _BINS)
        scores = _head(graph, feature, f"head.{stride}/class", max(width * 4, classes), classes)
        side = size // stride
        joined = concat(graph, f"head.{stride}/concat", [boxes, scores])
        outputs[f"stride{stride}"] = (joined, [1, channels, side, side])
    return graph.finish(outputs)
