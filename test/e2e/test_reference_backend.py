"""Reference and NPUBackend: each layer within one step of the other, with no bias."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import Phase, given, settings
from onnx import helper, numpy_helper
from random_graphs import EXACT, FUNCTIONS, SENSITIVE, models
from road import random_inputs

from bench.agreement import measure_agreement
from bench.networks import mobilenet_v2, vit_tiny


@pytest.mark.parametrize("options", ["", "activation=U16", "activation=S8 bias=FP32"])
def test_random_graphs(options: str) -> None:
    shares: list[float] = []
    biases: list[float] = []

    @settings(max_examples=8, phases=(Phase.explicit, Phase.generate))
    @given(models((*EXACT, *SENSITIVE, *FUNCTIONS), steps=4))
    def check(model: onnx.ModelProto) -> None:
        found = measure_agreement(model, random_inputs(model, 3), options)
        assert found.worst <= 1, found
        assert found.float_error <= 1e-5, found
        shares.append(found.share)
        biases.append(found.bias)

    check()
    assert np.mean(shares) < 0.01
    assert abs(np.mean(biases)) < 0.002


@pytest.mark.parametrize(
    "model",
    [
        mobilenet_v2(size=64, width=0.5, classes=10, stages=4),
        vit_tiny(size=32, depth=1, classes=10),
    ],
    ids=["mobilenet_v2", "vit_tiny"],
)
def test_networks(model: onnx.ModelProto) -> None:
    found = measure_agreement(model, random_inputs(model, 3))
    assert found.layers > 10
    assert found.worst <= 1, found
    assert found.share < 1e-3, found
    assert abs(found.bias) < 1e-4, found


@pytest.mark.parametrize("activation", ["U8", "U16", "S16"])
def test_operators_that_onnx_runtime_lacks_for_16_bits(activation: str) -> None:
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Pad", ["e", "pads", "one"], ["p"]),
        helper.make_node("Neg", ["p"], ["n"]),
        helper.make_node("Greater", ["p", "one"], ["g"]),
        helper.make_node("Where", ["g", "n", "p"], ["y"]),
        helper.make_node("ArgMax", ["y"], ["greatest"], axis=1, keepdims=1),
        helper.make_node("TopK", ["y", "two"], ["top", "places"]),
    ]
    constants = {
        "pads": np.asarray([0, 1, 0, 2], np.int64),
        "one": np.asarray(1, np.float32),
        "two": np.asarray([2], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [3, 8])],
        [helper.make_tensor_value_info(n, t, None) for n, t in (("greatest", 7), ("places", 7))],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8)
    )
    found = measure_agreement(model, random_inputs(model, 2), f"activation={activation}")
    assert found.layers >= 7
    assert found.worst <= 1, found
    assert found.float_error == 0, found
