"""Sums of products as layers: convolutions, transposed ones, matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    UniformType,
    element_type,
    quant_parameters,
    shape_of,
)
from pulsar2.locations import tensor_name
from pulsar2.lowering.analysis.layouts import CHANNELS_LAST
from pulsar2.lowering.analysis.subpixel import Phase, phases
from pulsar2.lowering.sched.operands import clamp_bounds, constant_array, param_of
from pulsar2.lowering.sched.tensors import (
    ProgramBuilder,
    Ref,
    Squares,
    broadcast_view,
    element_of,
    is_row_packed,
    reshape_strides,
    slice_ref,
)
from pulsar2.weights import AnyArray

BIAS_NONE, BIAS_S32, BIAS_F32 = 0, 1, 2


def _multipliers(
    x: SSAValue, w: SSAValue, y: SSAValue, float_bias: bool, b: ProgramBuilder
) -> AnyArray:
    """f32 [channels] (or [1]): what turns the accumulator into the result, as numerics.md says."""
    x_type, w_type, y_type = element_type(x), element_type(w), element_type(y)
    assert isinstance(x_type, UniformType)
    assert isinstance(w_type, UniformType | UniformPerAxisType)
    scales, _ = quant_parameters(w_type, b.weights)
    product = (x_type.scale * scales).astype(np.float32)
    if isinstance(y_type, UniformType) and not float_bias:
        return (product / y_type.scale).astype(np.float32)
    return product


def _bias(
    value: SSAValue | None, builder: ProgramBuilder, copies: int = 1
) -> tuple[int, list[Ref]]:
    """The bias mode and operand, its channels repeated."""
    if value is None:
        return BIAS_NONE, []
    array = constant_array(value, builder)
    assert array is not None, "a bias is a constant"
    return (BIAS_F32 if element_type(value) == f32 else BIAS_S32), [
        builder.param(np.tile(array, copies))
    ]


class _ConvLayers:
    """The layers of a convolution or a transposed one: what they share besides x and y.

    With `copies`, a layer has the output channels that many times, in so many `groups`.
    """

    def __init__(
        self,
        op: quant.ConvOp | quant.ConvTransposeOp,
        builder: ProgramBuilder,
        copies: int = 1,
        groups: int = 0,
    ):
        weights = constant_array(op.w, builder)
        assert weights is not None, "the weights of a convolution are a constant"
        w_type = element_type(op.w)
        assert isinstance(w_type, UniformType | UniformPerAxisType)
        self.weights: AnyArray = weights
        self.op = op
        self.builder = builder
        self._groups = groups or op.group
        self._zero_points = quant_parameters(w_type, builder.weights)[1]
        self._bias_mode, bias = _bias(op.bias, builder, copies)
        mult = _multipliers(op.x, op.w, op.y, self._bias_mode == BIAS_F32, builder)
        mult = np.tile(np.broadcast_to(mult, (weights.shape[0],)), copies)
        self._tail = [builder.param(mult), *bias]
        self._has_wzp = len(self._zero_points) > 1 and bool(self._zero_points.any())
        if self._has_wzp:
            points = np.tile(self._zero_points.astype(np.int32), copies)
            self._tail.append(builder.param(points))

    def zeros(self) -> AnyArray:
        """Weights [O, C/group, 1, 1] that add nothing."""
        zero_points = self._zero_points.astype(self.weights.dtype)
        shape = (*self.weights.shape[:2], 1, 1)
        return np.broadcast_to(zero_points.reshape(-1, 1, 1, 1), shape)

    def add(
        self,
        x: Ref,
        weights: AnyArray,
        y: Ref,
        strides: Sequence[int],
        pads: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        """One conv layer; `pads` begin with the top and the left one."""
        zero_point = 0 if self._has_wzp else int(self._zero_points[0])
        # In memory an output channel's weights lie together, tap by tap, input channels innermost.
        w = self.builder.param_as(weights, (0, 2, 3, 1), 1.0, zero_point)
        self.builder.layer(
            "conv",
            [x, w, y, *self._tail],
            stride_h=strides[0],
            stride_w=strides[1],
            pad_top=pads[0],
            pad_left=pads[1],
            dil_h=dilations[0],
            dil_w=dilations[1],
            group=self._groups,
            bias_mode=self._bias_mode,
            has_wzp=int(self._has_wzp),
            has_sums=0,
            **clamp_bounds(self.op.y, self.op.clamp),
        )


def _lower_conv(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ConvOp)
    x = builder.channels_last(op.x)
    layers = _ConvLayers(op, builder)
    layers.add(x, layers.weights, builder.result(op.y), op.strides, op.pads, op.dilations)


def _lower_conv_transpose(op: Operation, builder: ProgramBuilder) -> None:
    """Convolutions of stride 1 for the residues of the output's rows and columns.

    Where the columns of all residues read the same inputs, as when the kernel is as wide as the
    stride, one convolution computes them all: neighbouring pixels are its output channels. Where
    rows do too, one may compute all of a square. It does where so few channels would leave lanes
    idle, and where the next one can read squares: each pixel of them is a group of its channels.
    """
    assert isinstance(op, quant.ConvTransposeOp)
    rows, columns = _phases(op)
    squares = builder.squares.get(op.x)
    if squares is not None and _is_patchwise(op) and _is_narrow(op, builder):
        _lower_squares(op, squares, rows, columns, builder)
        return
    x = builder.channels_last(op.x)
    y = builder.place(op.y)
    if op.group == 1 and _same_inputs(columns) and is_row_packed(y):
        shared = _is_narrow(op, builder) or _is_read_in_squares(op, builder)
        if _same_inputs(rows) and shared:
            _lower_squares(op, Squares.of(x, op), rows, columns, builder)
            return
        y = builder.result(op.y)
        layers = _ConvLayers(op, builder, len(columns))
        for phase in rows:
            _lower_side_by_side(layers, x, y, phase, columns)
        return
    y = builder.result(op.y)
    layers = _ConvLayers(op, builder)
    for phase in rows:
        for column in columns:
            _lower_phase(layers, x, y, phase, column)


def _phases(op: quant.ConvTransposeOp) -> tuple[list[Phase], list[Phase]]:
    """The residues of the output's rows and columns."""
    rows, columns = (
        phases(
            shape_of(op.x)[2 + i],
            shape_of(op.y)[2 + i],
            op.kernel[i],
            op.strides[i],
            op.dilations[i],
            op.pads[i],
        )
        for i in range(2)
    )
    return rows, columns


