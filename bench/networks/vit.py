"""ViT-Ti/16 (Dosovitskiy et al., 2020; the sizes of DeiT-tiny)."""

from __future__ import annotations

import math

import numpy as np
import onnx

from .blocks import layer_norm, mlp
from .builder import GraphBuilder


def _attention(graph: GraphBuilder, x: str, name: str, width: int, heads: int, tokens: int) -> str:
    per_head = width // heads
    split = graph.constant(f"{name}/split", np.array([1, tokens, heads, per_head], np.int64))
    merge = graph.constant(f"{name}/merge", np.array([1, tokens, width], np.int64))

    def project(role: str, permutation: list[int]) -> str:
        y = graph.dense(x, f"{name}/{role}", width, width)
        y = graph.node("Reshape", f"{name}/{role}/reshape", [y, split])
        return graph.node("Transpose", f"{name}/{role}/transpose", [y], perm=permutation)

    query, key, value = (
        project("q", [0, 2, 1, 3]),
        project("k", [0, 2, 3, 1]),
        project("v", [0, 2, 1, 3]),
    )
    scores = graph.node("MatMul", f"{name}/scores", [query, key])
    scores = graph.node("Mul", f"{name}/scale", [scores, graph.scalar(1 / math.sqrt(per_head))])
    weights = graph.node("Softmax", f"{name}/softmax", [scores], axis=-1)
    y = graph.node("MatMul", f"{name}/context", [weights, value])
    y = graph.node("Transpose", f"{name}/transpose", [y], perm=[0, 2, 1, 3])
    y = graph.node("Reshape", f"{name}/reshape", [y, merge])
    return graph.dense(y, f"{name}/out", width, width)


def vit_tiny(
    size: int = 224,
    width: int = 192,
    depth: int = 12,
    heads: int = 3,
    patch: int = 16,
    classes: int = 1000,
    *,
    seed: int = 0,
) -> onnx.ModelProto:
    """``input`` f32 [1, 3, size, size] to ``output`` f32 [1, classes]."""
    graph = GraphBuilder("vit_tiny", seed)
    patches = (size // patch) ** 2
    tokens = patches + 1
    x = graph.input("input", [1, 3, size, size])
    weight = graph.normal("patch.weight", (width, 3, patch, patch), 1 / math.sqrt(3 * patch**2))
    bias = graph.normal("patch.bias", (width,), 0.1)
    x = graph.node(
        "Conv", "patch", [x, weight, bias], kernel_shape=[patch, patch], strides=[patch, patch]
    )
    flat = graph.constant("patch/shape", np.array([1, width, patches], np.int64))
    x = graph.node("Reshape", "patch/reshape", [x, flat])
    x = graph.node("Transpose", "patch/transpose", [x], perm=[0, 2, 1])
    class_token = graph.normal("class_token", (1, 1, width), 1.0)
    x = graph.node("Concat", "tokens", [class_token, x], axis=1)
    x = graph.node("Add", "position", [x, graph.normal("positions", (1, tokens, width), 0.5)])
    for index in range(depth):
        name = f"blocks.{index}"
        y = layer_norm(graph, x, f"{name}/norm1", width)
        y = _attention(graph, y, f"{name}/attn", width, heads, tokens)
        x = graph.node("Add", f"{name}/add1", [x, y])
        y = layer_norm(graph, x, f"{name}/norm2", width)
        x = graph.node("Add", f"{name}/add2", [x, mlp(graph, y, name, width)])
    x = layer_norm(graph, x, "norm", width)
    x = graph.node("Gather", "class", [x, graph.constant("class_index", np.array(0))], axis=1)
    head = graph.normal("head.weight", (classes, width), 1 / math.sqrt(width))
    x = graph.node("Gemm", "head", [x, head, graph.normal("head.bias", (classes,), 0.1)], transB=1)
    return graph.finish({"output": (x, [1, classes])})
