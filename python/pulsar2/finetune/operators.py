"""The operators that fine-tuning can differentiate, each in its form in torch.

A form computes what ONNX says, in f32. Operators without one (those that round, that compute with
integers, or that nothing learns through) are computed by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.layout import Transpose
from pulsar2.dialects.onnx.matmul import Gemm
from pulsar2.dialects.onnx.pool import AveragePool, MaxPool
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules.base import int_list, is_constant, is_float, shape_of
from pulsar2.lowering.quant.rules.pooling import reduced_axes
from pulsar2.weights import WeightStore

torch: Any = import_module("torch")
F: Any = torch.nn.functional


@dataclass(frozen=True)
class Call:
    """An operator with its float operands as tensors (None: left out, or not of f32)."""

    op: OnnxOp
    x: Sequence[Any]
    weights: WeightStore

    def ints(self, index: int) -> tuple[int, ...] | None:
        """The integers of a constant operand."""
        return int_list(self.op.operand(index), self.weights)


Form = Callable[[Call], Any]
Accepts = Callable[[OnnxOp], bool]


def _padded(x: Any, pads: Sequence[int], value: float = 0.0) -> Any:
    """`x` with ONNX's pads (begins, then ends) around its last axes."""
    half = len(pads) // 2
    pairs = [p for axis in reversed(range(half)) for p in (pads[axis], pads[half + axis])]
    return F.pad(x, pairs, value=value) if any(pads) else x


def _conv(call: Call) -> Any:
    op = call.op
    assert isinstance(op, Conv)
    x, w, *rest = call.x
    window = op.window
    run = {3: F.conv1d, 4: F.conv2d}[x.ndim]
    half = len(window.pads) // 2
    begins, ends = window.pads[:half], window.pads[half:]
    pads = begins if begins == ends else 0
    x = x if begins == ends else _padded(x, window.pads)
    bias = rest[0] if rest else None
    return run(x, w, bias, window.strides, pads, window.dilations, op.group)


def _conv_transpose(call: Call) -> Any:
    op = call.op
    assert isinstance(op, ConvTranspose)
    x, w, *rest = call.x
    window, more = op.window, op.value_of("output_padding") or 0
    bias = rest[0] if rest else None
    whole = F.conv_transpose2d(x, w, bias, window.strides, 0, more, op.group, window.dilations)
    top, left, bottom, right = window.pads
    return whole[:, :, top : whole.shape[2] - bottom, left : whole.shape[3] - right]


def _gemm(call: Call) -> Any:
    op = call.op
    assert isinstance(op, Gemm)
    a, b, *rest = call.x
    y = op.alpha * ((a.T if op.trans_a else a) @ (b.T if op.trans_b else b))
    return y + op.beta * rest[0] if rest and rest[0] is not None else y


def _max_pool(call: Call) -> Any:
    op = call.op
    assert isinstance(op, MaxPool)
    w, x = op.window, call.x[0]
    run = {3: F.max_pool1d, 4: F.max_pool2d}[x.ndim]
    return run(_padded(x, w.pads, -torch.inf), w.kernel, w.strides, 0, w.dilations)


def _average_pool(call: Call) -> Any:
    op = call.op
    assert isinstance(op, AveragePool)
    w, x = op.window, call.x[0]
    run = {3: F.avg_pool1d, 4: F.avg_pool2d}[x.ndim]
    y = run(_padded(x, w.pads), w.kernel, w.strides)
    if any(w.pads) and not op.count_include_pad:
        y = y / run(_padded(torch.ones_like(x), w.pads), w.kernel, w.strides)
    return y


def _reduced(run: Callable[[Any, Sequence[int], bool], Any]) -> Form:
    def form(call: Call) -> Any:
        op = call.op
        keep = op.op_type.startswith("Global") or bool(op.value_of("keepdims"))
        return run(call.x[0], reduced_axes(op, call.weights), keep)

    return form


def _layer_norm(call: Call) -> Any:
    x, scale, *rest = call.x
    axis = int(call.op.value_of("axis")) % x.ndim
    bias = rest[0] if rest else None
    normal = F.layer_norm(x, x.shape[axis:], None, None, float(call.op.value_of("epsilon")))
    return normal * scale + bias if bias is not None else normal * scale


def _instance_norm(call: Call) -> Any:
    x, scale, bias = call.x
    return F.instance_norm(x, weight=scale, bias=bias, eps=float(call.op.value_of("epsilon")))


def _reshape(call: Call) -> Any:
    return call.x[0].reshape(shape_of(call.op.result))


def _transpose(call: Call) -> Any:
    op = call.op
    assert isinstance(op, Transpose)
    assert op.perm is not None
    return call.x[0].permute(op.perm)


def _slice(call: Call) -> Any:
    x = call.x[0]
    starts, ends = call.ints(1), call.ints(2)
    assert starts is not None
    assert ends is not None
    axes, steps = call.ints(3) or range(len(starts)), call.ints(4) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = range(x.shape[axis])[slice(start, end, step)]
        x = x.index_select(axis % x.ndim, torch.tensor(list(places), device=x.device))
    return x


def _split(call: Call) -> Any:
    axis = int(call.op.value_of("axis"))
    sizes = [shape_of(r)[axis] for r in call.op.results]
    return torch.split(call.x[0], sizes, axis)


def _pad(call: Call) -> Any:
    x, pads = call.x[0], call.ints(1)
    assert pads is not None
    value = call.x[2] if len(call.x) > 2 and call.x[2] is not None else None
    return _padded(x, pads, 0.0 if value is None else float(value))


def _expand(call: Call) -> Any:
    return call.x[0].expand(shape_of(call.op.result))


