"""SmoothQuant on float graphs: what is computed stays, and channels become even."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto
from onnx_models import model, node, random_feeds, run
from xdsl.dialects.builtin import StringAttr

from pulsar2.calibration.channels import channel_maxima
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.locations import tensor_name
from pulsar2.lowering.onnx.smooth_channels import SmoothChannelsPass
from pulsar2.lowering.quant.channels import evenness, outlier_shares
from pulsar2.lowering.quant.load_statistics import apply_channels
from pulsar2.onnx_export import export_onnx, main_function
from pulsar2.onnx_import import import_onnx

WIDTH, HEADS, TOKENS = 8, 2, 3


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def spread(count: int = WIDTH) -> np.ndarray:
    """Factors of which one is an outlier."""
    factors = np.linspace(0.5, 1.5, count).astype(np.float32)
    factors[2] = 40
    return factors


SPREAD, BIAS, SQUARE = spread(), normal(WIDTH, seed=2), normal(WIDTH, WIDTH, seed=3)
UNEVEN_COLUMNS = normal(WIDTH, WIDTH, seed=4) * SPREAD
INPUT = {"x": [1, TOKENS, WIDTH]}
LAYER_NORM = node("LayerNormalization", ["x", "g", "b"], ["n"], axis=-1)
CONSTANTS = {"g": SPREAD, "b": BIAS, "w": SQUARE, "u": UNEVEN_COLUMNS}


def shaped(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def heads() -> ModelProto:
    """The values of an attention, which reach the projection through a product and moves."""
    nodes = [
        node("MatMul", ["x", "u"], ["v"]),
        node("Add", ["v", "b"], ["vb"]),
        node("Reshape", ["vb", "split"], ["vs"]),
        node("Transpose", ["vs"], ["vt"], perm=[0, 2, 1, 3]),
        node("MatMul", ["scores", "vt"], ["c"]),
        node("Transpose", ["c"], ["ct"], perm=[0, 2, 1, 3]),
        node("Reshape", ["ct", "join"], ["cj"]),
        node("MatMul", ["cj", "w"], ["y"]),
    ]
    shapes = {
        "split": shaped(1, TOKENS, HEADS, WIDTH // HEADS),
        "join": shaped(1, TOKENS, WIDTH),
    }
    inputs = INPUT | {"scores": [1, HEADS, TOKENS, TOKENS]}
    return model(nodes, inputs, ["y"], CONSTANTS | shapes)


def convolutions() -> ModelProto:
    first = normal(WIDTH, 3, 3, 3, seed=5) * SPREAD.reshape(-1, 1, 1, 1)
    nodes = [
        node("Conv", ["x", "k", "b"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        node("Conv", ["p", "l"], ["y"]),
    ]
    constants = {"k": first, "b": BIAS, "l": normal(4, WIDTH, 2, 2, seed=6)}
    return model(nodes, {"x": [1, 3, 7, 7]}, ["y"], constants)


def gemm(**attributes: Any) -> ModelProto:
    nodes = [
        node("Gemm", ["x", "u", "b"], ["h"], **attributes),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "w"], ["y"], transB=1),
    ]
    columns = UNEVEN_COLUMNS.T.copy() if attributes.get("transB") else UNEVEN_COLUMNS
    return model(nodes, {"x": [2, WIDTH]}, ["y"], CONSTANTS | {"u": columns})


def gate() -> ModelProto:
    """A product of two tensors: one of them takes the factors."""
    nodes = [
        node("MatMul", ["x", "u"], ["a"]),
        node("Sigmoid", ["x"], ["s"]),
        node("Mul", ["s", "a"], ["m"]),
        node("MatMul", ["m", "w"], ["y"]),
    ]
    return model(nodes, INPUT, ["y"], CONSTANTS)


def normalized(reads: list[NodeProto], outputs: list[str], op: str = "") -> ModelProto:
    first = LAYER_NORM
    if op == "RMS":
        first = node("RMSNormalization", ["x", "g"], ["n"], axis=-1)
    return model([first, *reads], INPUT, outputs, CONSTANTS, opset=23)


PRODUCT = node("MatMul", ["n", "w"], ["y"])
ALSO = node("MatMul", ["n", "u"], ["z"])

CASES: dict[str, tuple[ModelProto, int, int]] = {
    # the model; smoothed tensors; operators that it has more than before
    "normalization": (normalized([PRODUCT], ["y"]), 1, 0),
    "root mean square": (normalized([PRODUCT], ["y"], "RMS"), 1, 0),
    "several readers": (normalized([PRODUCT, ALSO], ["y", "z"]), 1, 0),
    "read by others": (normalized([PRODUCT, node("Add", ["y", "n"], ["s"])], ["s"]), 1, 1),
    "attention": (heads(), 1, 0),
    "convolutions": (convolutions(), 1, 0),
    "gemm": (gemm(), 1, 0),
    "gemm transposed": (gemm(transB=1), 1, 0),
    "gate": (gate(), 1, 0),
    # Nothing can take the factors: a function of each element is between.
    "gelu": (
        model(
            [
                node("MatMul", ["x", "u"], ["h"]),
                node("Gelu", ["h"], ["g1"]),
                node("MatMul", ["g1", "w"], ["y"]),
            ],
            INPUT,
            ["y"],
            CONSTANTS,
        ),
        0,
        0,
    ),
    # The inner tensor is an output too.
    "output": (
        model(
            [node("MatMul", ["x", "u"], ["h"]), node("MatMul", ["h", "w"], ["y"])],
            INPUT,
            ["h", "y"],
            CONSTANTS,
        ),
        0,
        0,
    ),
}


def smoothed(proto: ModelProto, threshold: float = 0.3) -> tuple[ModelProto, dict[str, float]]:
    """The model with even channels, and how even the tensors are that weights multiply."""
    context = make_context()
    module = import_onnx(proto, context)
    samples = [Sample(str(i), random_feeds(proto, i)) for i in range(3)]
    found = channel_maxima(module, context, samples)
    by_name = {tensor_name(value): maxima for value, maxima in found.items()}
    apply_channels(main_function(module), by_name, context.weights)
    SmoothChannelsPass(threshold=threshold, strength=0.5).apply(context, module)
    module.verify()
    after = channel_maxima(module, context, samples)
    return export_onnx(module, context), {tensor_name(v): evenness(m) for v, m in after.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_graph_computes_the_same_with_even_channels(name: str) -> None:
    proto, count, more = CASES[name]
    made, even = smoothed(proto)
    feeds = random_feeds(proto, 9)
    for before, after in zip(run(proto, feeds), run(made, feeds), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())
    assert len(made.graph.node) == len(proto.graph.node) + more
    assert sum(n.endswith("_smooth") and e > 0.1 for n, e in even.items()) == count


def test_a_mul_where_a_tensor_is_wide_anyway() -> None:
    nodes = [
        node("MatMul", ["x", "u"], ["h"]),
        node("Gelu", ["h"], ["n"]),
        PRODUCT,
        node("Add", ["y", "n"], ["s"]),
    ]
    proto = model(nodes, INPUT, ["s"], CONSTANTS)
    context = make_context()
    for wide in (False, True):
        module = import_onnx(proto, context)
        func = main_function(module)
        apply_channels(func, {"n": SPREAD}, context.weights)
        for op in func.body.block.ops:
            if wide and isinstance(op, OnnxOp) and op.op_type == "Add":
                op.attributes["quant.data_type"] = StringAttr("U16")
        SmoothChannelsPass().apply(context, module)
        operators = [n.op_type for n in export_onnx(module, context).graph.node]
        assert operators.count("Mul") == int(wide)


def test_the_threshold_and_the_strength_decide() -> None:
    proto = CASES["normalization"][0]
    made, even = smoothed(proto, threshold=0.0)
    assert not any("_smooth" in name for n in made.graph.node for name in (*n.input, *n.output))
    assert even["n"] < 0.2
    context = make_context()
    evens: list[float] = []
    for strength in (0.0, 0.5, 1.0):
        module = import_onnx(proto, context)
        samples = [Sample("0", random_feeds(proto))]
        found = channel_maxima(module, context, samples)
        maxima = {tensor_name(v): m for v, m in found.items()}
        apply_channels(main_function(module), maxima, context.weights)
        SmoothChannelsPass(threshold=1.0, strength=strength).apply(context, module)
        evens += [evenness(m) for m in channel_maxima(module, context, samples).values()]
    assert evens[0] < 0.2 < evens[1] < evens[2]
    assert evens[2] == pytest.approx(1, rel=1e-3)


def test_shares_of_outliers() -> None:
    maxima = np.array([64, 8, 4, 2, 1, 0], np.float32)
    assert outlier_shares(maxima) == pytest.approx((4 / 6, 3 / 6, 2 / 6, 1 / 6, 1 / 6))
    assert evenness(maxima) == pytest.approx(4 / 64)
    assert evenness(np.zeros(3, np.float32)) == 1
    assert outlier_shares(np.zeros(2, np.float32)) == (0, 0, 0, 0, 1)
