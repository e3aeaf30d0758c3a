"""Pieces that several networks share."""

from __future__ import annotations

import math

import numpy as np

from .builder import GraphBuilder


def concat(graph: GraphBuilder, name: str, tensors: list[str]) -> str:
    """Joins feature maps along their channels."""
    y = graph.node("Concat", name, tensors, axis=1)
    graph.channels[y] = sum(graph.channels[tensor] for tensor in tensors)
    return y


def upsample(graph: GraphBuilder, x: str, name: str, factor: int = 2) -> str:
    """Nearest-neighbour enlargement of a feature map."""
    scales = np.array([1, 1, factor, factor], np.float32)
    return graph.node(
        "Resize",
        name,
        [x, "", graph.constant(f"{name}/scales", scales)],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def conv_silu(
    graph: GraphBuilder, x: str, name: str, outputs: int, kernel: int = 1, stride: int = 1
) -> str:
    """The convolution of the YOLO networks, with SiLU behind it."""
    return graph.silu(graph.conv(x, name, outputs, kernel, stride), f"{name}/act")


def pyramid_pooling(graph: GraphBuilder, x: str, name: str) -> str:
    """SPPF: three max poolings one after the other, all of them kept."""
    channels = graph.channels[x]
    levels = [conv_silu(graph, x, f"{name}/cv1", channels // 2)]
    for index in range(3):
        pooled = graph.node(
            "MaxPool",
            f"{name}/pool{index}",
            [levels[-1]],
            kernel_shape=[5, 5],
            pads=[2, 2, 2, 2],
            strides=[1, 1],
        )
        levels.append(pooled)
    return conv_silu(graph, concat(graph, f"{name}/concat", levels), f"{name}/cv2", channels)


def layer_norm(graph: GraphBuilder, x: str, name: str, width: int) -> str:
    """LayerNormalization over the last axis."""
    scale = graph.constant(f"{name}.weight", np.ones(width, np.float32))
    bias = graph.normal(f"{name}.bias", (width,), 0.1)
    return graph.node("LayerNormalization", name, [x, scale, bias], axis=-1, epsilon=1e-6)


def gelu(graph: GraphBuilder, x: str, name: str) -> str:
    """The exact GELU, as exporters write it out."""
    y = graph.node("Div", f"{name}/div", [x, graph.scalar(math.sqrt(2.0))])
    y = graph.node("Erf", f"{name}/erf", [y])
    y = graph.node("Add", f"{name}/add", [y, graph.scalar(1.0)])
    y = graph.node("Mul", f"{name}/mul", [x, y])
    return graph.node("Mul", f"{name}/half", [y, graph.scalar(0.5)])


def mlp(graph: GraphBuilder, x: str, name: str, width: int) -> str:
    """The two dense layers of a transformer block, GELU between them."""
    y = graph.dense(x, f"{name}/fc1", width, width * 4)
    return graph.dense(gelu(graph, y, f"{name}/gelu"), f"{name}/fc2", width * 4, width)
