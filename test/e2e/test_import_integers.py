"""Integers of a quantized model that others than dequantizations read are those that ONNX says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from cases import run
from onnx import TensorProto, helper, numpy_helper
from road import evaluate_reference

from pulsar2.runtime import InferenceSession

CONSTANTS = {
    "s": np.float32(0.03),
    "s2": np.float32(0.011),
    "z": np.uint8(120),
    "s4": np.float32(0.3),
    "z4": np.zeros((), ml_dtypes.int4),
    "k": np.uint8(140),
    "one": np.uint8(1),
    "pads": np.array([0, 0, 0, 1, 0, 0, 0, 1]),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "twice": np.array([1, 1, 2, 1]),
}
SHAPE = [1, 2, 4, 4]
Node = tuple[Any, ...]


def node(op_type: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, names[:-1], names[-1:], f"to_{names[-1]}", **attributes)


BEFORE = [node("Relu", "x", "r"), node("QuantizeLinear", "r", "s", "z", "u")]
NEAREST = {
    "mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric",
}  # fmt: skip
CASES: dict[str, list[onnx.NodeProto]] = {
    "a Cast": [node("Cast", "u", "y", to=1)],
    "shifted on the CPU": [
        node("BitShift", "u", "one", "v", direction="RIGHT"),
        node("DequantizeLinear", "v", "s", "z", "y"),
    ],
    "dequantized and cast": [
        node("DequantizeLinear", "u", "s", "z", "d"),
        node("Cast", "u", "c", to=1),
        node("Add", "c", "d", "y"),
    ],
    "compared": [node("Greater", "u", "k", "g"), node("Cast", "g", "y", to=1)],
    "dequantized by another scale": [
        node("DequantizeLinear", "u", "s", "z", "d"),
        node("DequantizeLinear", "u", "s2", "z", "e"),
        node("Add", "e", "d", "y"),
    ],
    "resized": [
        node("Resize", "u", "", "scales", "v", **NEAREST),
        node("DequantizeLinear", "v", "s", "z", "y"),
    ],
    "padded by 0": [
        node("Pad", "u", "pads", "v"), node("DequantizeLinear", "v", "s", "z", "y"),
    ],
    "padded by the zero point": [
        node("Pad", "u", "pads", "z", "v"), node("DequantizeLinear", "v", "s", "z", "y"),
    ],
    "repeated": [node("Tile", "u", "twice", "v"), node("DequantizeLinear", "v", "s", "z", "y")],
    "of 4 bits": [
        node("QuantizeLinear", "r", "s4", "z4", "w"),
        node("Cast", "w", "i", to=TensorProto.INT32),
        node("Cast", "i", "y", to=1),
    ],
}  # fmt: skip


def build(folder: Path, nodes: list[onnx.NodeProto], kind: int) -> onnx.ModelProto:
    used = {name for n in nodes for name in n.input}
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", kind, SHAPE)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in CONSTANTS.items() if k in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / "m.onnx")
    (folder / "c.json").write_text(json.dumps({"model_type": "QuantONNX"}))
    words = ("--input", folder / "m.onnx", "--config", folder / "c.json")
    outcome = run("build", *words, "--output_dir", folder / "out")
    assert outcome.code == 0, outcome.err
    return model


def check(folder: Path, model: onnx.ModelProto, feed: dict[str, Any]) -> None:
    (got,) = InferenceSession(str(folder / "out" / "compiled.axmodel")).run(None, feed)
    expected = evaluate_reference(model, feed)["y"]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_integers_of_a_quantization(case: str, tmp_path: Path) -> None:
    nodes = [*BEFORE, *CASES[case]]
    if case == "of 4 bits":
        del nodes[1]
    model = build(tmp_path, nodes, TensorProto.FLOAT)
    check(tmp_path, model, {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)})


@pytest.mark.parametrize("case", ["a Cast", "dequantized and cast", "dequantized by another scale"])
def test_integers_that_are_given(case: str, tmp_path: Path) -> None:
    nodes = [node("Identity", "x", "u"), *CASES[case]]
    model = build(tmp_path, nodes, TensorProto.UINT8)
    check(tmp_path, model, {"x": np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)})
