"""Export of poolings, reductions, Softmax and CumSum.

A sum of quantized numbers is an integer sum, scaled once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pulsar2.dialects.quant import (
    AvgPoolOp,
    CumSumOp,
    LogSoftmaxOp,
    MaxPoolOp,
    PoolOp,
    ReduceKind,
    ReduceOp,
    SoftmaxOp,
)
from pulsar2.dialects.quant.types import UniformType, shape_of, storage_dtype, uniform_of
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _window(op: PoolOp) -> dict[str, Any]:
    """The window's attributes, padded so that rounding up needs no `ceil_mode`."""
    pads = list(op.pads)
    for i in range(2):
        size, out = shape_of(op.x)[2 + i], shape_of(op.y)[2 + i]
        reach = (op.kernel[i] - 1) * op.dilations[i] + 1
        pads[2 + i] = max(0, (out - 1) * op.strides[i] + reach - size - pads[i])
    return {
        "kernel_shape": list(op.kernel),
        "strides": list(op.strides),
        "pads": pads,
        "dilations": list(op.dilations),
    }


def _export_max_pool(op: MaxPoolOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    base = builder.unique(f"{x}/max_pool")
    type_ = uniform_of(op.x)
    wide = x if type_ is None else builder.cast(x, np.float32, f"{base}/f32")
    attributes = _window(op)
    if type_ is None or builder.form == "float":
        attributes |= {"pads": list(op.pads), "ceil_mode": int(op.ceil_mode)}
    else:
        # Padding apart, with what never wins: onnx.reference mixes up the order of unequal pads.
        top, left, bottom, right = attributes.pop("pads")
        sizes = np.asarray([0, 0, top, left, 0, 0, bottom, right], np.int64)
        least = builder.constant(np.asarray(type_.bounds[0], np.float32), f"{base}/least")
        pads = builder.constant(sizes, f"{base}/pads")
        wide = builder.node("Pad", [wide, pads, least], f"{base}/padded")
    pooled = builder.node("MaxPool", [wide], base, **attributes)
    output = builder.result_name(op.y)
    if type_ is None:
        builder.node("Identity", [pooled], output)
    else:
        builder.cast(pooled, storage_dtype(op.y.type), output)


def _counts(op: PoolOp, include_pad: bool) -> npt.NDArray[np.int64]:
    """How many elements each window has, i64 [OH, OW]."""
    per_axis: list[npt.NDArray[np.int64]] = []
    for i in range(2):
        size, out = shape_of(op.x)[2 + i], shape_of(op.y)[2 + i]
        starts = np.arange(out) * op.strides[i] - op.pads[i]
        at = starts[:, None] + np.arange(op.kernel[i])[None, :] * op.dilations[i]
        low, high = (-op.pads[i], size + op.pads[2 + i]) if include_pad else (0, size)
        per_axis.append(((at >= low) & (at < high)).sum(1))
    return per_axis[0][:, None] * per_axis[1][None, :]


def _factor(x_scale: np.float32, y_scale: np.float32, count: Any) -> npt.NDArray[np.float32]:
    """f32(s_x / f32(s_y * f32(n)))."""
    return np.asarray(x_scale / (y_scale * np.asarray(count).astype(np.float32)), np.float32)


def _scale_sums(
    builder: ModelBuilder,
    op: AvgPoolOp | ReduceOp | CumSumOp,
    sums: str,
    count: Any,
    unit: np.float32,
) -> None:
    """From exact sums of `count` numbers each, in units of `unit`, to the result."""
    y = uniform_of(op.y)
    factor = _factor(unit, np.float32(1) if y is None else y.scale, count)
    if factor.size == 1:
        factor = factor.reshape(())
    real = builder.cast(sums, np.float32, f"{sums}/f32")
    real = builder.node("Mul", [real, builder.constant(factor, f"{sums}/factor")], f"{sums}/scaled")
    if y is None:
        builder.finish_real(op.y, real)
    else:
        builder.finish_steps(op.y, real)


def _export_avg_pool(op: AvgPoolOp, builder: ModelBuilder) -> None:
    type_ = uniform_of(op.x)
    if type_ is None or builder.form == "float":
        x = builder.real(op.x)
        attributes = _window(op) | {"pads": list(op.pads), "ceil_mode": int(op.ceil_mode)}
        if op.dilations == (1, 1):
            del attributes["dilations"]
        real = builder.node(
            "AveragePool",
            [x],
            builder.unique(f"{x}/avg_pool"),
            count_include_pad=int(op.count_include_pad),
            **attributes,
        )
        builder.finish_real(op.y, real)
        return
    x = builder.stored(op.x)
    base = builder.unique(f"{x}/avg_pool")
    channels = shape_of(op.x)[1]
    attributes = _window(op) | {"group": channels}
    wide = builder.cast(x, np.float64, f"{base}/f64")
    if type_.zero_point:
        zero = builder.constant(np.asarray(type_.zero_point, np.float64), f"{base}/zero")
        wide = builder.node("Sub", [wide, zero], f"{base}/shifted")
    ones = builder.constant(np.ones((channels, 1, *op.kernel), np.float64), f"{base}/ones")
    sums = builder.node("Conv", [wide, ones], f"{base}/sum", **attributes)
    counts = np.maximum(_counts(op, op.count_include_pad), 1)
    if (counts == counts.flat[0]).all():
        counts = counts.reshape(-1)[:1]
    _scale_sums(builder, op, sums, counts, type_.scale)


_REDUCTIONS = {
    ReduceKind.MEAN: "ReduceMean",
    ReduceKind.SUM: "ReduceSum",
    ReduceKind.MAX: "ReduceMax",
    ReduceKind.MIN: "ReduceMin",
    ReduceKind.L1: "ReduceL1",
    ReduceKind.L2: "ReduceL2",
    ReduceKind.SUM_SQUARE: "ReduceSumSquare",
    ReduceKind.LOG_SUM_EXP: "ReduceLogSumExp",
}


def _export_reduce(op: ReduceOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    base = builder.unique(f"{x}/reduce")
    axes = builder.constant(np.asarray(op.axes, np.int64), f"{base}/axes")
    keep = {"keepdims": int(op.keepdims)}
    type_ = uniform_of(op.x)
    if op.kind in (ReduceKind.MAX, ReduceKind.MIN) and type_ is not None:
        wide = builder.cast(x, np.float32, f"{base}/f32")
        best = builder.node(_REDUCTIONS[op.kind], [wide, axes], base, **keep)
        builder.cast(best, storage_dtype(op.y.type), builder.result_name(op.y))
        return
    if type_ is None or builder.form == "float" or op.kind is ReduceKind.LOG_SUM_EXP:
        inputs = [builder.real(op.x), axes]
        real = builder.node(_REDUCTIONS[op.kind], inputs, base, **keep)
        builder.finish_real(op.y, real, limit=float("inf"))
        return
    terms = _whole(builder, op, type_, base)
    if op.kind is ReduceKind.L1:
        terms = builder.node("Abs", [terms], f"{base}/magnitudes")
    elif op.kind in (ReduceKind.L2, ReduceKind.SUM_SQUARE):
        terms = builder.node("Mul", [terms, terms], f"{base}/squares")
    sums = builder.node("ReduceSum", [terms, axes], f"{base}/sum", **keep)
    if op.kind is ReduceKind.L2:
        wide = builder.cast(sums, np.float64, f"{base}/f64")
        sums = builder.node("Sqrt", [wide], f"{base}/root")
    shape = shape_of(op.x)
    count = int(np.prod([shape[a] for a in op.axes])) if op.kind is ReduceKind.MEAN else 1
    unit = type_.scale * type_.scale if op.kind is ReduceKind.SUM_SQUARE else type_.scale
    _scale_sums(builder, op, sums, count, unit)


def _whole(builder: ModelBuilder, op: ReduceOp | CumSumOp, type_: UniformType, base: str) -> str:
    """The integers x - z of the operand."""
    wide = builder.cast(builder.stored(op.x), np.int64, f"{base}/s64")
    if not type_.zero_point:
        return wide
    zero = builder.constant(np.asarray(type_.zero_point, np.int64), f"{base}/zero")
    return builder.node("Sub", [wide, zero], f"{base}/shifted")


def _export_softmax(op: SoftmaxOp, builder: ModelBuilder) -> None:
    x = builder.real(op.x)
    real = builder.node("Softmax", [x], builder.unique(f"{x}/softmax"), axis=op.axis)
    builder.finish_real(op.y, real)


def _export_log_softmax(op: LogSoftmaxOp, builder: ModelBuilder) -> None:
    x = builder.real(op.x)
    base = builder.unique(f"{x}/log_softmax")
    if builder.form == "float":
        real = builder.node("LogSoftmax", [x], base, axis=op.axis)
    else:
        # As ONNX defines it. onnx.reference takes the logarithm of a Softmax that may be 0.
        axes = builder.constant(np.asarray([op.axis], np.int64), f"{base}/axes")
        top = builder.node("ReduceMax", [x, axes], f"{base}/greatest")
        shifted = builder.node("Sub", [x, top], f"{base}/shifted")
        powers = builder.node("Exp", [shifted], f"{base}/powers")
        total = builder.node("ReduceSum", [powers, axes], f"{base}/sum")
        log = builder.node("Log", [total], f"{base}/log")
        real = builder.node("Sub", [shifted, log], base)
    builder.finish_real(op.y, real, limit=float("inf"))


def _export_cum_sum(op: CumSumOp, builder: ModelBuilder) -> None:
    type_ = uniform_of(op.x) if builder.form != "float" else None
    base = builder.unique(f"{builder.stored(op.x)}/cum_sum")
    terms = builder.real(op.x) if type_ is None else _whole(builder, op, type_, base)
    axis = builder.constant(np.asarray(op.axis, np.int64), f"{base}/axis")
    flags = {"exclusive": int(op.exclusive), "reverse": int(op.reverse)}
    sums = builder.node("CumSum", [terms, axis], base, **flags)
    if type_ is None:
        builder.finish_real(op.y, sums, limit=float("inf"))
    else:
        _scale_sums(builder, op, sums, 1, type_.scale)


REDUCTIONS: Emit = {
    MaxPoolOp: _export_max_pool,
    AvgPoolOp: _export_avg_pool,
    ReduceOp: _export_reduce,
    SoftmaxOp: _export_softmax,
    LogSoftmaxOp: _export_log_softmax,
    CumSumOp: _export_cum_sum,
}
