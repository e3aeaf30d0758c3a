"""Fused layers: random networks compute the same bits fused and layer by layer."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from random_graphs import Draw, Sketch, conv
from road import Quantized, quantize, random_inputs
from xdsl.dialects.builtin import ModuleOp

from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.targets import load_target
from pulsar2.timeline import Timeline

_OPTIONS = ("slice-mode=true", "tile-mode=true")
_OCM_BYTES = (1 << 11, 1 << 12, 1 << 13, 1 << 14)
_MATRIX_OCM_BYTES = (1 << 14, 1 << 15, 1 << 16)


def _same(sketch: Sketch) -> None:
    """A convolution of size 1 or 3, or a depthwise one, that keeps the image's size."""
    x = sketch.image()
    assert x is not None
    _, channels, height, width = sketch.live[x]
    kernel = sketch.pick({1, 3})
    depthwise = sketch.flag() and sketch.flag()
    outputs = channels if depthwise else sketch.integer(1, 12)
    inputs = 1 if depthwise else channels
    w = sketch.weight(outputs, inputs, kernel, kernel, deviation=(inputs * kernel**2) ** -0.5)
    pads = [kernel // 2] * 4
    group = channels if depthwise else 1
    sketch.node("Conv", [x, w], (1, outputs, height, width), pads=pads, group=group)


def _add(sketch: Sketch) -> None:
    x = sketch.image()
    assert x is not None
    partners = [name for name, shape in sketch.live.items() if shape == sketch.live[x]]
    sketch.node("Add", [x, sketch.pick(partners)], sketch.live[x])


def _concat(sketch: Sketch) -> None:
    x = sketch.image()
    assert x is not None
    shape = sketch.live[x]
    partners = [n for n, s in sketch.live.items() if s[2:] == shape[2:] and n != x]
    if partners:
        other = sketch.pick(partners)
        channels = shape[1] + sketch.live[other][1]
        sketch.node("Concat", [x, other], (1, channels, *shape[2:]), axis=1)


def _pool(sketch: Sketch) -> None:
    x = sketch.image()
    assert x is not None
    _, channels, height, width = sketch.live[x]
    stride = sketch.integer(1, 2)
    out = (1, channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
    sketch.node(
        "MaxPool", [x], out, kernel_shape=[3, 3], strides=[stride, stride], pads=[1, 1, 1, 1]
    )


def _resize(sketch: Sketch) -> None:
    x = sketch.image()
    assert x is not None
    _, channels, height, width = sketch.live[x]
    if height > 24:
        return
    scales = sketch.constant(np.array([1, 1, 2, 2], np.float32))
    sketch.node(
        "Resize",
        [x, "", scales],
        (1, channels, 2 * height, 2 * width),
        mode=sketch.pick({"nearest", "linear"}),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@st.composite
def image_networks(draw: Draw) -> onnx.ModelProto:
    """Networks on images of up to 40 by 40; every tensor that nothing reads is an output."""
    sketch = Sketch(draw, np.random.default_rng(draw(st.integers(0, 2**31))))
    shape = (1, sketch.integer(1, 8), sketch.integer(12, 40), sketch.integer(12, 40))
    sketch.live["input"] = shape
    for _ in range(sketch.integer(3, 8)):
        draw(st.sampled_from((_same, _same, _add, _concat, _pool, _resize, conv)))(sketch)
    if not sketch.nodes:
        _same(sketch)
    read = {name for node in sketch.nodes for name in node.input}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in sketch.shapes.items()
        if name not in read
    ]
    graph = helper.make_graph(
        sketch.nodes,
        "images",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        outputs,
        sketch.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


@st.composite
def matrix_networks(draw: Draw) -> onnx.ModelProto:
    """Chains on some matrices behind each other, as attention has them, and one output."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    heads, rows, columns = (draw(st.integers(a, b)) for a, b in ((1, 4), (64, 160), (16, 96)))
    shapes = {"t0": (1, heads, rows, columns)}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def given_as(name: str, *shape: int) -> str:
        shapes[name] = shape
        return name

    kinds = ("product", "weights", "Softmax", "Relu", "Sigmoid", "Add", "double", "norm")
    for step in range(draw(st.integers(2, 6))):
        x, y = f"t{step}", f"t{step + 1}"
        kind = draw(st.sampled_from(kinds))
        if kind in ("product", "weights"):
            width = draw(st.integers(16, 160))
            other = f"w{step}"
            if kind == "product":
                given_as(other, 1, heads, columns, width)
            else:
                values = rng.normal(0, columns**-0.5, (columns, width)).astype(np.float32)
                constants.append(onnx.numpy_helper.from_array(values, other))
            nodes.append(helper.make_node("MatMul", [x, other], [y], y))
            columns = width
        elif kind == "Softmax":
            axis = draw(st.sampled_from((-1, -1, 2)))
            nodes.append(helper.make_node("Softmax", [x], [y], y, axis=axis))
        elif kind == "norm":
            scale = rng.normal(1, 0.2, columns).astype(np.float32)
            constants.append(onnx.numpy_helper.from_array(scale, f"s{step}"))
            nodes.append(helper.make_node("LayerNormalization", [x, f"s{step}"], [y], y))
        elif kind in ("Add", "double"):
            other = given_as(f"a{step}", 1, heads, rows, columns) if kind == "Add" else x
            nodes.append(helper.make_node("Add", [x, other], [y], y))
        else:
            nodes.append(helper.make_node(kind, [x], [y], y))
    graph = helper.make_graph(
        nodes,
        "matrices",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, (1, heads, rows, columns))],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _fused(quantized: Quantized, ocm_bytes: int, option: str) -> int:
    """How many layers are fused."""
    module: ModuleOp = quantized.module.clone()
    passes = (
        f"partition,convert-quant-to-sched{{ocm-bytes={ocm_bytes}}},sched-fold-columns,"
        f"sched-plan-tiles{{{option}}}"
    )
    run_passes(quantized.context, module, parse_passes(passes))
    return sum(isinstance(op, LayerOp) and op.fusion is not None for op in module.walk())


@pytest.mark.parametrize(
    ("networks", "sizes"),
    [(image_networks(), _OCM_BYTES), (matrix_networks(), _MATRIX_OCM_BYTES)],
    ids=["images", "matrices"],
)
def test_fused_layers_compute_the_same_bits(
    networks: st.SearchStrategy[onnx.ModelProto], sizes: tuple[int, ...]
) -> None:
    fused = dict.fromkeys(_OPTIONS, 0)

    @settings(max_examples=40)
    @given(
        networks,
        st.sampled_from(sizes),
        st.sampled_from(["NPU1", "NPU3"]),
        st.sampled_from(_OPTIONS),
    )
    def check(model: onnx.ModelProto, ocm_bytes: int, npu_mode: str, option: str) -> None:
        inputs = random_inputs(model, 2)
        quantized = quantize(model, inputs[:1])
        try:
            program = quantized.compile(npu_mode, ocm_bytes, options=option)
        except UserError:
            return  # not even the smallest tile fits
        assert program.findings() == []
        fused[option] += _fused(quantized, ocm_bytes, option) > 0
        expected = quantized.compile().run(inputs[1])
        got = program.run(inputs[1])
        (shuffled,) = program.run_in_order(inputs[1], order=1)
        for name, values in expected.items():
            np.testing.assert_array_equal(got[name], values, strict=True, err_msg=name)
            if name in shuffled:  # two outputs may be one tensor to the program
                np.testing.assert_array_equal(shuffled[name], values, strict=True, err_msg=name)

    check()
    # About every fifth drawing is fused: with none of 40, drawing or fusing is broken.
    assert sum(fused.values()) >= 1


def _perceptron(height: int, width: int, channels: int, hidden: int) -> onnx.ModelProto:
    """A block of a transformer on an image of tokens, [1, height, width, channels]."""
    rng = np.random.default_rng(0)
    shape = [1, height, width, channels]
    values = {
        "scale": rng.normal(1, 0.1, channels),
        "w1": rng.normal(0, channels**-0.5, (channels, hidden)),
        "w2": rng.normal(0, hidden**-0.5, (hidden, channels)),
    }
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale"], ["n"], "norm"),
        helper.make_node("MatMul", ["n", "w1"], ["h"], "first"),
        helper.make_node("Sigmoid", ["h"], ["a"], "activation"),
        helper.make_node("MatMul", ["a", "w2"], ["o"], "second"),
        helper.make_node("Add", ["x", "o"], ["y"], "residual"),
    ]
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(v.astype(np.float32), n) for n, v in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_perceptron_on_an_image_of_tokens_keeps_its_hidden_tensor_in_ocm() -> None:
    """Products see rows where the layers between them see rows and columns of an image."""
    model = _perceptron(24, 24, 16, 64)
    x, y = random_inputs(model, 2)
    quantized = quantize(model, [x])
    ocm_bytes = 32 << 10  # the hidden tensor takes 36 KiB
    assert _fused(quantized, ocm_bytes, "slice-mode=true") >= 3
    program = quantized.compile("NPU1", ocm_bytes, options="slice-mode=true")
    assert program.findings() == []
    np.testing.assert_array_equal(program.run(y)["y"], quantized.compile().run(y)["y"], strict=True)
    timeline = Timeline.of(program.compiled.programs[0].code, load_target("AX650").timing)
    assert sum(timeline.traffic_by_kind[kind] for kind in ("ld:ddr_swap", "st:ddr_swap")) == 0


@pytest.mark.parametrize(("ocm_bytes", "option"), [(1 << 11, "tile-mode"), (1 << 12, "slice-mode")])
def test_one_part_of_a_concatenation_is_made_of_the_other(ocm_bytes: int, option: str) -> None:
    """The layer reads what was written to the very tensor that it writes to, in the same slice."""
    weights = np.random.default_rng(0).normal(size=(12, 7, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Add", ["c", "c"], ["d"], "double"),
        helper.make_node("Concat", ["c", "d"], ["y"], "both", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "parts",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 7, 42, 26))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 24, 42, 26))],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1])
    assert _fused(quantized, ocm_bytes, f"{option}=true") > 2
    program = quantized.compile(ocm_bytes=ocm_bytes, options=f"{option}=true")
    expected, got = quantized.compile().run(inputs[1]), program.run(inputs[1])
    np.testing.assert_array_equal(got["y"], expected["y"], strict=True)
