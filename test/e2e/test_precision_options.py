"""Options of precision on the command line and in the configuration file."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, classifier, run
from onnx import numpy_helper
from xdsl.dialects.builtin import ModuleOp

import pulsar2.driver.precision
from pulsar2.context import AxContext, make_context
from pulsar2.dialects.quant import ConvOp, MatMulOp, UnaryOp
from pulsar2.dialects.quant.types import UniformPerAxisType, UniformType, element_type
from pulsar2.locations import node_name
from pulsar2.lowering.quant import verify_types
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.targets import Target, load_target


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    """Builds the first example with more keys under `quant`."""

    def with_quant(*words: str | Path, **quant: Any) -> Outcome:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["quant"] |= quant
        (tmp_path / "c.json").write_text(json.dumps(value))
        return run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out", *words
        )

    return with_quant


@pytest.fixture
def quantized(build: Any, tmp_path: Path) -> Any:
    """Builds likewise, and reads the quantized model."""

    def with_quant(*words: str | Path, **quant: Any) -> tuple[ModuleOp, AxContext, Outcome]:
        outcome = build(*words, **quant)
        assert outcome.code == 0, outcome.err
        context = make_context()
        path = tmp_path / "out" / "quant" / "quant_axmodel.onnx"
        return read_quant_axmodel(path, context), context, outcome

    return with_quant


def result_types(module: ModuleOp) -> dict[str, str]:
    """The storage of each node's result, or `f32`."""
    types: dict[str, str] = {}
    for op in module.walk():
        if op.name.startswith("quant.") and op.results:
            type_ = element_type(op.results[0])
            if isinstance(type_, UniformType):
                signed = type_.bounds[0] < 0
                types[node_name(op)] = f"{'s' if signed else 'u'}{type_.storage.width.data}"
            else:
                types[node_name(op)] = str(type_)
    return types


def test_layer_configs(quantized: Any) -> None:
    module, _, outcome = quantized(
        layer_configs=[
            {"layer_name": "gemm", "data_type": "S16"},
            {"op_types": ["Conv"], "data_type": "S8", "weight_data_type": "S4"},
            {
                "start_tensor_names": "DEFAULT",
                "end_tensor_names": ["DEFAULT"],
                "data_type": "FP32",
            },
        ]
    )
    types = result_types(module)
    # The pool and what moves its result stay float for nobody: the Gemm reads 16 bits.
    assert {k: types[k] for k in ("conv", "pool", "flatten", "gemm")} == {
        "conv": "f32", "pool": "s16", "flatten": "s16", "gemm": "s16",
    }  # fmt: skip
    (conv,) = (op for op in module.walk() if isinstance(op, ConvOp))
    weight = element_type(conv.operands[1])
    assert isinstance(weight, UniformPerAxisType)
    assert weight.storage.width.data == 4
    assert "Layer Config Table" in outcome.out
    rows = [line.split() for line in outcome.out.splitlines() if "gemm" in line]
    assert any("S16" in row for row in rows)


def test_weights_that_stay_float_are_for_the_cpu(
    built: Path, quantized: Any, tmp_path: Path
) -> None:
    module, _, outcome = quantized(layer_configs=[{"op_type": "Conv", "weight_data_type": "FP32"}])
    assert not any(isinstance(op, ConvOp) for op in module.walk())
    assert result_types(module)["gemm"] == "u8"
    (rows,) = json.loads((tmp_path / "out" / "compiler" / "cpu_nodes.json").read_text()).values()
    # What prepares its input goes with it.
    assert {row["operator"]: row["kind"] for row in rows}["Conv"] == "weights"
    assert {row["kind"] for row in rows} == {"weights", "neighbour"}
    assert "its weights are to stay FP32" in outcome.out
    kept = onnx.load(tmp_path / "out" / "quant" / "quant_axmodel.onnx").graph.initializer
    (weights,) = (numpy_helper.to_array(i) for i in kept if i.dims == [8, 3, 3, 3])
    given = onnx.load(built / "model.onnx").graph.initializer
    np.testing.assert_array_equal(weights, numpy_helper.to_array(given[0]))