def _is_patchwise(op: quant.ConvTransposeOp) -> bool:
    """Whether each pixel of the input becomes a square of the output by itself."""
    size = tuple(n * s for n, s in zip(shape_of(op.x)[2:], op.strides, strict=True))
    return (
        op.group == 1
        and tuple(op.kernel) == tuple(op.strides)
        and tuple(op.dilations) == (1, 1)
        and not any(op.pads[:2])
        and shape_of(op.y)[2:] == size
    )


def _is_narrow(op: quant.ConvTransposeOp, builder: ProgramBuilder) -> bool:
    """Whether one convolution for all residues takes fewer passes of the lanes than one for the
    columns of each row."""
    rows, columns = op.strides
    channels, lanes = columns * shape_of(op.y)[1], builder.lanes_out
    return -(-rows * channels // lanes) < rows * -(-channels // lanes)


def _is_read_in_squares(op: quant.ConvTransposeOp, builder: ProgramBuilder) -> bool:
    """Whether nothing reads the result but such as compute squares of each of its pixels."""
    users = [use.operation for use in op.y.uses]
    return _is_patchwise(op) and all(
        isinstance(user, quant.ConvTransposeOp)
        and _is_patchwise(user)
        and _is_narrow(user, builder)
        for user in users
    )


def _same_inputs(columns: Sequence[Phase]) -> bool:
    """Whether phases differ in nothing but where they write and the kernel's elements."""
    windows = {(p.count, p.begin, p.pad, p.dilation, len(p.taps)) for p in columns}
    return len(columns) > 1 and len(windows) == 1 and bool(columns[0].taps)


def _lower_squares(
    op: quant.ConvTransposeOp,
    x: Squares,
    rows: Sequence[Phase],
    columns: Sequence[Phase],
    builder: ProgramBuilder,
) -> None:
    """One convolution for the phases of rows and columns, its channels row by row of a square."""
    groups, copies = len(x.places), len(x.places) * len(rows) * len(columns)
    layers = _ConvLayers(op, builder, copies, groups)
    n, channels = shape_of(op.y)[:2]
    first, column = rows[0], columns[0]
    height, width = (first.count, column.count) if groups == 1 else x.ref.view.shape[2:]
    shape = (n, copies * channels, height, width)
    made = builder.allocate(tensor_name(op.y), shape, *element_of(op.y), CHANNELS_LAST)
    weights = [layers.weights[:, :, r.taps][:, :, :, c.taps] for r in rows for c in columns]
    layers.add(
        _from(x.ref, first.begin, column.begin),
        np.concatenate(weights * groups),
        made,
        (1, 1),
        (first.pad, column.pad),
        (first.dilation, column.dilation),
    )
    within = [(r.first, c.first) for r in rows for c in columns]
    size = len(rows), len(columns)
    builder.squares[op.y] = x.refined(op, made, within, size)


def _row_phase(layers: _ConvLayers, y: Ref, rows: Phase, columns: Sequence[Phase]) -> Ref:
    """The rows of a phase, the pixels of a stride of columns as one of so many channels."""
    view, stride = y.view, len(columns)
    target = slice_ref(
        y,
        (0, 0, rows.first, 0),
        (view.shape[0], view.shape[1], rows.count, columns[0].count),
        (1, 1, layers.op.strides[0], stride),
    )
    shape = target.view.shape
    return target.reshaped((shape[0], stride * shape[1], *shape[2:]), target.view.strides)


def _lower_side_by_side(
    layers: _ConvLayers, x: Ref, y: Ref, rows: Phase, columns: Sequence[Phase]
) -> None:
    stride = len(columns)
    target = _row_phase(layers, y, rows, columns)
    if not rows.taps:
        zeros = np.concatenate([layers.zeros()] * stride)
        source = slice_ref(x, (0, 0, 0, 0), (*x.view.shape[:2], 1, 1), (1, 1, 1, 1))
        layers.add(source, zeros, target, (1, 1), (0, 0), (1, 1))
        return
    parts = [layers.weights[:, :, rows.taps, :][:, :, :, p.taps] for p in columns]
    first = columns[0]
    layers.add(
        _from(x, rows.begin, first.begin),
        np.concatenate(parts),
        target,
        (1, 1),
        (rows.pad, first.pad),
        (rows.dilation, first.dilation),
    )


def _from(x: Ref, row: int, column: int) -> Ref:
    """The image from a row and a column on."""
    begins = (0, 0, row, column)
    sizes = tuple(n - b for n, b in zip(x.view.shape, begins, strict=True))
    return slice_ref(x, begins, sizes, (1, 1, 1, 1))


def _lower_phase(layers: _ConvLayers, x: Ref, y: Ref, rows: Phase, columns: Phase) -> None:
    strides = layers.op.strides
    n, c = x.view.shape[:2]
    size = (y.view.shape[0], y.view.shape[1], rows.count, columns.count)
    target = slice_ref(y, (0, 0, rows.first, columns.first), size, (1, 1, *strides))
    if not rows.taps or not columns.taps:
        # Only the bias gets there. The input is read, but its weights are nothing.
        source = slice_ref(x, (0, 0, 0, 0), (n, c, 1, 1), (1, 1, 1, 1))
        layers.add(source, layers.zeros(), target, (1, 1), (0, 0), (1, 1))
        return
    layers.add(
        _from(x, rows.begin, columns.begin),
        layers.weights[:, :, rows.taps, :][:, :, :, columns.taps],
        target,
        (1, 1),
        (rows.pad, columns.pad),
        (rows.dilation, columns.dilation),
    )


def _as_one_product(refs: list[Ref]) -> list[Ref]:
    """A batch of products [.., M, K] x [K, N] as one of more rows, where the views allow it."""
    a, b, y = refs
    if len(y.view.shape) == 2 or any(b.view.strides[:-2]):
        return refs
    joined: list[Ref] = []
    for ref in (a, y):
        shape = (math.prod(ref.view.shape[:-1]), ref.view.shape[-1])
        strides = reshape_strides(ref.view, shape)
        if strides is None:
            return refs
        joined.append(ref.reshaped(shape, strides))
    return [joined[0], b.reshaped(b.view.shape[-2:], b.view.strides[-2:]), joined[1]]


def _lower_matmul(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.MatMulOp)
    shape = shape_of(op.y)
    batch = shape[:-2]
    a = builder.refs[op.a] if op.a in builder.refs else param_of(op.a, builder)
    constant = constant_array(op.b, builder)
    if constant is not None:
        # Columns of b lie together, so that a slice of the output's columns is one run of bytes.
        order = (*range(constant.ndim - 2), constant.ndim - 1, constant.ndim - 2)
        _, scale, zero_point = element_of(op.b)
        b = builder.param_as(constant, order, scale, zero_point)
    else:
        b = builder.refs[op.b]
    bias_mode, bias = _bias(op.bias, builder)
    if element_type(op.a) == f32:
        mult = np.ones(1, np.float32)
    else:
        mult = _multipliers(op.a, op.b, op.y, bias_mode == BIAS_F32, builder)
    factors = [
        Ref(a.buffer, broadcast_view(a.view, (*batch, *a.view.shape[-2:]))),
        Ref(b.buffer, broadcast_view(b.view, (*batch, *b.view.shape[-2:]))),
        builder.result(op.y),
    ]
    builder.layer(
        "matmul",
        [*_as_one_product(factors), builder.param(mult), *bias],
        bias_mode=bias_mode,
        has_sums=0,
        **clamp_bounds(op.y, op.clamp),
    )


CONTRACTIONS: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    quant.ConvOp: _lower_conv,
    quant.ConvTransposeOp: _lower_conv_transpose,
    quant.MatMulOp: _lower_matmul,
}
"""How each sum of products becomes layers."""
