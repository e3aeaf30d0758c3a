"""Operators on images, on every chip: the same bits, and those of onnx.reference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from road import Program, evaluate_reference, quantize, random_inputs, run

from pulsar2.driver.container import compile_container
from pulsar2.targets import load_target

_CHIPS = {
    "AX650": "NPU3",
    "M76H": "NPU1",
    "AX620E": "NPU2",
    "AX615": "NPU2",
    "M57": "NPU1",
}


def _model(operators: frozenset[str]) -> onnx.ModelProto:
    """x [1, 6, 9, 10] through those of the operators on images that are in `operators`."""
    rng = np.random.default_rng(3)
    constants = {
        "scales": np.array([1, 1, 2, 2.5], np.float32),
        "sizes": np.array([1, 6, 13, 7], np.int64),
        "w": rng.normal(size=(6, 8, 4, 3)).astype(np.float32),
        "b": rng.normal(size=8).astype(np.float32),
        "grid": rng.uniform(-1.3, 1.3, (1, 11, 5, 2)).astype(np.float32),
        "rois": np.array([[0, 1, 7, 6], [2.5, 3, 12, 9]], np.float32),
        "images": np.zeros(2, np.int64),
    }
    nodes = [
        helper.make_node(
            "Resize", ["x", "", "scales"], ["near"], "near", mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["linear"], "linear", mode="linear"),
        helper.make_node(
            "ConvTranspose", ["x", "w", "b"], ["up"], "up", strides=[2, 3], pads=[1, 0, 1, 0]
        ),
        helper.make_node(
            "GridSample", ["x", "grid"], ["sampled"], "sampled", padding_mode="border"
        ),
        helper.make_node(
            "RoiAlign", ["x", "rois", "images"], ["regions"], "regions", output_height=3,
            output_width=4, sampling_ratio=2,
        ),
    ]  # fmt: skip
    nodes = [node for node in nodes if node.op_type in operators]
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "images",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6, 9, 10])],
        [helper.make_tensor_value_info(n.output[0], TensorProto.FLOAT, None) for n in nodes],
        [numpy_helper.from_array(v, k) for k, v in constants.items() if k in read],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


@pytest.mark.parametrize("chip", _CHIPS)
@pytest.mark.parametrize("activation", ["U8", "S16"])
def test_every_chip_computes_what_onnx_says(chip: str, activation: str) -> None:
    model = _model(frozenset(load_target(chip).operators))
    assert len(model.graph.node) >= 3
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1], f"activation={activation}")
    expected = evaluate_reference(quantized.reference(), inputs[1])
    for ocm_bytes in (0, 1 << 14, 1 << 12):
        module = quantized.module.clone()
        options = f"target={chip} npu-mode={_CHIPS[chip]} ocm-bytes={ocm_bytes}"
        run(f"partition,schedule{{{options}}},emit", module, quantized.context)
        program = Program(compile_container(module, quantized.context, macs=0))
        assert program.findings() == []
        got = program.run(inputs[1])
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(got[name], values, strict=True, err_msg=name)
