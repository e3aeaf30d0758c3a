"""Export of plain integers and truth values: ONNX's operators on the stored elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from pulsar2.dialects.quant import CastOp, CompareOp, ExpandOp, IntegerOp, WhereOp
from pulsar2.dialects.quant.integer import CompareKind, IntegerFn, is_real
from pulsar2.dialects.quant.types import element_type, shape_of, storage_dtype
from pulsar2.quant_export.builder import Emit, ModelBuilder

_COMPARISONS = {kind.value: "".join(w.title() for w in kind.split("_")) for kind in CompareKind}
_ARITHMETIC = {
    IntegerFn.ADD: "Add",
    IntegerFn.SUB: "Sub",
    IntegerFn.MUL: "Mul",
    IntegerFn.DIV: "Div",
    IntegerFn.MOD: "Mod",
    IntegerFn.MIN: "Min",
    IntegerFn.MAX: "Max",
    IntegerFn.AND: "BitwiseAnd",
    IntegerFn.OR: "BitwiseOr",
    IntegerFn.XOR: "BitwiseXor",
}
_WIDEST = 2.0**32
"""No integer has a greater magnitude."""
_LOGIC = {IntegerFn.AND: "And", IntegerFn.OR: "Or", IntegerFn.XOR: "Xor"}


def _export_compare(op: CompareOp, builder: ModelBuilder) -> None:
    operands = [builder.real(op.a), builder.real(op.b)]
    builder.node(_COMPARISONS[op.kind.value], operands, builder.result_name(op.y))


def _export_integer(op: IntegerOp, builder: ModelBuilder) -> None:
    logical = storage_dtype(op.a.type) == np.bool_
    kinds = {**_ARITHMETIC, **(_LOGIC if logical else {})}
    op_type = _COMPARISONS[op.fn.value] if op.fn.compares else kinds[op.fn]
    operands = [builder.stored(op.a), builder.stored(op.b)]
    builder.node(op_type, operands, builder.result_name(op.y))


def _export_where(op: WhereOp, builder: ModelBuilder) -> None:
    operands = [builder.stored(op.condition), builder.runnable(op.a), builder.runnable(op.b)]
    output = builder.result_name(op.y)
    if operands[1:] == [builder.stored(op.a), builder.stored(op.b)]:
        builder.node("Where", operands, output)
        return
    chosen = builder.node("Where", operands, f"{output}/f32")
    builder.cast(chosen, storage_dtype(op.y.type), output)


def _export_cast(op: CastOp, builder: ModelBuilder) -> None:
    dtype = storage_dtype(op.y.type)
    if is_real(element_type(op.y)):
        x = builder.stored(op.x)
        real = builder.cast(x, np.float32, builder.unique(f"{x}/f32"))
        builder.finish_real(op.y, real, limit=_WIDEST)
        return
    bounded = dtype != np.bool_
    if is_real(element_type(op.x)):
        source, kind = builder.real(op.x), np.dtype(np.float32)
    else:
        source, kind = builder.stored(op.x), storage_dtype(op.x.type)
        bounded = bounded and op.saturate and kind != np.bool_
    output = builder.result_name(op.y)
    if bounded:
        source = _clip(source, kind, dtype, f"{output}/bounded", builder)
    builder.cast(source, dtype, output)


def _clip(source: str, kind: np.dtype[Any], to: np.dtype[Any], name: str, b: ModelBuilder) -> str:
    """The numbers within the range of `to`, so that a cast does not leave it; NaN is 0."""
    limits = np.iinfo(to)
    low, high = limits.min, limits.max
    if kind == np.float32:
        # The greatest f32 within, since the bound itself may be rounded up.
        high_f32 = np.float32(high)
        if int(high_f32) > high:
            high_f32 = np.nextafter(high_f32, np.float32(0))
        bounds = [np.float32(low), high_f32]
        zero = b.constant(np.zeros((), np.float32), f"{name}/zero")
        nan = b.node("IsNaN", [source], f"{name}/nan")
        source = b.node("Where", [nan, zero, source], f"{name}/number")
    else:
        own = np.iinfo(kind)
        bounds = [np.asarray(max(own.min, low), kind), np.asarray(min(own.max, high), kind)]
    names = [
        b.constant(np.asarray(v), f"{name}/{w}") for v, w in zip(bounds, ("lo", "hi"), strict=True)
    ]
    return b.node("Clip", [source, *names], name)


def _export_expand(op: ExpandOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    output = builder.result_name(op.y)
    shape = builder.constant(np.asarray(shape_of(op.y), np.int64), f"{output}/shape")
    builder.node("Expand", [x, shape], output)


INTEGERS: Emit = {
    CompareOp: _export_compare,
    IntegerOp: _export_integer,
    WhereOp: _export_where,
    CastOp: _export_cast,
    ExpandOp: _export_expand,
}