def test_types_that_optimization_changed(built: Path, quantized: Any, tmp_path: Path) -> None:
    """A Flatten that is a Reshape now, a MatMul that is a Gemm, a Sub that is an Add."""
    model = onnx.load(built / "model.onnx")
    model.graph.node[4].op_type = "MatMul"
    model.graph.node[4].output[0] = "m"
    model.graph.node.append(onnx.helper.make_node("Tanh", ["m"], ["t"], "tanh"))
    model.graph.node.append(onnx.helper.make_node("Sub", ["t", "k"], ["output"], "sub"))
    offset = np.arange(10, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(offset, "k"))
    onnx.save(model, tmp_path / "model.onnx")
    words = ("--input", tmp_path / "model.onnx")
    layers = [
        {"op_type": "Sub", "data_type": "S16"},
        {"op_type": "Add", "data_type": "S8"},
        {"op_type": "MatMul", "data_type": "U16", "weight_data_type": "S4"},
        {"op_type": "Flatten", "data_type": "U16"},
    ]
    module, _, outcome = quantized(*words, layer_configs=layers)
    types = result_types(module)
    assert (types["flatten"], types["gemm"], types["tanh"]) == ("u16", "u8", "s16")
    assert "has no operator of type" not in outcome.err
    assert "U16, weights S4" in outcome.out
    (product,) = (op for op in module.walk() if isinstance(op, MatMulOp))
    weight = element_type(product.b)
    assert isinstance(weight, UniformPerAxisType)
    assert weight.storage.width.data == 4


@pytest.mark.parametrize("data_type", ["S8", "U16", "FP32", "highest"])
def test_data_that_is_only_moved_has_the_type_of_the_model(
    data_type: str, quantized: Any, tmp_path: Path
) -> None:
    nodes = [
        onnx.helper.make_node("Transpose", ["input"], ["t"], "turn", perm=[0, 2, 3, 1]),
        onnx.helper.make_node("MaxPool", ["t"], ["output"], "pool", kernel_shape=[2, 2]),
    ]
    classifier(tmp_path / "model.onnx", nodes=nodes)
    whole = {"start_tensor_names": "DEFAULT", "end_tensor_names": "DEFAULT", "data_type": data_type}
    words = ("--input", tmp_path / "model.onnx")
    if data_type == "highest":
        module, _, _ = quantized(*words, "--quant.highest_mix_precision")
    else:
        module, _, _ = quantized(*words, layer_configs=[whole])
    types = result_types(module)
    expected = {"S8": "s8", "U16": "u16"}.get(data_type, "f32")
    assert types["turn"] == types["pool"] == expected


def test_casts_of_a_tensor_to_several_types_have_names_of_their_own(
    quantized: Any, tmp_path: Path
) -> None:
    nodes = [
        onnx.helper.make_node("Sigmoid", ["input"], ["s"], "sigmoid"),
        onnx.helper.make_node("Conv", ["input", "w", "b"], ["t"], "narrow"),
        onnx.helper.make_node("Conv", ["input", "w", "b"], ["output"], "wide", strides=[2, 2]),
    ]
    classifier(tmp_path / "model.onnx", nodes=nodes)
    model = onnx.load(tmp_path / "model.onnx")
    for name in ("s", "t"):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    onnx.save(model, tmp_path / "model.onnx")
    words = ("--input", tmp_path / "model.onnx", "--quant.precision_analysis")
    module, _, _ = quantized(
        *words,
        layer_configs=[
            {"op_type": "Sigmoid", "data_type": "FP32"},
            {"layer_name": "narrow", "data_type": "S8"},
            {"layer_name": "wide", "data_type": "U16"},
        ],
    )
    names = [node_name(op) for op in module.walk() if op.results and not is_constant_like(op)]
    assert len(set(names)) == len(names)


def test_a_mistake_about_many_operators_is_one(built: Path, build: Any, tmp_path: Path) -> None:
    model = onnx.load(built / "model.onnx")
    model.graph.node[4].output[0] = "m"
    for source, name in (("m", "t"), ("t", "output")):
        model.graph.node.append(onnx.helper.make_node("Tanh", [source], [name], f"to_{name}"))
    onnx.save(model, tmp_path / "model.onnx")
    outcome = build(
        "--input", tmp_path / "model.onnx",
        layer_configs=[
            {"op_type": "Tanh", "weight_data_type": "S4"},
            {"op_types": ["Tanh"], "data_type": "S16"},
            {"op_type": "AxQuantizedGlobAvgPool", "data_type": "S16"},
            {"layer_name": "f", "data_type": "S16"},
        ],
    )  # fmt: skip
    assert outcome.code == 1
    for text in (
        "layer_configs[0]: Tanh 'to_t' (and 1 more) has no weight_data_type",
        "layer_configs[1]: it contradicts layer configuration 0: operator 'to_t' (and 1 more)",
        "the type 'AxQuantizedGlobAvgPool' (did you mean 'GlobalAveragePool'",
        "layer_configs[3]: 'f' is no operator but a tensor ('flatten' computes it)",
        "4 errors",
    ):
        assert text in outcome.err, outcome.err


