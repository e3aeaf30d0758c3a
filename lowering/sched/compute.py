"""Quantized computing operations as layers: contractions, elementwise, pooling, reductions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import (
    storage_dtype,
    uniform_of,
)
from pulsar2.locations import tensor_name
from pulsar2.lowering.analysis.layouts import CHANNELS_LAST
from pulsar2.lowering.sched.contraction import CONTRACTIONS
from pulsar2.lowering.sched.image import IMAGES
from pulsar2.lowering.sched.indexing import INDEXING
from pulsar2.lowering.sched.integer import INTEGERS, spread
from pulsar2.lowering.sched.operands import clamp_bounds as _clamp
from pulsar2.lowering.sched.operands import param_of as _as_param
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, broadcast_view, element_of
from pulsar2.tables import UNARY_FUNCTIONS, normalize_table, unary_table
from pulsar2.weights import AnyArray

ELTWISE_FUNCTIONS: Mapping[type[Operation], int] = {
    quant.AddOp: 0,
    quant.SubOp: 1,
    quant.MulOp: 2,
    quant.DivOp: 3,
    quant.MinOp: 4,
    quant.MaxOp: 5,
    quant.PReluOp: 15,
}
POOL_MAX, POOL_AVG = 0, 1
REDUCE_KINDS = ("mean", "sum", "max", "min", "l1", "l2", "sum_square", "log_sum_exp")
NORM_KINDS = ("layer", "rms", "l1", "l2")


def _lower_binary(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.BinaryOp)
    refs = spread([op.a, op.b, op.y], builder)
    builder.layer("eltwise", refs, fn=ELTWISE_FUNCTIONS[type(op)], **_clamp(op.y, op.clamp))


def _lower_unary(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.UnaryOp)
    x_type = uniform_of(op.x)
    if x_type is not None and x_type.storage.width.data == 8:
        table = unary_table(
            op.fn.value, op.alpha, op.beta, x_type, uniform_of(op.y), storage_dtype(op.y.type)
        )
        squares = builder.squares.get(op.x)
        if squares is None:
            _add_table(builder.refs[op.x], table, -1, op.y, builder)
            return
        shape = squares.ref.view.shape
        made = builder.allocate(tensor_name(op.y), shape, *element_of(op.y), CHANNELS_LAST)
        builder.layer("lut", [squares.ref, builder.param(table), made], axis=-1)
        builder.squares[op.y] = replace(squares, source=op, ref=made)
        return
    x = builder.refs[op.x]
    builder.layer(
        "unary",
        [x, builder.result(op.y)],
        fn=UNARY_FUNCTIONS[op.fn.value],
        alpha=float(op.alpha),
        beta=float(op.beta),
        **_clamp(op.y),
    )


def _add_table(x: Ref, table: AnyArray, axis: int, y: SSAValue, builder: ProgramBuilder) -> None:
    """A table look-up; none where each byte stays what it is, and only what it stands for changes.

    So it is with pixels of 8 bits less one mean that is a whole number.
    """
    if axis < 0 and table.tobytes() == bytes(range(256)):
        element, scale, zero_point = element_of(y)
        view = x.view._replace(element=element, scale=scale, zero_point=zero_point)
        builder.define(y, Ref(x.buffer, view))
        return
    builder.layer("lut", [x, builder.param(table), builder.result(y)], axis=axis)


def _lower_normalize(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.NormalizeOp)
    x = builder.refs[op.x]
    x_type, y_type = uniform_of(op.x), uniform_of(op.y)
    if x_type is not None and x.view.element.itemsize == 1:
        table = normalize_table(op.mean, op.std, x_type, y_type)
        axis = op.axis
        if all((row == table[0]).all() for row in table):
            table, axis = table[0], -1
        _add_table(x, table, axis, op.y, builder)
        return
    # One unary call for each channel, on its part of the tensors.
    y = builder.result(op.y)
    for channel, (mean, std) in enumerate(zip(op.mean, op.std, strict=True)):
        parts = [_channel(ref, op.axis, channel) for ref in (x, y)]
        builder.layer(
            "unary",
            parts,
            fn=UNARY_FUNCTIONS["normalize"],
            alpha=float(mean),
            beta=float(std),
            **_clamp(op.y),
        )


def _channel(ref: Ref, axis: int, index: int) -> Ref:
    view = ref.view
    shape = tuple(1 if d == axis else n for d, n in enumerate(view.shape))
    return Ref(
        ref.buffer, view._replace(shape=shape, offset=view.offset + index * view.strides[axis])
    )


def _lower_pool(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.MaxPoolOp | quant.AvgPoolOp)
    x, y = builder.channels_last(op.x), builder.result(op.y)
    (n, c, height, _), (*_, rows, columns) = x.view.shape, y.view.shape
    kh, kw = op.kernel
    if isinstance(op, quant.MaxPoolOp) and height * kw + rows * kh < rows * kh * kw:
        # The greatest of a window is that of the greatest of its rows, which are fewer to compare.
        shape = (n, c, height, columns)
        middle = builder.allocate(tensor_name(op.y), shape, *element_of(op.y), CHANNELS_LAST)
        _add_pool(op, builder, x, middle, (False, True))
        _add_pool(op, builder, middle, y, (True, False))
    else:
        _add_pool(op, builder, x, y, (True, True))


def _add_pool(
    op: quant.MaxPoolOp | quant.AvgPoolOp,
    builder: ProgramBuilder,
    x: Ref,
    y: Ref,
    along: tuple[bool, bool],
) -> None:
    """One pooling layer whose windows reach `along` rows, columns, or both."""

    def window(values: Sequence[int], nothing: int) -> list[int]:
        return [v if along[i % 2] else nothing for i, v in enumerate(values)]

    (kh, kw), (stride_h, stride_w) = window(op.kernel, 1), window(op.strides, 1)
    top, left, bottom, right = window(op.pads, 0)
    dil_h, dil_w = window(op.dilations, 1)
    average = isinstance(op, quant.AvgPoolOp)
    builder.layer(
        "pool",
        [x, y],
        kind=POOL_AVG if average else POOL_MAX,
        kh=kh,
        kw=kw,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=top,
        pad_left=left,
        pad_bottom=bottom,
        pad_right=right,
        dil_h=dil_h,
        dil_w=dil_w,
        count_include_pad=int(average and op.count_include_pad),
        **_clamp(op.y),
    )


def _lower_reduce(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ReduceOp)
    x = builder.refs[op.x]
    y = builder.result(op.y)
    if not op.keepdims:
        # The kernel keeps reduced dimensions as size 1: the same bytes under another shape.
        shape, strides = list(y.view.shape), list(y.view.strides)
        for axis in op.axes:
            shape.insert(axis, 1)
            strides.insert(axis, y.view.element.itemsize)
        y = y.reshaped(shape, strides)
    builder.layer(
        "reduce",
        [x, y],
        kind=REDUCE_KINDS.index(op.kind.value),
        axes_mask=sum(1 << axis for axis in op.axes),
        **_clamp(op.y),
    )


def _lower_softmax(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.SoftmaxOp | quant.LogSoftmaxOp)
    kernel = "softmax" if isinstance(op, quant.SoftmaxOp) else "log_softmax"
    builder.layer(kernel, [builder.refs[op.x], builder.result(op.y)], axis=op.axis)


def _lower_cum_sum(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.CumSumOp)
    builder.layer(
        "cum_sum",
        [builder.refs[op.x], builder.result(op.y)],
        axis=op.axis,
        exclusive=int(op.exclusive),
        reverse=int(op.reverse),
        **_clamp(op.y),
    )


def _lower_norm(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.NormOp)
    x = builder.refs[op.x]
    refs = [x, builder.result(op.y)]
    for value in (op.scale, op.bias):
        if value is not None:
            factors = _as_param(value, builder)
            if value is op.scale:
                factors = Ref(factors.buffer, factors.view._replace(scale=op.unit))
            refs.append(Ref(factors.buffer, broadcast_view(factors.view, x.view.shape)))
    axes: tuple[int, ...] = op.axes
    if op.groups > 1:
        # Axis 1 as two, the groups and the channels of each.
        refs = [_split_axis(ref, 1, op.groups) for ref in refs]
        axes = tuple(axis + 1 if axis >= 1 else axis for axis in axes)
    builder.layer(
        "norm",
        refs,
        kind=NORM_KINDS.index(op.kind.value),
        axes_mask=sum(1 << axis for axis in axes),
        eps=op.epsilon,
        has_scale=int(op.scale is not None),
        has_bias=int(op.bias is not None),
        **_clamp(op.y, op.clamp),
    )


def _split_axis(ref: Ref, axis: int, parts: int) -> Ref:
    """The tensor with a dimension cut into `parts` runs, which become one of their own."""
    shape, strides = list(ref.view.shape), list(ref.view.strides)
    size = shape[axis] // parts
    shape[axis : axis + 1] = [parts, size]
    strides[axis : axis + 1] = [strides[axis] * size, strides[axis]]
    return ref.reshaped(shape, strides)


def _lower_cast(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.QCastOp | quant.DCastOp | quant.RequantizeOp)
    builder.layer("convert", [builder.refs[op.x], builder.result(op.y)], **_clamp(op.y))


COMPUTE: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    **CONTRACTIONS,
    **dict.fromkeys(ELTWISE_FUNCTIONS, _lower_binary),
    quant.UnaryOp: _lower_unary,
    quant.NormalizeOp: _lower_normalize,
    quant.MaxPoolOp: _lower_pool,
    quant.AvgPoolOp: _lower_pool,
    **IMAGES,
    quant.ReduceOp: _lower_reduce,
    quant.SoftmaxOp: _lower_softmax,
    quant.LogSoftmaxOp: _lower_softmax,
    quant.CumSumOp: _lower_cum_sum,
    quant.NormOp: _lower_norm,
    quant.QCastOp: _lower_cast,
    quant.DCastOp: _lower_cast,
    quant.RequantizeOp: _lower_cast,
    **INTEGERS,
    **INDEXING,
}
"""How each computing operation becomes layers."""
