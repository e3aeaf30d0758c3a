"""Changing a model's attributes and constants before import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.frontend.patch import ModelPatch
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx


def model() -> onnx.ModelProto:
    nodes = [
        oh.make_node("LeakyRelu", ["x"], ["l"], "leaky", alpha=0.5),
        oh.make_node(
            "Constant", [], ["scale"], "c",
            value=oh.make_tensor("", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0]),
        ),
        oh.make_node("Mul", ["l", "scale"], ["m"], "mul"),
        oh.make_node("Reshape", ["m", "shape"], ["r"], "reshape"),
        oh.make_node("Transpose", ["r"], ["y"], "transpose", perm=[1, 0]),
    ]  # fmt: skip
    graph = oh.make_graph(
        nodes,
        "patched",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [oh.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])],
        [numpy_helper.from_array(np.array([4, 2]), "shape")],
    )
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=9)


def run(patch: ModelPatch) -> Any:
    context = make_context()
    module = import_onnx(model(), context, patch=patch)
    x = np.arange(-4, 4, dtype=np.float32).reshape(2, 4)
    return x, ReferenceEvaluator(export_onnx(module, context)).run(None, {"x": x})[0]


def test_attributes_and_constants(tmp_path: Path) -> None:
    np.save(tmp_path / "scale.npy", np.full((2, 1), 3.0))
    (tmp_path / "shape.txt").write_text("2, 2\n2")
    patch = ModelPatch(
        {"leaky": {"alpha": 2}, "transpose": {"perm": [2, 0, 1]}},
        {"scale": tmp_path / "scale.npy", "shape": tmp_path / "shape.txt"},
    )
    x, got = run(patch)
    expected = (np.where(x < 0, 2 * x, x) * 3).reshape(2, 2, 2).transpose(2, 0, 1)
    np.testing.assert_array_equal(got, expected)


def test_the_given_model_stays_as_it_is() -> None:
    proto = model()
    before = proto.SerializeToString()
    import_onnx(proto, make_context(), patch=ModelPatch({"leaky": {"alpha": 0.25}}))
    assert proto.SerializeToString() == before


def test_raw_bytes_and_fewer_numbers(tmp_path: Path) -> None:
    np.array([1, 8]).tofile(tmp_path / "shape.bin")
    x, got = run(ModelPatch({}, {"shape": tmp_path / "shape.bin", "scale": [10]}))
    expected = (np.where(x < 0, 0.5 * x, x) * 10).reshape(1, 8).T
    np.testing.assert_array_equal(got, expected)


def test_everything_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    patch = ModelPatch(
        {
            "leak": {"alpha": 1},
            "leaky": {"alpa": 1, "alpha": "much"},
            "transpose": {"perm": [0, 1.5]},
        },
        {
            "shap": [1],
            "shape": [0.5, 2],
            "scale": tmp_path / "none.npy",
        },
    )
    with pytest.raises(UserError) as caught:
        run(patch)
    assert [str(d) for d in caught.value.diagnostics] == [
        "op_processors: the model has no operator 'leak' (did you mean 'leaky'?)",
        "op_processors: operator 'leaky' (LeakyRelu): it has no attribute 'alpa' "
        "(did you mean 'alpha'?)",
        "op_processors: operator 'leaky' (LeakyRelu): the attribute 'alpha' cannot be "
        "'much' (expected a number)",
        "op_processors: operator 'transpose' (Transpose): the attribute 'perm' cannot be "
        "[0, 1.5] (expected a list of integers)",
        "const_processors: the model has no constant 'shap' (did you mean 'shape'?)",
        "const_processors: constant 'shape': its type int64 cannot hold all values given",
        f"const_processors: constant 'scale': cannot read {tmp_path}/none.npy: "
        "No such file or directory",
    ]
