"""Random small ONNX models, as hypothesis strategies, for the oracle tests.

A model is a chain with branches: each step takes live tensors, so joins (Add, Mul, Concat) and
tensors with several readers occur by themselves. Values stay of order one: every weight is scaled
to its reduction length. The pools of operators are split by what ``numerics.md`` promises:
``EXACT`` operators agree with ``onnx.reference`` on every element; so do ``SENSITIVE`` ones, whose
results small errors of their operands may change at will; ``FUNCTIONS`` have an f32
function inside and agree to one step of the output type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass
class Sketch:
    """A graph in the making. ``live`` maps tensor names to shapes."""

    draw: Draw
    rng: np.random.Generator
    live: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    opset: int = 17
    integers: set[str] = field(default_factory=set)
    """Tensors of integers or truth values, which are not live."""

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(sorted(options)))

    def weight(self, *shape: int, deviation: float = 1.0) -> str:
        return self.constant(self.rng.normal(0.0, deviation, shape).astype(np.float32))

    def constant(self, value: Array) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> str:
        index = len(self.nodes)
        output = f"t{index}"
        self.nodes.append(helper.make_node(op, inputs, [output], f"{op}_{index}", **attributes))
        self.live[output] = self.shapes[output] = shape
        return output

    def image(self) -> str | None:
        """A live tensor of rank 4, or None."""
        images = [name for name, shape in self.live.items() if len(shape) == 4]
        return self.pick(images) if images else None


def _window(sketch: Sketch, size: int, largest: int) -> tuple[int, int, int, int, int, int]:
    """kernel, stride, dilation, begin and end padding, output size of one dimension."""
    kernel = sketch.integer(1, largest)
    dilation = sketch.integer(1, 2)
    span = (kernel - 1) * dilation + 1
    begin, end = sketch.integer(0, kernel - 1), sketch.integer(0, kernel - 1)
    if size + begin + end < span:
        kernel, dilation, span = 1, 1, 1
        begin = end = 0
    stride = sketch.integer(1, 3)
    return kernel, stride, dilation, begin, end, (size + begin + end - span) // stride + 1


def conv(sketch: Sketch) -> None:
    """Convolution of any group, stride, dilation and padding, maybe with BatchNormalization."""
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    group = sketch.pick({g for g in range(1, channels + 1) if channels % g == 0})
    outputs = group * sketch.integer(1, max(1, 24 // group))
    kh, sh, dh, top, bottom, oh = _window(sketch, height, 5)
    kw, sw, dw, left, right, ow = _window(sketch, width, 5)
    fan_in = channels // group * kh * kw
    operands = [
        x,
        sketch.weight(outputs, channels // group, kh, kw, deviation=1 / math.sqrt(fan_in)),
    ]
    if sketch.flag():
        operands.append(sketch.weight(outputs, deviation=0.3))
    y = sketch.node(
        "Conv",
        operands,
        (batch, outputs, oh, ow),
        kernel_shape=[kh, kw],
        strides=[sh, sw],
        dilations=[dh, dw],
        pads=[top, left, bottom, right],
        group=group,
    )
    if sketch.flag() and sketch.flag():
        variance = sketch.constant(sketch.rng.uniform(0.5, 1.5, outputs).astype(np.float32))
        parameters = [sketch.weight(outputs) for _ in range(3)]
        del sketch.live[y]
        y = sketch.node("BatchNormalization", [y, *parameters, variance], (batch, outputs, oh, ow))
    _maybe_activation(sketch, y)


def deep_convs(sketch: Sketch) -> None:
    """Two convolutions with many channels between them."""
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    between, outputs = sketch.integer(33, 200), sketch.integer(1, 24)
    wide = sketch.weight(between, channels, 1, 1, deviation=1 / math.sqrt(channels))
    x = sketch.node("Conv", [x, wide], (batch, between, height, width), kernel_shape=[1, 1])
    size = sketch.pick({1, 3})
    deviation = 1 / math.sqrt(between * size**2)
    deep = [sketch.weight(outputs, between, size, size, deviation=deviation)]
    if sketch.flag():
        deep.append(sketch.weight(outputs, deviation=0.3))
    pads, shape = [size // 2] * 4, (batch, outputs, height, width)
    y = sketch.node("Conv", [x, *deep], shape, kernel_shape=[size, size], pads=pads)
    sketch.live.pop(x)
    _maybe_activation(sketch, y)


def _maybe_activation(sketch: Sketch, x: str) -> None:
    shape = sketch.live[x]
    kind = sketch.pick({"none", "Relu", "Relu6", "Clip"})
    if kind == "Relu":
        sketch.node("Relu", [x], shape)
    elif kind != "none":
        bounds = (0.0, 6.0) if kind == "Relu6" else (-0.7, 0.9)
        limits = [sketch.constant(np.array(bound, np.float32)) for bound in bounds]
        sketch.node("Clip", [x, *limits], shape)
    if kind != "none" and sketch.flag():
        sketch.live.pop(x)


def gemm(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    inputs, outputs = math.prod(shape[1:]), sketch.integer(1, 40)
    if inputs > 4096:
        return
    if len(shape) != 2:
        x = sketch.node("Flatten", [x], (shape[0], inputs), axis=1)
    transposed = sketch.flag()
    dimensions = (outputs, inputs) if transposed else (inputs, outputs)
    operands = [x, sketch.weight(*dimensions, deviation=1 / math.sqrt(inputs))]
    if sketch.flag():
        operands.append(sketch.weight(outputs, deviation=0.3))
    y = sketch.node("Gemm", operands, (shape[0], outputs), transB=int(transposed))
    _maybe_activation(sketch, y)


def matmul(sketch: Sketch) -> None:
    """MatMul with a constant, or of two live tensors."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    inner, deviation = shape[-1], 1 / math.sqrt(shape[-1])
    partners = [
        name
        for name, other in sketch.live.items()
        if len(other) == len(shape) and other[-2] == inner and other[:-2] == shape[:-2]
    ]
    if partners and sketch.flag():
        other = sketch.pick(partners)
        sketch.node("MatMul", [x, other], (*shape[:-1], sketch.live[other][-1]))
        return
    outputs = sketch.integer(1, 24)
    sketch.node(
        "MatMul", [x, sketch.weight(inner, outputs, deviation=deviation)], (*shape[:-1], outputs)
    )


