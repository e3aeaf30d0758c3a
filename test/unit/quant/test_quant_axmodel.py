"""quant_axmodel.onnx and .json: what they say, and what a broken file gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from test_calibrate import model_of
from test_quantize_random_graphs import quantized, samples_for
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.quant_axmodel import (
    make_quant_axmodel,
    read_quant_axmodel,
    save_quant_axmodel,
    snapshot_text,
    write_configs,
)
from pulsar2.quant_export import export_qdq, reference_session


@pytest.fixture(scope="module")
def small() -> tuple[ModuleOp, AxContext]:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c0"], "Conv_0"),
        helper.make_node("Relu", ["c0"], ["r0"], "Relu_1"),
        helper.make_node("Add", ["r0", "x"], ["a0"], "Add_2"),
        helper.make_node("GlobalAveragePool", ["a0"], ["p0"], "Pool_3"),
        helper.make_node("Flatten", ["p0"], ["f0"], "Flatten_4"),
        helper.make_node("Gemm", ["f0", "v"], ["output"], "Gemm_5"),
    ]
    model = model_of(
        nodes,
        (1, 8, 6, 6),
        w=rng.normal(0, 0.3, (8, 8, 1, 1)).astype(np.float32),
        b=rng.normal(0, 0.3, 8).astype(np.float32),
        v=rng.normal(0, 0.3, (8, 10)).astype(np.float32),
    )
    return quantized(model, samples_for(model, 2, 0))


def test_operators_have_their_names(small: tuple[ModuleOp, AxContext]) -> None:
    model = make_quant_axmodel(*small)
    assert [(n.name, n.op_type) for n in model.graph.node] == [
        ("x_QuantizeLinear", "AxQuantizeLinear"),
        ("Conv_0", "AxQuantizedConv"),
        ("Add_2", "AxQuantizedAdd"),
        ("Pool_3", "AxQuantizedGlobAvgPool"),
        ("Flatten_4", "AxReshape"),
        ("Gemm_5", "AxQuantizedFullyConnected"),
        ("output_DequantizeLinear", "AxDequantizeLinear"),
    ]
    reshape = model.graph.node[4]
    assert {a.name: list(a.ints) for a in reshape.attribute} == {"shape": [1, 8]}
    assert [o.name for o in model.graph.output] == ["output"]
    assert model.graph.node[1].output[0] == "r0"


def test_configurations(small: tuple[ModuleOp, AxContext], tmp_path: Path) -> None:
    write_configs(small[0], tmp_path / "q.json")
    entries = json.loads((tmp_path / "q.json").read_text())
    add = entries["Add_2"]
    assert set(add["r0"]) == {
        "bit_width", "policy", "state", "quant_min", "quant_max", "hash", "dominator",
    }  # fmt: skip
    assert add["r0"]["state"] == "OVERLAPPED"
    assert add["r0"]["dominator"] == entries["Conv_0"]["r0"]["hash"]
    assert entries["Conv_0"]["r0"]["state"] == "ACTIVATED"
    weight = entries["Conv_0"]["Conv_0/weight"]
    assert weight["state"] == "BAKED"
    assert weight["policy"]["PER_CHANNEL"]
    assert (weight["quant_min"], weight["quant_max"]) == (-127, 127)
    assert entries["Conv_0"]["Conv_0/bias"]["state"] == "PASSIVE_BAKED"
    assert entries["Flatten_4"]["f0"]["dominator"] == entries["Pool_3"]["p0"]["hash"]
    assert entries["output_DequantizeLinear"]["output"]["state"] == "FP32"


def test_snapshot(small: tuple[ModuleOp, AxContext]) -> None:
    text = snapshot_text(small[0])
    assert "Num of Op:                    [7]" in text
    assert "PASSIVE_BAKED:                [1]" in text
    assert "BAKED:                        [2]" in text


def test_file_is_reproducible(small: tuple[ModuleOp, AxContext], tmp_path: Path) -> None:
    save_quant_axmodel(*small, tmp_path / "a.onnx")
    save_quant_axmodel(*small, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    read = read_quant_axmodel(tmp_path / "a.onnx", make_context())
    assert str(read) == str(small[0])


def test_broken_files(small: tuple[ModuleOp, AxContext], tmp_path: Path) -> None:
    good = make_quant_axmodel(*small)
    whole = good.SerializeToString()
    path = tmp_path / "m.onnx"

    def fails(message: str, model: onnx.ModelProto | None = None) -> None:
        if model is not None:
            path.write_bytes(model.SerializeToString())
        with pytest.raises(UserError, match=message):
            read_quant_axmodel(path, make_context())

    fails("cannot read the model")
    path.write_bytes(whole[: len(whole) // 2])
    fails("not an ONNX file|inconsistent|not a QuantAxModel")
    path.write_bytes(b"nonsense" * 10)
    fails("not an ONNX file|not a QuantAxModel")
    fails("not a QuantAxModel", helper.make_model(helper.make_graph([], "g", [], [])))
    for change, message in (
        (lambda m: setattr(m.graph.node[1], "op_type", "AxQuantizedConvv"), "AxQuantizedConv"),
        (lambda m: m.graph.node[1].input.__setitem__(0, "gone"), "before it is made"),
        (lambda m: m.graph.node[1].attribute[0].ints.append(3), "inconsistent"),
        (lambda m: m.graph.quantization_annotation.__delitem__(0), "inconsistent"),
        (lambda m: m.graph.value_info.__delitem__(0), "has no type"),
    ):
        model = onnx.ModelProto()
        model.CopyFrom(good)
        change(model)
        fails(message, model)


def test_no_two_nodes_have_a_name() -> None:
    """Of an output that is a constant, too."""
    nodes = [
        helper.make_node("Relu", ["x"], ["z"], "y"),
        helper.make_node("Constant", [], ["y"], "c", value=numpy_helper.from_array(np.ones(2))),
    ]
    model = model_of(nodes, (1, 4))
    module, context = quantized(model, samples_for(model, 2, 0))
    exported = export_qdq(module, context)
    names = [n.name for n in exported.graph.node]
    assert len(set(names)) == len(names)
    reference_session(exported)
