"""Models that come quantized: what they say is kept exactly, and computed as ONNX says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import run as command
from loguru import logger
from onnxruntime.quantization import QuantFormat, QuantType
from qdq_models import by_hand, float_model, inputs, quantized_by_runtime
from road import Quantized, evaluate_reference, run

from pulsar2.axmodel import read_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.dialects.quant import ConvOp, MatMulOp, RequantizeOp
from pulsar2.dialects.quant.types import element_type, quant_parameters, quantized_of
from pulsar2.locations import node_name
from pulsar2.onnx_import import import_onnx
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.runtime import InferenceSession

RUNTIME = [
    (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, True),
    (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QUInt8, False),
    (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8, True),
    (QuantFormat.QDQ, QuantType.QUInt16, QuantType.QInt8, True),
    (QuantFormat.QDQ, QuantType.QInt16, QuantType.QInt8, False),
    (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QInt8, True),
    (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QUInt8, False),
    (QuantFormat.QOperator, QuantType.QInt8, QuantType.QInt8, False),
]
BY_HAND = [
    ("UINT8", "INT4", True),
    ("UINT8", "UINT4", False),
    ("UINT8", "UINT4", True),
    ("INT4", "INT4", True),
    ("UINT4", "INT4", False),
    ("INT16", "INT4", True),
    ("UINT16", "UINT8", False),
    ("INT8", "UINT8", True),
]


def imported(model: onnx.ModelProto) -> Quantized:
    """The model through the pipelines that a build runs for QuantONNX without calibration data."""
    context = make_context()
    module = import_onnx(model, context)
    run("import-quantized,optimize,precision{floating=true},quantize-imported", module, context)
    return Quantized(module, context)


def constants(model: onnx.ModelProto) -> dict[str, Any]:
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}


def scales_of(quantized: Quantized) -> set[float]:
    """The scales of all activations and weights of the module."""
    found: set[float] = set()
    for op in quantized.module.walk():
        for value in op.results if op.name.startswith("quant.") else ():
            type_ = quantized_of(value)
            if type_ is not None and type_.storage.width.data < 32:
                found |= set(quant_parameters(type_, quantized.context.weights)[0].tolist())
    return found


def check(model: onnx.ModelProto, quantized: Quantized) -> dict[str, Any]:
    """NPUBackend computes what ONNX's evaluator does on the integer form, bit for bit."""
    (feed,) = inputs(1)
    program = quantized.compile()
    assert program.findings() == []
    got = program.run(feed)
    for name, values in evaluate_reference(quantized.reference(), feed).items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)
    return got


@pytest.mark.parametrize(("form", "activation", "weight", "per_channel"), RUNTIME)
def test_models_of_onnx_runtime(
    form: QuantFormat, activation: QuantType, weight: QuantType, per_channel: bool
) -> None:
    model = quantized_by_runtime(form, activation, weight, per_channel)
    quantized = imported(model)
    got = check(model, quantized)
    given = {
        float(v) for k, a in constants(model).items() if k.endswith("_scale")
        and not k.startswith("b") for v in a.reshape(-1)
    }  # fmt: skip
    assert scales_of(quantized) <= given
    assert not any(isinstance(op, RequantizeOp) for op in quantized.module.walk())
    if all(not node.domain for node in model.graph.node) and form is QuantFormat.QDQ:
        (feed,) = inputs(1)
        expected = evaluate_reference(model, feed)["output"]
        step = min(abs(float(s)) for k, s in constants(model).items() if k == "output_scale")
        assert np.abs(got["output"] - expected).max() <= 1.001 * step


@pytest.mark.parametrize(("activation", "weight", "per_channel"), BY_HAND)
def test_every_integer_type(activation: str, weight: str, per_channel: bool) -> None:
    model = by_hand(activation, weight, per_channel)
    quantized = imported(model)
    got = check(model, quantized)
    given = constants(model)
    weights = [
        op.operands[1].owner.array(quantized.context.weights)
        for op in quantized.module.walk() if isinstance(op, ConvOp | MatMulOp)
    ]  # fmt: skip
    for made, name in zip(weights, ("w_q", "d_q", "m_q"), strict=True):
        np.testing.assert_array_equal(made, given[name].astype(np.int32), err_msg=name)
    (feed,) = inputs(1)
    expected = evaluate_reference(model, feed)["output"]
    # The result is not quantized, so its error is that of at most a step of what is before it.
    peak = float(np.abs(expected).max())
    coarse = "4" in activation
    assert np.abs(got["output"] - expected).max() <= (0.1 if coarse else 0.02) * peak


