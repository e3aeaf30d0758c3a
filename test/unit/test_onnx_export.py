"""Export of the `onnx` dialect: names, outputs, opsets, large models, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import apply, check, model, node, random_feeds, run

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.ir import parse_module
from pulsar2.onnx_export import export_onnx, export_onnx_with_names, save_onnx
from pulsar2.onnx_import import import_onnx


def test_names_of_nodes_and_tensors_come_back() -> None:
    nodes = [node("Conv", ["x", "w"], ["conv/out:0"]), node("Relu", ["conv/out:0"], ["y"])]
    weights = {"w": np.ones((2, 1, 3, 3), np.float32)}
    exported = check(model(nodes, {"x": [1, 1, 4, 4]}, ["y"], weights)).model
    assert [n.name for n in exported.graph.node] == ["node_conv/out:0", "node_y"]
    assert exported.graph.node[0].output[0] == "conv/out:0"
    assert [t.name for t in exported.graph.initializer] == ["w"]
    assert exported.graph.name == "graph"


def test_inputs_and_constants_may_be_outputs() -> None:
    proto = model(
        [node("Relu", ["x"], ["y"])], {"x": [2]}, ["y", "x", "c"], {"c": np.ones(2, np.float32)}
    )
    exported = check(proto).model
    assert [o.name for o in exported.graph.output] == ["y", "x", "c"]


def test_one_value_may_be_two_outputs() -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Identity", ["a"], ["c"]),
    ]
    from pulsar2.lowering.onnx.eliminate_identity import EliminateIdentityPass

    outcome = check(model(nodes, {"x": [2]}, ["b", "c"]), [EliminateIdentityPass()])
    assert [o.name for o in outcome.model.graph.output] == ["b", "c"]


def test_the_opset_is_the_lowest_that_means_the_same() -> None:
    relu = model([node("Relu", ["x"], ["y"])], {"x": [2]}, ["y"], opset=28)
    assert [o.version for o in apply(relu).model.opset_import] == [21]
    newer = model([node("Swish", ["x"], ["y"])], {"x": [2]}, ["y"], opset=24)
    assert [o.version for o in apply(newer).model.opset_import] == [24]
    modulo = model([node("Mod", ["x", "x"], ["y"])], {"x": [2]}, ["y"], opset=28)
    assert [o.version for o in apply(modulo).model.opset_import] == [28]


def test_values_are_found_by_name() -> None:
    context = make_context()
    module = import_onnx(
        model([node("Relu", ["x"], ["a"]), node("Exp", ["a"], ["y"])], {"x": [2]}, ["y"]), context
    )
    names = export_onnx_with_names(module, context).names
    relu, exp = (o for o in module.walk() if isinstance(o, OnnxOp))
    assert (names[relu.operands[0]], names[relu.result], names[exp.result]) == ("x", "a", "y")


def test_large_weights_go_into_a_file_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsar2.onnx_export.EXTERNAL_DATA_BYTES", 1000)
    weight = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    proto = model([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 32]}, ["y"], {"w": weight})
    context = make_context()
    path = tmp_path / "out.onnx"
    save_onnx(import_onnx(proto, context), context, path)
    assert (tmp_path / "out.onnx.data").stat().st_size >= weight.nbytes
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(onnx.load(path), feeds)[0], run(proto, feeds)[0])


def test_no_main() -> None:
    context = make_context()
    module = parse_module("func.func private @other() -> ()", context, "test").module
    with pytest.raises(UserError, match="no function @main"):
        export_onnx(module, context)


def test_operation_of_another_dialect() -> None:
    context = make_context()
    text = """
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %y = func.call @main(%x) : (tensor<2xf32>) -> tensor<2xf32>
      func.return %y : tensor<2xf32>
    }"""
    module = parse_module(text, context, "test").module
    with pytest.raises(UserError, match=r"'func\.call' has no form in ONNX"):
        export_onnx(module, context)
