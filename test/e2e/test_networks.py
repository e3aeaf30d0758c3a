"""Small networks of real architectures through the whole road."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from road import Quantized, Tensors, evaluate_reference, quantize, random_inputs

from bench.networks import mobilenet_v1, mobilenet_v2, resnet18, resnet50, squeezenet1_1

_NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "mobilenet_v1": lambda: mobilenet_v1(size=32, classes=10),
    "mobilenet_v2": lambda: mobilenet_v2(size=64, width=0.5, classes=10, batch_norm=True),
    "resnet18": lambda: resnet18(size=64, width=16, classes=10, batch_norm=True),
    "resnet50": lambda: resnet50(size=32, width=16, classes=10, repeats=(1, 2, 1, 1)),
    "squeezenet1_1": lambda: squeezenet1_1(size=64, classes=10),
}
_CALIBRATION = 8


@cache
def _quantized(name: str) -> tuple[onnx.ModelProto, Tensors, Quantized]:
    model = _NETWORKS[name]()
    inputs = random_inputs(model, _CALIBRATION + 1)
    return model, inputs[-1], quantize(model, inputs[:-1])


@pytest.fixture(params=_NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[onnx.ModelProto, Tensors, Quantized]:
    """The float model, an input that calibration has not seen, and the quantized module."""
    return _quantized(request.param)


def test_close_to_float(network: tuple[onnx.ModelProto, Tensors, Quantized]) -> None:
    model, inputs, quantized = network
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = np.asarray(session.run(["output"], inputs)[0]).ravel()
    got = quantized.compile().run(inputs)["output"].ravel()
    norms = np.linalg.norm(expected) * np.linalg.norm(got)
    assert expected @ got >= 0.98 * norms


def test_same_bits_as_onnx(network: tuple[onnx.ModelProto, Tensors, Quantized]) -> None:
    _, inputs, quantized = network
    expected = evaluate_reference(quantized.reference(), inputs)
    got = quantized.compile().run(inputs)
    np.testing.assert_array_equal(got["output"], expected["output"], strict=True)


def test_same_bits_on_every_schedule(
    network: tuple[onnx.ModelProto, Tensors, Quantized],
) -> None:
    """On one, two and three groups, and with ever less OCM, down to where everything swaps."""
    _, inputs, quantized = network
    expected = quantized.compile().run(inputs)["output"]
    schedules = [("NPU2", 0), ("NPU3", 0), ("NPU1", 1 << 17), ("NPU1", 1 << 16), ("NPU3", 1 << 16)]
    for npu_mode, ocm_bytes in schedules:
        program = quantized.compile(npu_mode, ocm_bytes)
        assert program.findings() == []
        np.testing.assert_array_equal(program.run(inputs, threads=2)["output"], expected)
        (shuffled,) = program.run_in_order(inputs, order=1)
        np.testing.assert_array_equal(shuffled["output"], expected)


def test_same_bytes_twice(network: tuple[onnx.ModelProto, Tensors, Quantized]) -> None:
    model, _, quantized = network
    again = quantize(model, random_inputs(model, _CALIBRATION + 1)[:-1])
    assert again.compile().bytes() == quantized.compile().bytes()
