"""Comparing a float model with what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh
import pytest
from onnx import TensorProto
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.driver import float_check
from pulsar2.driver.float_check import (
    FloatModel,
    TransformationError,
    check_model,
    check_transformations,
    difference,
)
from pulsar2.onnx_import import import_onnx

FEEDS = {"x": np.linspace(-1, 1, 8, dtype=np.float32)}


def model(alpha: float) -> onnx.ModelProto:
    graph = oh.make_graph(
        [
            oh.make_node("Identity", ["x"], ["i"], "identity"),
            oh.make_node("LeakyRelu", ["i"], ["y"], "leaky", alpha=alpha),
        ],
        "checked",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, [8])],
        [oh.make_tensor_value_info("y", TensorProto.FLOAT, [8])],
    )
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=9)


def imported(alpha: float, ctx: AxContext) -> ModuleOp:
    return import_onnx(model(alpha), ctx)


def test_difference() -> None:
    a = np.array([1.0, 2.0, np.inf], np.float32)
    assert difference(a, a) == ""
    assert difference(a * np.float32(1 + 1e-5), a) == ""
    assert "relative error" in difference(a * np.float32(1.01), a)
    assert difference(np.array([1.0, np.nan, np.inf], np.float32), a) != ""
    assert difference(a[:2], a) == "float32[2] instead of float32[3]"
    tiny = np.full(4, 1e-8, np.float32)
    assert difference(2 * tiny, tiny) == "", "probabilities of nearly 0 are not that exact"
    assert "relative error" in difference(2 * tiny + np.float32(1e-6), tiny)
    assert difference(np.array([1, 2]), np.array([1, 3])) == "1 of 2 elements differ"


def test_a_right_pipeline_passes() -> None:
    ctx = make_context()
    before = imported(0.25, ctx)
    check_transformations(before, before.clone(), ctx, "onnx-eliminate-identity", FEEDS)


def test_the_pass_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = make_context()
    real = float_check.run_passes

    def run_passes(ctx: AxContext, module: ModuleOp, passes: list[object]) -> None:
        real(ctx, module, passes)  # type: ignore[arg-type]
        if passes[0].name == "onnx-eliminate-dead":  # type: ignore[attr-defined]
            for op in module.walk():
                if isinstance(op, OnnxOp) and op.op_type == "LeakyRelu":
                    op.attributes["alpha"] = type(op.attributes["alpha"])(0.5, 32)  # type: ignore

    monkeypatch.setattr(float_check, "run_passes", run_passes)
    pipeline = "onnx-eliminate-identity,onnx-eliminate-dead,onnx-fold-pad"
    with pytest.raises(TransformationError, match="pass 'onnx-eliminate-dead' changes the output"):
        check_transformations(imported(0.25, ctx), imported(0.5, ctx), ctx, pipeline, FEEDS)


def test_model_check_names_output_and_sample(tmp_path: Path) -> None:
    ctx = make_context()
    onnx.save(model(0.25), tmp_path / "m.onnx")
    original = FloatModel(tmp_path / "m.onnx")
    check_model(original, imported(0.25, ctx), ctx, [("one", FEEDS)])
    with pytest.raises(UserError) as caught:
        check_model(original, imported(0.5, ctx), ctx, [("one", FEEDS), ("two", FEEDS)])
    assert [d.where for d in caught.value.diagnostics] == ["sample 'one'", "sample 'two'"]
    assert "output 'y': relative error" in caught.value.diagnostics[0].message