def test_a_tensor_that_others_read_too_is_rounded_once() -> None:
    model = by_hand("UINT8", "INT4", True)
    model.graph.output.append(onnx.helper.make_tensor_value_info("k", 1, [1, 8, 12, 12]))
    context = make_context()
    module = import_onnx(model, context)
    # As with calibration data: what is not quantized would be U8.
    run("import-quantized,optimize", module, context)
    calibrate(module, context, [Sample("0", inputs(1)[0])])
    run("quantize-imported", module, context)
    got = check(model, Quantized(module, context))
    (feed,) = inputs(1)
    expected = evaluate_reference(model, feed)["k"]
    np.testing.assert_allclose(got["k"], expected, rtol=1e-5, atol=1e-5)


def test_weights_that_no_kernel_reads_are_quantized_anew() -> None:
    model = by_hand("UINT8", "UINT4", True)
    for node in model.graph.node:
        if node.name == "m":
            # Scales along the rows: no kernel has that.
            node.attribute.append(onnx.helper.make_attribute("axis", 0))
    for tensor in model.graph.initializer:
        if tensor.name in ("m_scale", "m_zero_point"):
            kind = tensor.data_type
            value = 0.1 if tensor.name == "m_scale" else 8
            tensor.CopyFrom(onnx.helper.make_tensor(tensor.name, kind, [8], [value] * 8))
    quantized = imported(model)
    (product,) = (op for op in quantized.module.walk() if isinstance(op, MatMulOp))
    assert quantized_of(product.b).storage.width.data == 8
    check(model, quantized)


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_convolution_over_one_axis_keeps_its_weights(per_channel: bool) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(by_hand("UINT8", "INT8", per_channel))
    del model.graph.node[-1]
    for info in (model.graph.input[0], model.graph.output[0]):
        del info.type.tensor_type.shape.dim[3:]
    model.graph.output[0].name = "a"
    model.graph.output[0].type.tensor_type.ClearField("shape")
    for tensor in model.graph.initializer:
        if tensor.name in ("w_q", "d_q"):
            values = onnx.numpy_helper.to_array(tensor)[..., 0]
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    for node in list(model.graph.node):
        if node.op_type == "Conv":
            for attribute in node.attribute:
                if attribute.name == "pads":
                    attribute.ints[:] = [1, 1]
        if node.name in ("pool", "f_q", "f_dq", "m", "a_q", "a_dq") or node.op_type == "Flatten":
            model.graph.node.remove(node)
    quantized = imported(model)
    given = constants(model)
    weights = [
        op.operands[1].owner.array(quantized.context.weights)
        for op in quantized.module.walk() if isinstance(op, ConvOp)
    ]  # fmt: skip
    for made, name in zip(weights, ("w_q", "d_q"), strict=True):
        np.testing.assert_array_equal(made.reshape(given[name].shape), given[name])


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan])
def test_scales_that_are_no_positive_numbers(scale: float) -> None:
    """Activations of such a scale stay as ONNX has them; weights are numbers to be quantized."""
    model = by_hand("UINT8", "INT8", True)
    for tensor in model.graph.initializer:
        if tensor.name == "e_scale":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(scale).reshape(()), "e_scale"))
    context = make_context()
    module = import_onnx(model, context)
    run("import-quantized,optimize,place{target=AX650}", module, context)
    reasons = {
        node_name(op): str(op.attributes["quant.cpu"])
        for op in module.walk() if "quant.cpu" in op.attributes
    }  # fmt: skip
    assert set(reasons) == {"e_q", "e_dq"}
    assert "one constant, positive scale" in reasons["e_q"]


def test_weights_with_a_channel_of_scale_0() -> None:
    model = by_hand("UINT8", "INT8", True)
    for tensor in model.graph.initializer:
        if tensor.name == "w_scale":
            scales = onnx.numpy_helper.to_array(tensor).copy()
            scales[3] = 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(scales, "w_scale"))
    quantized = imported(model)
    got = check(model, quantized)
    (feed,) = inputs(1)
    expected = evaluate_reference(model, feed)["output"]
    assert np.abs(got["output"] - expected).max() <= 0.02 * np.abs(expected).max()


def test_weights_by_blocks_are_quantized_anew() -> None:
    model = by_hand("UINT8", "INT8", False)
    for node in model.graph.node:
        if node.name == "m":
            node.attribute.append(onnx.helper.make_attribute("axis", 0))
            node.attribute.append(onnx.helper.make_attribute("block_size", 4))
    for tensor in model.graph.initializer:
        if tensor.name in ("m_scale", "m_zero_point"):
            value = 0.1 if tensor.name == "m_scale" else 0
            made = onnx.helper.make_tensor(tensor.name, tensor.data_type, [2, 5], [value] * 10)
            tensor.CopyFrom(made)
    warnings: list[str] = []
    sink = logger.add(lambda m: warnings.append(m.record["message"]), level="WARNING")
    quantized = imported(model)
    logger.remove(sink)
    assert any("'matmul': its weight, whose scales are not one per" in w for w in warnings)
    check(model, quantized)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model of ONNX Runtime's and one made by hand, and calibration data."""
    onnx.save(quantized_by_runtime(*RUNTIME[0]), tmp_path / "runtime.onnx")
    onnx.save(by_hand(*BY_HAND[0]), tmp_path / "hand.onnx")
    (tmp_path / "data").mkdir()
    for index, feed in enumerate(inputs(2)):
        np.save(tmp_path / "data" / f"{index}.npy", feed["input"])
    return tmp_path


