"""Gathering, scattering and the places of the greatest elements as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.lowering.sched.operands import param_of
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, reshape_strides

SCATTER_KINDS = tuple(quant.ScatterKind)


def _ref(value: SSAValue, builder: ProgramBuilder) -> Ref:
    return builder.refs[value] if value in builder.refs else param_of(value, builder)


def _lower_gather(op: Operation, builder: ProgramBuilder) -> None:
    """Each index stands for a whole slice: it is repeated by strides of 0."""
    assert isinstance(op, quant.GatherOp)
    x, y, places = _ref(op.x, builder), builder.result(op.y), _ref(op.indices, builder)
    outer, count = op.axis, prod(places.view.shape)
    strides = reshape_strides(places.view, (count,))
    if strides is None:
        places = builder.packed(places, range(len(places.view.shape)))
        strides = reshape_strides(places.view, (count,))
        assert strides is not None
    shape = (*x.view.shape[:outer], count, *x.view.shape[outer + 1 :])
    inner = len(shape) - outer - 1
    spread = places.reshaped(shape, ((0,) * outer + strides + (0,) * inner))
    target = _joined(y, outer, len(places.view.shape), count)
    if target is not None:
        builder.layer("gather_elements", [x, spread, target], axis=outer)
        return
    view = y.view
    packed = builder.allocate(
        "", shape, view.element, view.scale, view.zero_point, range(len(shape))
    )
    builder.layer("gather_elements", [x, spread, packed], axis=outer)
    strides = reshape_strides(packed.view, view.shape)
    assert strides is not None
    builder.copy(packed.reshaped(view.shape, strides), y)


def _joined(y: Ref, first: int, rank: int, count: int) -> Ref | None:
    """The result with the dimensions of the indices joined into one, where that is a view."""
    view = y.view
    part = view._replace(
        shape=view.shape[first : first + rank], strides=view.strides[first : first + rank]
    )
    strides = reshape_strides(part, (count,))
    if strides is None:
        return None
    shape = (*view.shape[:first], count, *view.shape[first + rank :])
    return y.reshaped(shape, (*view.strides[:first], *strides, *view.strides[first + rank :]))


def _lower_gather_elements(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.GatherElementsOp)
    refs = [_ref(op.x, builder), _ref(op.indices, builder), builder.result(op.y)]
    builder.layer("gather_elements", refs, axis=op.axis)


def _lower_scatter(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ScatterElementsOp)
    refs = [_ref(v, builder) for v in (op.x, op.indices, op.updates)]
    builder.layer(
        "scatter_elements",
        [*refs, builder.result(op.y)],
        axis=op.axis,
        reduction=SCATTER_KINDS.index(op.kind),
    )


def _lower_ranked(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ArgOp | quant.TopKOp)
    kernel = "arg" if isinstance(op, quant.ArgOp) else "top_k"
    refs = [_ref(op.x, builder), builder.result(op.y)]
    builder.layer(kernel, refs, axis=op.axis, largest=int(op.largest))


INDEXING: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    quant.GatherOp: _lower_gather,
    quant.GatherElementsOp: _lower_gather_elements,
    quant.ScatterElementsOp: _lower_scatter,
    quant.ArgOp: _lower_ranked,
    quant.TopKOp: _lower_ranked,
}
