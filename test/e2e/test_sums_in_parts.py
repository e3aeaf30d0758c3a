"""Convolutions and matrix products whose sums are computed in parts, against `onnx.reference`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from road import Program, Quantized, evaluate_reference, quantize, random_inputs

from pulsar2.program import OPCODES_BY_CODE
from pulsar2.program import Program as Jobs


def _model(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], x: list[int], y: list[int]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
        [numpy_helper.from_array(array.astype(np.float32), n) for n, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def gemm(inputs: int, outputs: int) -> onnx.ModelProto:
    rng = np.random.default_rng(inputs)
    constants = {
        "w": rng.normal(0, inputs**-0.5, (outputs, inputs)),
        "b": rng.normal(size=outputs),
    }
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "gemm", transB=1)
    return _model([node], constants, [1, inputs], [1, outputs])


def conv(
    inputs: int, outputs: int, kernel: int, size: int, stride: int = 1, bias: bool = True
) -> onnx.ModelProto:
    rng = np.random.default_rng(inputs + outputs)
    deviation = (inputs * kernel**2) ** -0.5
    constants = {"w": rng.normal(0, deviation, (outputs, inputs, kernel, kernel))}
    if bias:
        constants["b"] = rng.normal(size=outputs)
    pad = kernel // 2
    out = (size + 2 * pad - kernel) // stride + 1
    node = helper.make_node(
        "Conv", ["x", *constants], ["y"], "conv", pads=[pad] * 4, strides=[stride] * 2
    )
    return _model([node], constants, [1, inputs, size, size], [1, outputs, out, out])


def kernels(program: Program) -> Counter[str]:
    """How many jobs of each kernel there are."""
    codes = [each.code for each in program.compiled.programs]
    return Counter(
        OPCODES_BY_CODE[job.opcode].name for code in codes for job in Jobs.decode(code).jobs
    )


def check(
    quantized: Quantized, model: onnx.ModelProto, ocm_bytes: int, mode: str = "NPU1", **more: str
) -> Counter[str]:
    """Compiles, proves the schedule, compares the bits; the kernels that were called."""
    (feed,) = random_inputs(model, 1, seed=1)
    program = quantized.compile(mode, ocm_bytes, **more)
    assert program.findings() == []
    expected = evaluate_reference(quantized.reference(), feed)
    for name, values in program.run(feed, threads=2).items():
        np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=name)
    for outputs in program.run_in_order(feed, order=3):
        np.testing.assert_array_equal(outputs["y"], expected["y"])
    return kernels(program)


@pytest.mark.parametrize(
    ("model", "ocm_bytes"),
    [
        (gemm(25088, 96), 16 << 10),
        (conv(2048, 80, 3, 7), 16 << 10),
        (conv(512, 200, 1, 14, 2), 8 << 10),
    ],
    ids=["gemm", "conv3x3", "conv1x1"],
)
def test_a_reduction_beyond_the_memory(model: onnx.ModelProto, ocm_bytes: int) -> None:
    """A column of weights is larger than the OCM, or most of it."""
    quantized = quantize(model, random_inputs(model, 1))
    assert not {"conv_sums", "matmul_sums"} & kernels(quantized.compile()).keys()
    for mode in ("NPU1", "NPU3"):
        found = check(quantized, model, ocm_bytes, mode)
        assert found["conv_sums"] + found["matmul_sums"] > 0


@pytest.mark.parametrize(
    "options", ["", "activation=S8", "activation=U16", "activation=S16", "bias=FP32"]
)
def test_number_formats(options: str) -> None:
    """Sums of 16 bits are S64."""
    model = conv(300, 70, 3, 5)
    quantized = quantize(model, random_inputs(model, 1), options)
    found = check(quantized, model, 8 << 10)
    assert found["conv_sums"] > 0


def test_computed_factors() -> None:
    """Both factors of a product are computed, and lie in DDR."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"], "product")
    graph = helper.make_graph(
        [node],
        "product",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [2, 20, 3000]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [2, 3000, 30]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 20, 30])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    quantized = quantize(model, random_inputs(model, 1))
    for mode in ("NPU1", "NPU3"):
        assert check(quantized, model, 4 << 10, mode)["matmul_sums"] > 0


@given(
    inputs=st.integers(33, 260),
    outputs=st.integers(1, 90),
    kernel=st.sampled_from([1, 3]),
    size=st.integers(1, 12),
    stride=st.integers(1, 2),
    bias=st.booleans(),
    ocm_bytes=st.sampled_from([2 << 10, 3 << 10, 4 << 10, 8 << 10, 16 << 10]),
    case=st.sampled_from(
        [("AX650", "NPU1"), ("AX650", "NPU3"), ("AX615", "NPU1"), ("AX620E", "NPU2")]
    ),
)
@settings(max_examples=20, deadline=None)
def test_random_convolutions(
    inputs: int,
    outputs: int,
    kernel: int,
    size: int,
    stride: int,
    bias: bool,
    ocm_bytes: int,
    case: tuple[str, str],
) -> None:
    model = conv(inputs, outputs, kernel, size, stride, bias)
    quantized = quantize(model, random_inputs(model, 1))
    check(quantized, model, ocm_bytes, case[1], target=case[0])