def test_output_data_type(quantized: Any) -> None:
    module, _, _ = quantized(
        layer_configs=[{"op_type": "Conv", "data_type": "U8", "output_data_type": "FP32"}]
    )
    types = result_types(module)
    assert types["conv"] == types["relu"] == "f32"
    assert types["pool"] == "u8"


def test_highest_mix_precision(quantized: Any) -> None:
    module, _, _ = quantized("--quant.highest_mix_precision")
    types = result_types(module)
    # The last operator has no FP32 form.
    assert types["pool"] == types["flatten"] == types["gemm"] == "u16"
    assert types["input_Normalize"] == "u16"


def test_disable_quant_optimization(quantized: Any) -> None:
    counts = [
        Counter(type(op) for op in quantized(*words)[0].walk())
        for words in ((), ("--quant.disable_quant_optimization",))
    ]
    assert counts[0][UnaryOp] == 0
    assert counts[1][UnaryOp] == 1


def test_disable_auto_refine_scale(built: Path, quantized: Any, tmp_path: Path) -> None:
    model = onnx.load(built / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "b":
            huge = np.full(8, 1e6, np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(huge, "b"))
    onnx.save(model, tmp_path / "model.onnx")
    words = ("--input", tmp_path / "model.onnx")
    greatest: list[int] = []
    for more in ((), ("--quant.disable_auto_refine_scale",)):
        module, context, outcome = quantized(*words, *more)
        (conv,) = (op for op in module.walk() if isinstance(op, ConvOp))
        bias: Any = conv.operands[2].owner
        greatest.append(int(bias.array(context.weights).max()))
        assert ("conv" in outcome.err and "saturates" in outcome.err) == bool(more)
    assert greatest[0] <= 2**30 + 1024
    assert greatest[1] == 2**31 - 1


def test_check(quantized: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized("--quant.check", "1", "--debug.dump_ir")
    assert list((tmp_path / "out").rglob("*check-types*"))

    def poor(name: str) -> Target:
        target = load_target(name)
        return dataclasses.replace(target, element_types=target.element_types - {"U8"})

    monkeypatch.setattr(verify_types, "load_target", poor)
    with pytest.raises(AssertionError, match="which AX650 lacks"):
        quantized("--quant.check", "1")


def test_every_mistake_is_told_with_its_place(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(name: str) -> Target:
        target = load_target(name)
        return dataclasses.replace(target, element_types=target.element_types - {"S16"})

    monkeypatch.setattr(pulsar2.driver.precision, "load_target", poor)
    outcome = build(
        layer_configs=[
            {"layer_name": "conb", "data_type": "U16"},
            {"start_tensor_names": ["input"], "end_tensor_names": ["oputut"], "data_type": "U16"},
            {"op_type": "Conv", "data_type": "FP32"},
            {"layer_names": ["pool"], "data_type": "S16"},
            {"op_type": "Gemm", "data_type": "U8"},
            {"op_types": ["Gemm"], "data_type": "U16"},
            {"op_type": "Sub", "data_type": "U16"},
        ]
    )
    assert outcome.code == 1
    for text in (
        "layer_configs[0]: the optimized graph has no operator 'conb' (did you mean 'conv'",
        "layer_configs[1]: the optimized graph has no tensor 'oputut' (did you mean 'output'",
        "layer_configs[2]: Conv 'conv' does not support data_type FP32",
        "layer_configs[3]: AX650 has no S16",
        "layer_configs[5]: it contradicts layer configuration 4: operator 'gemm' cannot be both",
    ):
        assert text in outcome.err, outcome.err
    assert "layer_configs[6]" not in outcome.err


def test_a_name_that_optimization_took_is_explained(
    built: Path, build: Any, tmp_path: Path
) -> None:
    model = onnx.load(built / "model.onnx")
    gemm = model.graph.node[4]
    made = onnx.helper.make_node("Identity", ["f"], ["g"], "nothing")
    gemm.input[0] = "g"
    model.graph.node.insert(4, made)
    onnx.save(model, tmp_path / "model.onnx")
    outcome = build("--input", tmp_path / "model.onnx", layer_configs=[{"layer_name": "nothing"}])
    assert outcome.code == 1
    assert "optimization fused, folded or removed the model's Identity of that name" in outcome.err
