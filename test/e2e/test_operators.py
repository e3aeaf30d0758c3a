"""Single operators at sizes of real networks, or in forms that random graphs do not reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from road import evaluate_reference, quantize, random_inputs

from pulsar2.dialects.onnx.domain import DOMAIN, reference_operators

FORMATS = ("activation=U8", "activation=S8", "activation=U16", "activation=S16")


def _model(
    op_type: str,
    inputs: dict[str, tuple[int, ...]],
    shape: tuple[int, ...],
    constants: dict[str, np.ndarray],
    opset: int = 18,
    **attributes: Any,
) -> onnx.ModelProto:
    node = helper.make_node(op_type, [*inputs, *constants], ["y"], "node", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _signal_to_noise(expected: np.ndarray, got: np.ndarray) -> float:
    """In dB."""
    noise = np.square(expected - got, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / (noise + 1e-30)))


def _check(model: onnx.ModelProto, options: str, least: float) -> None:
    """The bits of ``onnx.reference``, and at least so many dB near the float model."""
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs, options)
    program = quantized.compile()
    got = program.run(inputs[1])["y"]
    reference = evaluate_reference(quantized.reference(), inputs[1])["y"]
    np.testing.assert_array_equal(got, reference, strict=True)
    (real,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs[1])
    assert _signal_to_noise(np.asarray(real), got) > least


@pytest.mark.parametrize("options", FORMATS)
@pytest.mark.parametrize("eps", [1e-5, 0.01])
def test_inverse_sigmoid(options: str, eps: float) -> None:
    model = _model("InverseSigmoid", {"x": (2, 3, 50)}, (2, 3, 50), {}, domain=DOMAIN, eps=eps)
    inputs = [{"x": np.abs(v["x"]) * np.float32(0.4)} for v in random_inputs(model, 2)]
    _check_near(model, inputs, options, 20, 1.001)


@pytest.mark.parametrize("options", FORMATS)
@pytest.mark.parametrize("corners", [0, 1])
def test_spatial_transformer(options: str, corners: int) -> None:
    shapes = {"x": (2, 3, 9, 7), "theta": (2, 2, 3)}
    model = _model(
        "SpatialTransformer", shapes, (2, 3, 5, 6), {}, domain=DOMAIN,
        output_size=[5, 6], align_corners=corners,
    )  # fmt: skip
    inputs = [
        {**each, "theta": each["theta"] * np.float32(0.3) + np.eye(2, 3, dtype=np.float32)}
        for each in random_inputs(model, 2)
    ]
    _check_near(model, inputs, options, 15, 1.001)


def _check_near(
    model: onnx.ModelProto, inputs: list[dict[str, Any]], options: str, least: float, steps: float
) -> None:
    """Within so many steps of ``onnx.reference``, and at least so many dB near the definition."""
    quantized = quantize(model, inputs, options)
    program = quantized.compile()
    assert not program.compiled.model.cpu_subgraphs
    got = program.run(inputs[1])["y"]
    reference = evaluate_reference(quantized.reference(), inputs[1])["y"]
    bits = 16 if "16" in options else 8
    step = float(np.ptp(got)) / (2**bits - 1)
    assert np.abs(got - reference).max() <= steps * step
    evaluator = ReferenceEvaluator(model, new_ops=reference_operators())
    (real,) = evaluator.run(None, inputs[1])  # type: ignore[misc]
    assert _signal_to_noise(np.asarray(real), got) > least


@pytest.mark.parametrize("options", FORMATS)
@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 3, 5, 8), (1, 3, 8, 6)), ((2, 1, 5, 8), (3, 8, 6)), ((5, 8), (2, 8, 6))],
    ids=str,
)
def test_products_of_activations(a: tuple[int, ...], b: tuple[int, ...], options: str) -> None:
    batch = np.broadcast_shapes(a[:-2], b[:-2])
    model = _model("MatMul", {"a": a, "b": b}, (*batch, a[-2], b[-1]), {})
    _check(model, options, 30 if "8" in options else 75)


SHAPE = (1, 24, 9, 11)
NORMS: dict[str, tuple[dict[str, tuple[int, ...]], int, dict[str, Any]]] = {
    "LayerNormalization": ({"s": (9, 11), "b": (9, 11)}, 18, {"axis": 2}),
    "RMSNormalization": ({"s": (11,)}, 23, {}),
    "InstanceNormalization": ({"s": (24,), "b": (24,)}, 18, {}),
    "GroupNormalization": ({"s": (24,), "b": (24,)}, 21, {"num_groups": 4}),
    "LpNormalization": ({}, 18, {"p": 2}),
}


@pytest.mark.parametrize("options", FORMATS)
@pytest.mark.parametrize("op_type", NORMS)
def test_normalizations_keep_precision(op_type: str, options: str) -> None:
    factors, opset, attributes = NORMS[op_type]
    rng = np.random.default_rng(1)
    constants = {n: rng.uniform(0.5, 1.5, s).astype(np.float32) for n, s in factors.items()}
    model = _model(op_type, {"x": SHAPE}, SHAPE, constants, opset, **attributes)
    _check(model, options, 30 if "8" in options else 75)
