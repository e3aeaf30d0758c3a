"""Transposed convolutions that hand images on in squares, against `onnx.reference`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from road import Quantized, evaluate_reference, quantize, random_inputs

from pulsar2.dialects.sched.job import LayerOp
from pulsar2.pipeline import parse_passes, run_passes

_SIZE = (6, 10)


def enlarging(
    channels: Sequence[int], stride: int, behind: Sequence[NodeProto], outputs: dict[str, list[int]]
) -> onnx.ModelProto:
    """Transposed convolutions `t0` to `t1` and so on, each with a Relu, then the nodes `behind`."""
    rng = np.random.default_rng(sum(channels))
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    for index, (inputs, results) in enumerate(itertools.pairwise(channels)):
        w = rng.normal(0, inputs**-0.5, (inputs, results, stride, stride)).astype(np.float32)
        b = rng.normal(size=results).astype(np.float32)
        weights += [
            numpy_helper.from_array(w, f"w{index}"),
            numpy_helper.from_array(b, f"b{index}"),
        ]
        names = [f"t{index}", f"w{index}", f"b{index}"]
        strides = [stride, stride]
        nodes += [
            helper.make_node("ConvTranspose", names, [f"c{index}"], f"up{index}", strides=strides),
            helper.make_node("Relu", [f"c{index}"], [f"t{index + 1}"], f"relu{index}"),
        ]
    shapes = {"t0": [1, channels[0], *_SIZE]} | outputs
    graph = helper.make_graph(
        [*nodes, *behind],
        "enlarging",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT, shapes["t0"])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def scaled(channels: int, factor: int) -> list[int]:
    return [1, channels, _SIZE[0] * factor, _SIZE[1] * factor]


def groups(quantized: Quantized) -> list[int]:
    """Of how many groups the convolutions are, before columns are folded."""
    module = quantized.module.clone()
    run_passes(quantized.context, module, parse_passes("partition,convert-quant-to-sched"))
    layers = [op for op in module.walk() if isinstance(op, LayerOp)]
    return [int(dict(op.params.data)["group"]) for op in layers if op.kernel.data == "conv"]


_SIGMOID = helper.make_node("Sigmoid", ["t2"], ["y"], "sigmoid")
_POOL = helper.make_node("MaxPool", ["t2"], ["y"], "pool", kernel_shape=[2, 2])
_CONCAT = helper.make_node("Concat", ["t2", "t2"], ["y"], "twice", axis=1)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # A text detector's end: pixels of squares are groups, and squares are spread at the end.
        (enlarging((24, 24, 1), 2, [_SIGMOID], {"y": scaled(1, 4)}), [1, 4]),
        (enlarging((8, 5, 3), 2, [], {"t2": scaled(3, 4)}), [1, 4]),
        (enlarging((8, 5, 3), 2, [_CONCAT], {"y": scaled(6, 4)}), [1, 4]),
        (enlarging((8, 4, 2, 1), 2, [], {"t3": scaled(1, 8)}), [1, 4, 16]),
        (enlarging((4, 2, 1), 3, [_SIGMOID], {"y": scaled(1, 9)}), [1, 9]),
        # What reads rows too has them.
        (enlarging((8, 4, 2), 2, [_SIGMOID], {"y": scaled(2, 4), "t2": scaled(2, 4)}), [1, 4]),
        (enlarging((8, 4, 2), 2, [_SIGMOID], {"y": scaled(2, 4), "t1": scaled(4, 2)}), [1, 4]),
        # 32 channels fill the lanes row by row.
        (enlarging((8, 32, 2), 2, [], {"t2": scaled(2, 4), "t1": scaled(32, 2)}), [1, 1, 1]),
        (enlarging((8, 32, 2), 2, [], {"t2": scaled(2, 4)}), [1, 4]),
        (
            enlarging((8, 4, 2), 2, [_POOL], {"y": [1, 2, 4 * _SIZE[0] - 1, 4 * _SIZE[1] - 1]}),
            [1, 4],
        ),
    ],
    ids=["text", "rows", "concat", "thrice", "threes", "both", "middle", "wide", "between", "pool"],
)
def test_squares_hold_the_same_numbers(model: onnx.ModelProto, expected: list[int]) -> None:
    sample, feed = random_inputs(model, 2)
    quantized = quantize(model, [sample])
    assert groups(quantized) == expected
    reference = evaluate_reference(quantized.reference(), feed)
    for ocm_bytes, options in ((0, ""), (1 << 13, "slice-mode=true"), (1 << 12, "tile-mode=true")):
        program = quantized.compile("NPU2", ocm_bytes, "AX620E", options)
        assert program.findings() == []
        for name, values in program.run(feed).items():
            np.testing.assert_array_equal(values, reference[name], strict=True, err_msg=name)
