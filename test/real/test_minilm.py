"""MiniLM, where torch is installed: exported, imported, optimized, verified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pulsar2.context import make_context
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

pytest.importorskip("torch")


def test_minilm_becomes_operators_of_a_transformer(tmp_path: Path) -> None:
    from minilm import export, sample

    export(tmp_path / "minilm.onnx")
    context = make_context()
    module = import_onnx(tmp_path / "minilm.onnx", context)
    run_passes(context, module, parse_passes("optimize"))
    original = FloatModel(tmp_path / "minilm.onnx")
    after = FloatModel.of(module, context)
    for number in range(3):
        feeds = sample(number)
        assert difference(after.run(feeds)["sentence"], original.run(feeds)["sentence"]) == ""
    found = Counter(op.op_type for op in module.walk() if isinstance(op, OnnxOp))
    del found["Constant"]
    layers = 6
    assert found["LayerNormalization"] == 1 + 2 * layers
    assert found["Gelu"] == found["Softmax"] == layers
    assert found["MatMul"] + found["Gemm"] == 8 * layers
    assert not {"Shape", "Erf", "Sqrt", "Pow", "Identity", "ConstantOfShape", "Where"} & set(found)
    assert found["Mul"] + found["Div"] == 3  # the mask, and the mean of tokens
