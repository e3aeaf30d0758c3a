"""Operators that are spelled out before quantization: LSTM, GRU and RotaryEmbedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from road import Tensors, evaluate_reference, quantize, random_inputs

Draw = Any


def _tensor(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(
    node: onnx.NodeProto,
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, np.ndarray],
    opset: int,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node],
        "expanded",
        [_tensor(name, shape) for name, shape in inputs.items()],
        [_tensor(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@st.composite
def recurrent(draw: Draw) -> onnx.ModelProto:
    """An LSTM or GRU in any direction, with and without biases and first states."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(("LSTM", "GRU")))
    direction = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
    steps, batch, size, hidden = (draw(st.integers(1, n)) for n in (5, 2, 6, 7))
    directions = 1 + (direction == "bidirectional")
    gates = hidden * (4 if kind == "LSTM" else 3)

    def weight(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    inputs: dict[str, tuple[int, ...]] = {"x": (steps, batch, size)}
    constants = {"w": weight(directions, gates, size), "r": weight(directions, gates, hidden)}
    operands = ["x", "w", "r", "", "", "", ""]
    if draw(st.booleans()):
        operands[3] = "b"
        constants["b"] = weight(directions, 2 * gates)
    state = (directions, batch, hidden)
    for index, name in enumerate(("h0", "c0") if kind == "LSTM" else ("h0",)):
        given_as = draw(st.sampled_from(("absent", "zeros", "constant", "input")))
        if given_as == "absent":
            continue
        operands[5 + index] = name
        if given_as == "input":
            inputs[name] = state
        else:
            constants[name] = weight(*state) * np.float32(given_as == "constant")
    outputs = {"y": (steps, directions, batch, hidden), "h": state}
    if kind == "LSTM":
        outputs["c"] = state
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = int(draw(st.booleans()))
    while not operands[-1]:
        operands.pop()
    node = helper.make_node(kind, operands, list(outputs), f"{kind}_0", **attributes)
    return _model(node, inputs, outputs, constants, 17)


@st.composite
def rotary(draw: Draw) -> onnx.ModelProto:
    """A RotaryEmbedding of heads apart or together, halves or pairs, of all or a part of a head."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    batch, heads, steps, half = (draw(st.integers(1, n)) for n in (2, 3, 5, 4))
    rest = draw(st.sampled_from((0, 2)))
    size = 2 * half + rest
    attributes: dict[str, Any] = {"interleaved": int(draw(st.booleans()))}
    if rest:
        attributes["rotary_embedding_dim"] = 2 * half
    shape: tuple[int, ...] = (batch, heads, steps, size)
    if draw(st.booleans()) or rest:
        shape = (batch, steps, heads * size)
        attributes["num_heads"] = heads
    positions = draw(st.booleans())
    angles = rng.uniform(-3, 3, (9, half) if positions else (batch, steps, half))
    constants = {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
    operands = ["x", "cos", "sin"]
    if positions:
        operands.append("positions")
        constants["positions"] = rng.integers(0, 9, (batch, steps))
    node = helper.make_node("RotaryEmbedding", operands, ["y"], "rotary", **attributes)
    return _model(node, {"x": shape}, {"y": shape}, constants, 23)


def _noise(expected: Tensors, got: Tensors) -> float:
    """dB of the noise of an output below its signal, the worst of all."""
    worst = np.inf
    for name, values in expected.items():
        assert got[name].shape == values.shape
        noise = float(np.square(got[name] - values, dtype=np.float64).mean())
        signal = float(np.square(values, dtype=np.float64).mean())
        worst = min(worst, 10 * np.log10((signal + 1e-12) / (noise + 1e-12)))
    return worst


@settings(max_examples=15)
@given(recurrent(), st.sampled_from((("", 18.0), ("activation=S16", 30.0))))
def test_recurrent_networks(model: onnx.ModelProto, form: tuple[str, float]) -> None:
    options, least = form
    inputs = random_inputs(model, 3)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in model.graph.output]
    expected = dict(zip(names, session.run(None, inputs[2]), strict=True))
    quantized = quantize(model, inputs, options)
    program = quantized.compile()
    got = program.run(inputs[2])
    assert _noise(expected, got) > least
    # A step of a Sigmoid or Tanh may differ, and small steps only.
    assert _noise(evaluate_reference(quantized.reference(), inputs[2]), got) > 35
    small = quantized.compile(ocm_bytes=1 << 13)
    assert small.findings() == []
    for name, values in small.run(inputs[2]).items():
        np.testing.assert_array_equal(values, got[name])


@settings(max_examples=15)
@given(rotary(), st.sampled_from(("", "activation=S16")))
def test_rotary_embedding(model: onnx.ModelProto, options: str) -> None:
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs, options)
    got = quantized.compile().run(inputs[1])
    reference = evaluate_reference(quantized.reference(), inputs[1])
    np.testing.assert_array_equal(got["y"], reference["y"])
    assert _noise(evaluate_reference(model, inputs[1]), got) > 25
