"""Elements at computed places: gathering, scattering, and the places of the greatest ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType, i1, i32
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.integer import IntegerFn
from pulsar2.dialects.quant.types import element_type
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import (
    Rule,
    constant_of,
    int_list,
    is_float,
    not_numbers,
    not_plain,
    shape_of,
)
from pulsar2.lowering.quant.rules.movement import MovementRule
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


class IndexedRule(MovementRule):
    """What operators with a tensor of indices share; data and result have one quantization."""

    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        indices = constant_of(op.operands[1], weights)
        if indices is not None and not indices.size:
            return "it has no indices"
        return super().refuse(op, weights) or not_plain(op.operands[1])

    @staticmethod
    def axis_of(op: OnnxOp) -> int:
        return int(op.value_of("axis")) % len(shape_of(op.operands[0]))


class GatherRule(IndexedRule):
    """A Gather of one constant index is a slice without the axis."""

    op_types = ("Gather",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        shape, axis = shape_of(op.operands[0]), self.axis_of(op)
        x = self.data(op, to)
        indices = int_list(op.operands[1], to.weights)
        if indices is None or len(indices) != 1 or not -shape[axis] <= indices[0] < shape[axis]:
            places = to.operand_as(op.operands[1], i32)
            to.finish(op, quant.GatherOp(x, places, axis, to.type_of(op.result)))
            return
        index = indices[0] % shape[axis]
        starts = [index if i == axis else 0 for i in range(len(shape))]
        sizes = [1 if i == axis else n for i, n in enumerate(shape)]
        part = TensorType(element_type(x), sizes)
        sliced = quant.SliceOp(x, starts, sizes, (1,) * len(shape), part)
        y = to.emit(sliced, to.part_location(op, "slice"))
        to.finish(op, quant.ReshapeOp(y, to.type_of(op.result)))


class GatherElementsRule(IndexedRule):
    op_types = ("GatherElements",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        x, places = self.data(op, to), to.operand_as(op.operands[1], i32)
        to.finish(op, quant.GatherElementsOp(x, places, self.axis_of(op), to.type_of(op.result)))


class GatherNdRule(IndexedRule):
    """A gathering of rows, the indexed dimensions joined into one."""

    op_types = ("GatherND",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.value_of("batch_dims"):
            return "batch_dims is not 0"
        return super().refuse(op, weights)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        shape, count = shape_of(op.operands[0]), shape_of(op.operands[1])[-1]
        x = self.data(op, to)
        rows = TensorType(element_type(x), (prod(shape[:count]), *shape[count:]))
        joined = to.emit(quant.ReshapeOp(x, rows), to.part_location(op, "rows"))
        places = row_numbers(op, to)
        to.finish(op, quant.GatherOp(joined, places, 0, to.type_of(op.result)))


def row_numbers(op: OnnxOp, to: Conversion) -> SSAValue:
    """The indices of a GatherND or ScatterND, [.., k], as numbers [..] of joined dimensions."""
    shape, tuples = shape_of(op.operands[0]), shape_of(op.operands[1])
    sizes, result = shape[: tuples[-1]], tuples[:-1]
    steps = [prod(sizes[i + 1 :]) for i in range(len(sizes))]
    known = constant_of(op.operands[1], to.weights)
    if known is not None:
        wide = known.astype(np.int64)
        positive = np.where(wide < 0, wide + np.array(sizes), wide)
        numbers = (positive * np.array(steps)).sum(axis=-1).astype(np.int32)
        return to.constant(numbers, i32, f"{node_name(op)}/rows_at")
    given = to.operand_as(op.operands[1], i32)
    type_ = TensorType(i32, result)
    total: SSAValue | None = None
    for number, (size, step) in enumerate(zip(sizes, steps, strict=True)):
        starts = [0] * len(result) + [number]
        part = TensorType(i32, (*result, 1))
        sliced = quant.SliceOp(given, starts, (*result, 1), (1,) * len(starts), part)
        index = to.emit(sliced, to.part_location(op, f"part_{number}"))
        index = to.emit(quant.ReshapeOp(index, type_), to.part_location(op, f"index_{number}"))
        index = _scaled(_from_start(index, size, number, op, to), step, number, op, to)
        if total is not None:
            made = quant.IntegerOp(IntegerFn.ADD, total, index, type_)
            index = to.emit(made, to.part_location(op, f"sum_{number}"))
        total = index
    assert total is not None
    return total


def _from_start(index: SSAValue, size: int, number: int, op: OnnxOp, to: Conversion) -> SSAValue:
    """Indices from the start, where negative ones counted from the end."""
    name = f"{node_name(op)}/size_{number}"
    zero, end = to.plain_constant(0, index, f"{name}/zero"), to.plain_constant(size, index, name)
    negative = quant.IntegerOp(IntegerFn.LESS, index, zero, TensorType(i1, shape_of(index)))
    is_negative = to.emit(negative, to.part_location(op, f"negative_{number}"))
    moved = quant.IntegerOp(IntegerFn.ADD, index, end, index.type)
    other = to.emit(moved, to.part_location(op, f"moved_{number}"))
    chosen = quant.WhereOp(is_negative, other, index, index.type)
    return to.emit(chosen, to.part_location(op, f"place_{number}"))


def _scaled(index: SSAValue, step: int, number: int, op: OnnxOp, to: Conversion) -> SSAValue:
    if step == 1:
        return index
    factor = to.plain_constant(step, index, f"{node_name(op)}/step_{number}")
    made = quant.IntegerOp(IntegerFn.MUL, index, factor, index.type)
    return to.emit(made, to.part_location(op, f"scaled_{number}"))


class ScatterRule(IndexedRule):
    """Updates move data too: they have the quantization of what they replace."""

    op_types = ("ScatterElements", "Scatter", "ScatterND")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        reduction = str(op.value_of("reduction") or "none")
        if reduction not in list(quant.ScatterKind):
            return f"the reduction '{reduction}' is not known"
        joins = self._kind(op) in (quant.ScatterKind.ADD, quant.ScatterKind.MUL)
        if joins and is_float(op.operands[0]):
            return "sums and products of real numbers are not supported"
        return super().refuse(op, weights) or not_numbers(op.operands[2])

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[0], op.operands[2]

    @staticmethod
    def _kind(op: OnnxOp) -> quant.ScatterKind:
        return quant.ScatterKind(str(op.value_of("reduction") or "none"))

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        type_ = to.plan.element_type(op.result)
        x, updates = (to.operand_as(v, type_) for v in (op.operands[0], op.operands[2]))
        kind = self._kind(op)
        if op.op_type != "ScatterND":
            places = to.operand_as(op.operands[1], i32)
            axis = self.axis_of(op)
            made = quant.ScatterElementsOp(kind, x, places, updates, axis, to.type_of(op.result))
            to.finish(op, made)
            return
        shape, tuples = shape_of(op.operands[0]), shape_of(op.operands[1])
        inner = prod(shape[tuples[-1] :])
        rows, count = prod(shape[: tuples[-1]]), prod(tuples[:-1])
        wide = TensorType(type_, (rows, inner))
        data = to.emit(quant.ReshapeOp(x, wide), to.part_location(op, "rows"))
        new = quant.ReshapeOp(updates, TensorType(type_, (count, inner)))
        numbers = quant.ReshapeOp(row_numbers(op, to), TensorType(i32, (count, 1)))
        column = to.emit(numbers, to.part_location(op, "column"))
        expanded = quant.ExpandOp(column, TensorType(i32, (count, inner)))
        made = quant.ScatterElementsOp(
            kind,
            data,
            to.emit(expanded, to.part_location(op, "places")),
            to.emit(new, to.part_location(op, "updates")),
            0,
            wide,
        )
        result = to.emit(made, to.part_location(op, "scattered"))
        to.finish(op, quant.ReshapeOp(result, to.type_of(op.result)))


class ArgRule(Rule):
    """Where the greatest or least element along an axis is."""

    op_types = ("ArgMax", "ArgMin")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.value_of("select_last_index"):
            return "select_last_index is set"
        return not_numbers(op.operands[0])

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        x = to.operand(op.operands[0])
        shape = list(shape_of(op.operands[0]))
        axis = int(op.value_of("axis")) % len(shape)
        shape[axis] = 1
        made = quant.ArgOp(x, axis, TensorType(i32, shape), largest=op.op_type == "ArgMax")
        if op.value_of("keepdims"):
            to.finish(op, made)
            return
        place = to.emit(made, to.part_location(op, "place"))
        to.finish(op, quant.ReshapeOp(place, to.type_of(op.result)))


class TopKRule(MovementRule):
    """Where the greatest elements are, and a gathering of them."""

    op_types = ("TopK",)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        count = int_list(op.operands[1], weights)
        if count is None or count[0] < 1:
            return "the number of elements is not a constant of 1 or more"
        return super().refuse(op, weights)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        values, indices = op.results
        x = self.data(op, to)
        axis = int(op.value_of("axis")) % len(shape_of(op.operands[0]))
        places = quant.TopKOp(
            x, axis, TensorType(i32, shape_of(values)), largest=bool(op.value_of("largest"))
        )
        at = to.emit(places, to.location(op, indices))
        to.bind(indices, at)
        to.finish(op, quant.GatherElementsOp(x, at, axis, to.type_of(values)), values)


INDEXING_RULES: tuple[Rule, ...] = (
    GatherRule(),
    GatherElementsRule(),
    GatherNdRule(),
    ScatterRule(),
    ArgRule(),
    TopKRule(),
)
