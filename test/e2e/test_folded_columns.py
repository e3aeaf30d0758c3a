"""Convolutions in folded columns, against `onnx.reference`."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from road import Quantized, evaluate_reference, quantize, random_inputs

from pulsar2.dialects.sched.job import LayerOp
from pulsar2.pipeline import parse_passes, run_passes


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, pad: int, size: int
) -> onnx.ModelProto:
    """A convolution to an image of `size` by `size`."""
    rng = np.random.default_rng(inputs + outputs + kernel)
    extent = (size - 1) * stride + kernel - 2 * pad
    extent += extent % 2  # a column that nothing reads
    deviation = (inputs * kernel**2) ** -0.5
    weights = rng.normal(0, deviation, (outputs, inputs, kernel, kernel)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], "conv", strides=[stride] * 2, pads=[pad] * 4
    )
    graph = helper.make_graph(
        [node],
        "folded",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inputs, extent, extent])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, outputs, size, size])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _way(quantized: Quantized, inputs: int) -> str:
    """How the convolution became layers on a chip of one conv unit."""
    module = quantized.module.clone()
    passes = "partition,convert-quant-to-sched{target=AX620E npu-mode=NPU2},sched-fold-columns"
    run_passes(quantized.context, module, parse_passes(passes))
    layers = [op for op in module.walk() if isinstance(op, LayerOp)]
    convs = [layer for layer in layers if layer.kernel.data == "conv"]
    if len(convs) > 1:
        return "parts"
    if dict(convs[0].params.data)["group"] != 1:
        return "apart"
    return "merged" if convs[0].view(0).shape[1] > inputs else "folded"


@pytest.mark.parametrize(
    ("way", "inputs", "outputs", "kernel", "stride", "pad", "size"),
    [
        ("folded", 16, 16, 3, 1, 1, 32),
        ("folded", 3, 8, 3, 2, 1, 32),
        ("merged", 40, 16, 1, 1, 0, 32),
        ("apart", 24, 4, 1, 1, 0, 32),
        ("apart", 24, 2, 2, 2, 0, 32),
        ("parts", 128, 80, 5, 1, 2, 48),
    ],
)
def test_folded_convolutions_compute_the_same_bits(
    way: str, inputs: int, outputs: int, kernel: int, stride: int, pad: int, size: int
) -> None:
    model = convolution(inputs, outputs, kernel, stride, pad, size)
    sample, feed = random_inputs(model, 2)
    quantized = quantize(model, [sample])
    assert _way(quantized, inputs) == way
    expected = evaluate_reference(quantized.reference(), feed)
    for ocm_bytes in (0, 1 << 18):
        program = quantized.compile("NPU2", ocm_bytes, "AX620E", "slice-mode=true")
        assert program.findings() == []
        for name, values in program.run(feed).items():
            np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=name)
