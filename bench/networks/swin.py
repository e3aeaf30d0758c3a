"""Swin-T (Liu et al., 2021): attention within windows, shifted in every other block."""

from __future__ import annotations

import math

import numpy as np
import onnx

from .blocks import layer_norm, mlp
from .builder import GraphBuilder


def _reshape(graph: GraphBuilder, x: str, name: str, shape: list[int]) -> str:
    return graph.node("Reshape", name, [x, graph.constant(f"{name}/shape", np.array(shape))])


def _roll(graph: GraphBuilder, x: str, name: str, axis: int, begin: int, size: int) -> str:
    """The tensor turned around along `axis`, so that index `begin` comes first."""

    def part(role: str, first: int, last: int) -> str:
        ends = [
            graph.constant(f"{name}/{role}/{key}", np.array([value]))
            for key, value in (("begin", first), ("end", last), ("axis", axis))
        ]
        return graph.node("Slice", f"{name}/{role}", [x, *ends])

    return graph.node(
        "Concat", name, [part("tail", begin, size), part("head", 0, begin)], axis=axis
    )


def _attention(
    graph: GraphBuilder, x: str, name: str, side: int, width: int, heads: int, window: int
) -> str:
    """Self-attention over the windows of `x` [1, side, side, width]."""
    across, tokens, per_head = side // window, window * window, width // heads
    x = _reshape(graph, x, f"{name}/cut", [across, window, across, window, width])
    x = graph.node("Transpose", f"{name}/windows", [x], perm=[0, 2, 1, 3, 4])
    count = across * across
    x = _reshape(graph, x, f"{name}/tokens", [count, tokens, width])

    def project(role: str, permutation: list[int]) -> str:
        y = graph.dense(x, f"{name}/{role}", width, width)
        y = _reshape(graph, y, f"{name}/{role}/split", [count, tokens, heads, per_head])
        return graph.node("Transpose", f"{name}/{role}/heads", [y], perm=permutation)

    query, key = project("q", [0, 2, 1, 3]), project("k", [0, 2, 3, 1])
    value = project("v", [0, 2, 1, 3])
    scores = graph.node("MatMul", f"{name}/scores", [query, key])
    scores = graph.node("Mul", f"{name}/scale", [scores, graph.scalar(1 / math.sqrt(per_head))])
    bias = graph.normal(f"{name}/position", (1, heads, tokens, tokens), 0.5)
    scores = graph.node("Add", f"{name}/bias", [scores, bias])
    weights = graph.node("Softmax", f"{name}/softmax", [scores], axis=-1)
    y = graph.node("MatMul", f"{name}/context", [weights, value])
    y = graph.node("Transpose", f"{name}/join", [y], perm=[0, 2, 1, 3])
    y = _reshape(graph, y, f"{name}/merge", [count, tokens, width])
    y = graph.dense(y, f"{name}/out", width, width)
    y = _reshape(graph, y, f"{name}/uncut", [across, across, window, window, width])
    y = graph.node("Transpose", f"{name}/unwindows", [y], perm=[0, 2, 1, 3, 4])
    return _reshape(graph, y, f"{name}/map", [1, side, side, width])


def _merge(graph: GraphBuilder, x: str, name: str, side: int, width: int) -> str:
    """Patch merging: each square of four becomes one, of twice the width."""
    half = side // 2
    x = _reshape(graph, x, f"{name}/cut", [half, 2, half, 2, width])
    x = graph.node("Transpose", f"{name}/gather", [x], perm=[0, 2, 3, 1, 4])
    x = _reshape(graph, x, f"{name}/join", [1, half, half, 4 * width])
    x = layer_norm(graph, x, f"{name}/norm", 4 * width)
    return graph.dense(x, f"{name}/reduce", 4 * width, 2 * width)


def swin_tiny(
    size: int = 224,
    width: int = 96,
    depths: tuple[int, ...] = (2, 2, 6, 2),
    heads: int = 3,
    window: int = 7,
    classes: int = 1000,
    *,
    seed: int = 0,
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("swin_tiny", seed)
    x = graph.input("input", [1, 3, size, size])
    weight = graph.normal("patch.weight", (width, 3, 4, 4), 1 / math.sqrt(48))
    bias = graph.normal("patch.bias", (width,), 0.1)
    x = graph.node("Conv", "patch", [x, weight, bias], kernel_shape=[4, 4], strides=[4, 4])
    x = graph.node("Transpose", "patch/transpose", [x], perm=[0, 2, 3, 1])
    x = layer_norm(graph, x, "patch/norm", width)
    side, shift = size // 4, window // 2
    for stage, depth in enumerate(depths):
        if stage:
            x = _merge(graph, x, f"merge.{stage}", side, width)
            side, width, heads = side // 2, width * 2, heads * 2
        for block in range(depth):
            name = f"layers.{stage}.{block}"
            shifted = block % 2 == 1 and side > window
            y = layer_norm(graph, x, f"{name}/norm1", width)
            for axis in (1, 2) if shifted else ():
                y = _roll(graph, y, f"{name}/shift{axis}", axis, shift, side)
            y = _attention(graph, y, f"{name}/attn", side, width, heads, window)
            for axis in (1, 2) if shifted else ():
                y = _roll(graph, y, f"{name}/unshift{axis}", axis, side - shift, side)
            x = graph.node("Add", f"{name}/add1", [x, y])
            y = layer_norm(graph, x, f"{name}/norm2", width)
            x = graph.node("Add", f"{name}/add2", [x, mlp(graph, y, name, width)])
    x = layer_norm(graph, x, "norm", width)
    x = graph.node("ReduceMean", "pool", [x], axes=[1, 2], keepdims=0)
    head = graph.normal("head.weight", (classes, width), 1 / math.sqrt(width))
    x = graph.node("Gemm", "head", [x, head, graph.normal("head.bias", (classes,), 0.1)], transB=1)
    return graph.finish({"output": (x, [1, classes])})