def _depth_to_space(call: Call) -> Any:
    x, size = call.x[0], int(call.op.value_of("blocksize"))
    n, c, h, w = x.shape
    inner = c // size**2
    if call.op.value_of("mode") == "CRD":
        parts = x.reshape(n, inner, size, size, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        parts = x.reshape(n, size, size, inner, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, inner, h * size, w * size)


def _clip(call: Call) -> Any:
    bounds = [call.x[i] if i < len(call.x) else None for i in (1, 2)]
    low, high = (b if b is None else float(b) for b in bounds)
    return call.x[0] if low is None and high is None else torch.clamp(call.x[0], low, high)


def _of_one(run: Callable[[Any], Any]) -> Form:
    return lambda call: run(call.x[0])


def _with_alpha(run: Callable[[Any, float], Any]) -> Form:
    return lambda call: run(call.x[0], float(call.op.value_of("alpha")))


def _of_many(run: Callable[[Any, Any], Any]) -> Form:
    def form(call: Call) -> Any:
        result = call.x[0]
        for other in call.x[1:]:
            result = run(result, other)
        return result

    return form


def _gelu(call: Call) -> Any:
    return F.gelu(call.x[0], approximate=call.op.value_of("approximate"))


def _hard_sigmoid(call: Call) -> Any:
    alpha, beta = (float(call.op.value_of(n)) for n in ("alpha", "beta"))
    return torch.clamp(alpha * call.x[0] + beta, 0.0, 1.0)


def _along_axis(run: Callable[[Any, int], Any]) -> Form:
    return lambda call: run(call.x[0], int(call.op.value_of("axis")))


def _p_relu(call: Call) -> Any:
    x, slope = call.x
    return torch.where(x < 0, x * slope, x)


FORMS: dict[str, Form] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": lambda call: call.x[0] @ call.x[1],
    "Add": _of_many(torch.add),
    "Sub": _of_many(torch.sub),
    "Mul": _of_many(torch.mul),
    "Div": _of_many(torch.div),
    "Max": _of_many(torch.maximum),
    "Min": _of_many(torch.minimum),
    "Pow": lambda call: call.x[0] ** float(call.x[1]),
    "Relu": _of_one(torch.relu),
    "LeakyRelu": _with_alpha(lambda x, a: F.leaky_relu(x, a)),
    "PRelu": _p_relu,
    "Elu": _with_alpha(lambda x, a: F.elu(x, a)),
    "Clip": _clip,
    "Sigmoid": _of_one(torch.sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _of_one(F.hardswish),
    "Swish": _with_alpha(lambda x, a: x * torch.sigmoid(a * x)),
    "Mish": _of_one(F.mish),
    "Gelu": _gelu,
    "Erf": _of_one(torch.erf),
    "Softplus": _of_one(F.softplus),
    "Tanh": _of_one(torch.tanh),
    "Exp": _of_one(torch.exp),
    "Log": _of_one(torch.log),
    "Sqrt": _of_one(torch.sqrt),
    "Reciprocal": _of_one(torch.reciprocal),
    "Abs": _of_one(torch.abs),
    "Neg": _of_one(torch.neg),
    "Sin": _of_one(torch.sin),
    "Cos": _of_one(torch.cos),
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
    "GlobalMaxPool": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMean": _reduced(lambda x, axes, keep: x.mean(axes, keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMin": _reduced(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceL1": _reduced(lambda x, axes, keep: x.abs().sum(axes, keep)),
    "ReduceL2": _reduced(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
    "ReduceSumSquare": _reduced(lambda x, axes, keep: x.square().sum(axes, keep)),
    "ReduceLogSumExp": _reduced(lambda x, axes, keep: torch.logsumexp(x, axes, keep)),
    "Softmax": _along_axis(lambda x, axis: torch.softmax(x, axis)),
    "LogSoftmax": _along_axis(lambda x, axis: torch.log_softmax(x, axis)),
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "Reshape": _reshape,
    "Flatten": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Identity": _of_one(lambda x: x),
    "Transpose": _transpose,
    "Concat": lambda call: torch.cat(list(call.x), int(call.op.value_of("axis"))),
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "Expand": _expand,
    "DepthToSpace": _depth_to_space,
}
"""By ONNX operator. A form gives the result, or all results of an operator that has several."""


def _in_planes(op: OnnxOp) -> bool:
    return len(shape_of(op.operands[0])) in (3, 4)


def _plain_window(op: OnnxOp) -> bool:
    assert isinstance(op, MaxPool | AveragePool)
    spread = any(d != 1 for d in op.window.dilations) and isinstance(op, AveragePool)
    return _in_planes(op) and not op.ceil_mode and not spread


ACCEPTS: dict[str, Accepts] = {
    "Conv": _in_planes,
    "MaxPool": _plain_window,
    "AveragePool": _plain_window,
    "Pad": lambda op: op.operand(3) is None and op.value_of("mode") == "constant",
    "Expand": lambda op: is_float(op.operands[0]),
}
"""What a form needs of its operator, where it does not take each that the NPU computes."""


def is_known(op: OnnxOp) -> bool:
    """Whether `op`, an operator of a planned graph, has a form."""
    if is_on_cpu(op) or op.op_type not in FORMS or op.own:
        return False
    computed = [v for v in op.operands if not is_constant(v)]
    tensors = [v for v in (*computed, *op.results) if op.operand(0) is not None]
    # A result that is left out has no type of a tensor.
    if not all(is_float(v) for v in tensors if v.first_use is not None or v in op.operands):
        return False
    if any(prod(shape_of(v)) == 0 for v in computed):
        return False
    accepts = ACCEPTS.get(op.op_type)
    return accepts is None or accepts(op)


def compute(call: Call) -> list[Any]:
    """The results of an operator that is known."""
    made = FORMS[call.op.op_type](call)
    return [made] if isinstance(made, torch.Tensor) else [*made]