def binary(sketch: Sketch) -> None:
    """Add or Mul of two live tensors of one shape, or with a broadcast constant."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    partners = [name for name, other in sketch.live.items() if other == shape]
    if sketch.flag():
        other = sketch.pick(partners)
    else:
        kept = [extent if sketch.flag() else 1 for extent in shape]
        other = sketch.weight(*kept)
    operands = [x, other] if sketch.flag() else [other, x]
    y = sketch.node(sketch.pick({"Add", "Mul"}), operands, shape)
    _maybe_activation(sketch, y)


def pool(sketch: Sketch) -> None:
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    maximum = sketch.flag()
    kh, sh, dh, top, bottom, oh = _window(sketch, height, 4)
    kw, sw, dw, left, right, ow = _window(sketch, width, 4)
    padding = [top, left, bottom, right]
    if max(dh, dw) > 1 and (any(padding) or not maximum):
        return  # a dilated window could lie in the padding alone
    if maximum and sh == sw == dh == dw == 1 and len(set(padding)) > 1:
        return  # onnx.reference takes the paddings of such a pool in another order
    attributes: dict[str, Any] = {} if maximum else {"count_include_pad": int(sketch.flag())}
    if maximum:
        attributes["dilations"] = [dh, dw]
    sketch.node(
        "MaxPool" if maximum else "AveragePool",
        [x],
        (batch, channels, oh, ow),
        kernel_shape=[kh, kw],
        strides=[sh, sw],
        pads=padding,
        **attributes,
    )


def global_pool(sketch: Sketch) -> None:
    x = sketch.image()
    if x is not None:
        sketch.node("GlobalAveragePool", [x], (*sketch.live[x][:2], 1, 1))


def concat(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    axis = sketch.integer(0, len(shape) - 1)
    partners = [
        name
        for name, other in sketch.live.items()
        if other[:axis] + other[axis + 1 :] == shape[:axis] + shape[axis + 1 :]
    ]
    parts = [x, sketch.pick(partners)]
    total = sum(sketch.live[part][axis] for part in parts)
    if axis > 0:
        sketch.node("Concat", parts, (*shape[:axis], total, *shape[axis + 1 :]), axis=axis)


def transpose(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    permutation = [0, *sketch.draw(st.permutations(range(1, len(shape))))]
    sketch.node("Transpose", [x], tuple(shape[axis] for axis in permutation), perm=permutation)


def reshape(sketch: Sketch) -> None:
    """Merge the last dimensions, or split the channels."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    if len(shape) > 2 and sketch.flag():
        target = (*shape[:-2], shape[-2] * shape[-1])
    else:
        factor = sketch.pick({f for f in range(1, shape[1] + 1) if shape[1] % f == 0})
        target = (shape[0], shape[1] // factor, factor * math.prod(shape[2:]))
    sketch.node("Reshape", [x, sketch.constant(np.array(target, np.int64))], target)


def pad(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    begins, ends = ([0, *(sketch.integer(0, 2) for _ in shape[1:])] for _ in range(2))
    padded = tuple(b + extent + e for b, extent, e in zip(begins, shape, ends, strict=True))
    operands = [x, sketch.constant(np.array(begins + ends, np.int64))]
    if sketch.flag():
        operands.append(sketch.constant(np.array(0.25, np.float32)))
    sketch.node("Pad", operands, padded, mode="constant")


def normalization(sketch: Sketch) -> None:
    """An operator that divides groups of elements by a norm of theirs."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    rank, channels = len(shape), shape[1]
    kinds = {"LayerNormalization", "RMSNormalization", "GroupNormalization", "LpNormalization"}
    op = sketch.pick(kinds if rank < 3 else kinds | {"InstanceNormalization"})
    attributes: dict[str, Any] = {"epsilon": sketch.pick({1e-5, 1e-12, 0.1})}
    factors: tuple[int, ...] = (channels,)
    if op == "LpNormalization":
        attributes, factors = {"axis": sketch.integer(1, rank - 1), "p": sketch.integer(1, 2)}, ()
    elif op == "GroupNormalization":
        divisors = {g for g in range(1, channels + 1) if channels % g == 0}
        attributes["num_groups"] = sketch.pick(divisors)
        sketch.opset = max(sketch.opset, 21)
    elif op != "InstanceNormalization":
        attributes["axis"] = sketch.integer(1, rank - 1)
        factors = shape[attributes["axis"] :]
        if op == "RMSNormalization":
            sketch.opset = 23
    operands = [x]
    if factors:
        operands.append(sketch.weight(*factors))
        optional = op == "LayerNormalization" and sketch.flag()
        if op != "RMSNormalization" and not optional:
            operands.append(sketch.weight(*factors))
    y = sketch.node(op, operands, shape, **attributes)
    if op != "LpNormalization":
        _maybe_activation(sketch, y)


def norm_reduction(sketch: Sketch) -> None:
    """ReduceL1, ReduceL2 or ReduceSumSquare along any axes but the batch."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    axes = sorted({sketch.integer(1, len(shape) - 1) for _ in range(2)})
    keep = len(shape) - len(axes) < 2 or sketch.flag()
    reduced = tuple(1 if d in axes else n for d, n in enumerate(shape) if keep or d not in axes)
    op = sketch.pick({"ReduceL1", "ReduceL2", "ReduceSumSquare"})
    sketch.opset = max(sketch.opset, 18)
    operands = [x, sketch.constant(np.array(axes, np.int64))]
    sketch.node(op, operands, reduced, keepdims=int(keep))


def cum_sum(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    axis = sketch.constant(np.array(sketch.integer(1, len(shape) - 1), np.int64))
    flags = {"exclusive": int(sketch.flag()), "reverse": int(sketch.flag())}
    sketch.node("CumSum", [x, axis], shape, **flags)


def prelu(sketch: Sketch) -> None:
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    slopes = (shape[1], *(1 for _ in shape[2:])) if sketch.flag() else (1,)
    sketch.node("PRelu", [x, sketch.weight(*slopes, deviation=0.3)], shape)


def function(sketch: Sketch) -> None:
    """An operator with an f32 function inside, or whose tables come from one."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    op = sketch.pick(
        {"Sigmoid", "HardSwish", "HardSigmoid", "Softmax", "LogSoftmax", "ReduceLogSumExp", "Pow"}
    )
    if op == "Pow":
        base = sketch.node("Abs", [x], shape)
        exponent = sketch.constant(np.array(sketch.pick({0.5, 1.7, 2.0, 3.0}), np.float32))
        sketch.node(op, [base, exponent], shape)
        return
    axis = sketch.integer(1, len(shape) - 1)
    if op == "ReduceLogSumExp":
        sketch.opset = max(sketch.opset, 18)
        axes = sketch.constant(np.array([axis], np.int64))
        sketch.node(op, [x, axes], (*shape[:axis], 1, *shape[axis + 1 :]))
        return
    attributes = {"axis": axis} if "Softmax" in op else {}
    sketch.node(op, [x], shape, **attributes)


EXACT: tuple[Callable[[Sketch], None], ...] = (
    conv, deep_convs, gemm, matmul, binary, pool, global_pool, concat, transpose, reshape, pad,
    norm_reduction, cum_sum, prelu,
)  # fmt: skip
SENSITIVE: tuple[Callable[[Sketch], None], ...] = (normalization,)
FUNCTIONS: tuple[Callable[[Sketch], None], ...] = (function,)


@st.composite
def models(
    draw: Draw, operators: tuple[Callable[[Sketch], None], ...] = EXACT, steps: int = 4
) -> onnx.ModelProto:
    """Models of up to ``steps`` operators; every tensor that nothing reads is an output."""
    sketch = Sketch(draw, np.random.default_rng(draw(st.integers(0, 2**31))))
    shape = (1, sketch.integer(1, 20), sketch.integer(1, 12), sketch.integer(1, 12))
    sketch.live["input"] = shape
    for _ in range(sketch.integer(1, steps)):
        draw(st.sampled_from(operators))(sketch)
    if not sketch.nodes:
        conv(sketch)
    if sketch.opset >= 20:  # where GridSample's modes have other names
        for node in sketch.nodes:
            for attribute in node.attribute:
                if node.op_type == "GridSample" and attribute.s == b"bilinear":
                    attribute.s = b"linear"
    produced = {node.output[0] for node in sketch.nodes}
    read = {name for node in sketch.nodes for name in node.input}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sketch.shapes[name])
        for name in sorted(produced - read)
    ]
    # ONNX infers no types for operators that are functions, such as GroupNormalization.
    inner = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sketch.shapes[name])
        for name in sorted((produced & read) - sketch.integers)
    ]
    graph = helper.make_graph(
        sketch.nodes,
        "random",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        outputs,
        sketch.initializers,
        value_info=inner,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", sketch.opset)], ir_version=8
    )
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    return model