def build(files: Path, model: str, **quant: Any) -> Path:
    value = {
        "model_type": "QuantONNX",
        "quant": quant,
        "input_processors": [{"tensor_name": "DEFAULT", "src_dtype": "FP32", "src_layout": "NCHW"}],
    }
    (files / "c.json").write_text(json.dumps(value))
    outcome = command(
        "build", "--config", files / "c.json", "--input", files / model,
        "--output_dir", files / "out", "--quant.check", "1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    return files / "out"


def test_build_of_a_quantized_model_needs_no_data(files: Path) -> None:
    session = InferenceSession(str(build(files, "runtime.onnx") / "compiled.axmodel"))
    (feed,) = inputs(1)
    expected = imported(onnx.load(files / "runtime.onnx")).compile().run(feed)
    np.testing.assert_array_equal(session.run(None, feed)[0], expected["output"])


@pytest.mark.parametrize("activation", ["INT4", "UINT4"])
def test_activations_of_4_bits_are_calibrated_around(files: Path, activation: str) -> None:
    onnx.save(by_hand(activation, "INT8", True), files / "four.onnx")
    data = {
        "tensor_name": "DEFAULT",
        "calibration_dataset": str(files / "data"),
        "calibration_format": "Numpy",
    }
    session = InferenceSession(
        str(build(files, "four.onnx", input_configs=[data]) / "compiled.axmodel")
    )
    (feed,) = inputs(1)
    (got,) = session.run(None, feed)
    expected = evaluate_reference(onnx.load(files / "four.onnx"), feed)["output"]
    assert np.abs(got - expected).max() <= 0.1 * np.abs(expected).max()


def test_a_float_model_that_is_called_quantized_needs_data(files: Path) -> None:
    onnx.save(float_model(), files / "float.onnx")
    (files / "c.json").write_text(json.dumps({"model_type": "QuantONNX"}))
    outcome = command(
        "build", "--config", files / "c.json", "--input", files / "float.onnx",
        "--output_dir", files / "out",
    )  # fmt: skip
    assert outcome.code == 1
    assert "tensor 'input' has no observed range (calibration data" in outcome.err


def test_what_is_not_quantized_is_calibrated_with_data(files: Path) -> None:
    data = [
        {
            "tensor_name": "DEFAULT",
            "calibration_dataset": str(files / "data"),
            "calibration_format": "Numpy",
        }
    ]
    types: list[str] = []
    for quant in ({}, {"input_configs": data}):
        path = build(files, "hand.onnx", **quant) / "quant" / "quant_axmodel.onnx"
        module = read_quant_axmodel(path, make_context())
        (product,) = (op for op in module.walk() if isinstance(op, MatMulOp))
        types.append(str(element_type(product.y)))
    assert types[0] == "f32"
    assert types[1].startswith("!quant.uniform<u8")


def test_what_changes_nothing_is_told(files: Path) -> None:
    value = {
        "model_type": "QuantONNX",
        "quant": {
            "layer_configs": [
                {"op_type": "Conv", "data_type": "U16", "weight_data_type": "S4"},
                {"layer_name": "conv2", "output_data_type": "FP32"},
            ]
        },
    }
    words = ("build", "--output_dir", files / "out", "--config", files / "c.json", "--input")
    (files / "c.json").write_text(json.dumps(value))
    outcome = command(*words, files / "runtime.onnx")
    assert outcome.code == 0, outcome.err
    assert (
        "layer_configs[0]: it has no effect, since the model itself says how 'conv' is"
        in outcome.err
    )
    assert "layer_configs[1]" not in outcome.err
    data = {
        "tensor_name": "DEFAULT",
        "calibration_dataset": str(files / "data"),
        "calibration_format": "Numpy",
    }
    onnx.save(quantized_by_runtime(*RUNTIME[5]), files / "integers.onnx")
    (files / "c.json").write_text(json.dumps({"quant": {"input_configs": [data]}}))
    outcome = command(*words, files / "integers.onnx")
    assert "the model is quantized already (QGemm, QLinearAdd, QLinearConv" in outcome.err


def test_a_quant_axmodel_builds_into_the_same_program(files: Path) -> None:
    first = build(files, "runtime.onnx")
    model = read_axmodel(first / "compiled.axmodel")
    outcome = command(
        "build", "--input", first / "quant" / "quant_axmodel.onnx",
        "--output_dir", files / "again", "--model_type", "QuantAxModel",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    again = read_axmodel(files / "again" / "compiled.axmodel")
    assert again.subgraphs[0].programs == model.subgraphs[0].programs
