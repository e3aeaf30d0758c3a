"""Comparison, integers, selection, changes of type and expansion as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.integer import is_real
from pulsar2.dialects.quant.types import element_type
from pulsar2.lowering.sched.operands import clamp_bounds, param_of
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, broadcast_view

COMPARISONS: Mapping[quant.CompareKind, int] = {
    quant.CompareKind.EQUAL: 7,
    quant.CompareKind.GREATER: 8,
    quant.CompareKind.LESS: 9,
    quant.CompareKind.GREATER_OR_EQUAL: 10,
    quant.CompareKind.LESS_OR_EQUAL: 11,
}
"""Functions of `eltwise`."""
INTEGER_FUNCTIONS: Mapping[quant.IntegerFn, int] = {
    fn: number for number, fn in enumerate(quant.IntegerFn)
}


def spread(values: Sequence[SSAValue], builder: ProgramBuilder) -> list[Ref]:
    """Operands broadcast to the shape of the result, which is the last of `values`."""
    y = builder.result(values[-1])
    refs: list[Ref] = []
    for value in values[:-1]:
        ref = builder.refs[value] if value in builder.refs else param_of(value, builder)
        refs.append(Ref(ref.buffer, broadcast_view(ref.view, y.view.shape)))
    return [*refs, y]


def _lower_compare(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.CompareOp)
    refs = spread([op.a, op.b, op.y], builder)
    builder.layer("eltwise", refs, fn=COMPARISONS[op.kind], **clamp_bounds(op.y))


def _lower_integer(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.IntegerOp)
    builder.layer("integer", spread([op.a, op.b, op.y], builder), fn=INTEGER_FUNCTIONS[op.fn])


def _lower_where(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.WhereOp)
    builder.layer("where", spread([op.condition, op.a, op.b, op.y], builder))


def _lower_cast(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.CastOp)
    real = any(is_real(element_type(v)) for v in (op.x, op.y))
    builder.layer("cast", spread([op.x, op.y], builder), saturate=int(real or op.saturate))


def _lower_expand(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ExpandOp)
    builder.layer("copy", spread([op.x, op.y], builder))


INTEGERS: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    quant.CompareOp: _lower_compare,
    quant.IntegerOp: _lower_integer,
    quant.WhereOp: _lower_where,
    quant.CastOp: _lower_cast,
    quant.ExpandOp: _lower_expand,
}
