"""Data movement as views, and as copies where a view will not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import shape_of
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, reshape_strides, slice_ref


def _lower_constant(op: Operation, builder: ProgramBuilder) -> None:
    """Constants are put into the parameter segment by the operations that use them."""


def _lower_reshape(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ReshapeOp)
    ref, shape = builder.refs[op.x], shape_of(op.y)
    strides = reshape_strides(ref.view, shape)
    if strides is None:
        ref = builder.packed(ref, range(len(ref.view.shape)))
        strides = reshape_strides(ref.view, shape)
        assert strides is not None, "a packed tensor takes any shape"
    builder.define(op.y, ref.reshaped(shape, strides))


def _lower_transpose(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.TransposeOp)
    ref = builder.refs[op.x]
    view = ref.view
    turned = ref.reshaped([view.shape[p] for p in op.perm], [view.strides[p] for p in op.perm])
    builder.define(op.y, turned)


def _lower_slice(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.SliceOp)
    ref = builder.refs[op.x]
    if min(op.steps) > 0:
        builder.define(op.y, slice_ref(ref, op.starts, op.sizes, op.steps))
        return
    # A view walks forwards only: reversed axes are copied element by element along them.
    target = builder.result(op.y)
    reversed_axes = [i for i, step in enumerate(op.steps) if step < 0]
    steps = tuple(max(step, 1) for step in op.steps)
    for place in product(*(range(op.sizes[i]) for i in reversed_axes)):
        starts, begin, sizes = list(op.starts), [0] * len(steps), list(op.sizes)
        for axis, index in zip(reversed_axes, place, strict=True):
            starts[axis] += index * op.steps[axis]
            begin[axis], sizes[axis] = index, 1
        source = slice_ref(ref, tuple(starts), tuple(sizes), steps)
        builder.copy(source, slice_ref(target, tuple(begin), tuple(sizes), (1,) * len(steps)))


def _lower_concat(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ConcatOp)
    target = builder.result(op.y)
    for value, part in zip(op.inputs, concat_parts(op, target), strict=True):
        if builder.placed.get(value) != part:
            builder.copy(_ref(value, builder), part)


def concat_parts(op: quant.ConcatOp, target: Ref) -> list[Ref]:
    """The part of the concatenation's result that each operand fills."""
    parts: list[Ref] = []
    position = 0
    for value in op.inputs:
        shape = shape_of(value)
        starts = tuple(position if i == op.axis else 0 for i in range(len(shape)))
        parts.append(slice_ref(target, starts, shape, (1,) * len(shape)))
        position += shape[op.axis]
    return parts


def _ref(value: SSAValue, builder: ProgramBuilder) -> Ref:
    if value not in builder.refs:
        owner = value.owner
        assert isinstance(owner, quant.ConstantOp)
        builder.refs[value] = builder.param(owner.array(builder.weights))
    return builder.refs[value]


def _lower_pad(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.PadOp)
    target = builder.result(op.y)
    builder.layer("fill", [target], value=op.value)
    rank = len(target.view.shape)
    inner = slice_ref(target, op.pads[:rank], shape_of(op.x), (1,) * rank)
    builder.copy(builder.refs[op.x], inner)


MOVEMENT: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    quant.ConstantOp: _lower_constant,
    quant.ReshapeOp: _lower_reshape,
    quant.TransposeOp: _lower_transpose,
    quant.SliceOp: _lower_slice,
    quant.ConcatOp: _lower_concat,
    quant.PadOp: _lower_pad,
}
"""How each data movement becomes views and copies."""
