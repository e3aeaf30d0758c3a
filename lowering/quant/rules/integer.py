"""Integers and truth values: comparison, logic, arithmetic, selection, and changes of type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.base import broadcast
from pulsar2.dialects.quant.integer import CompareKind, IntegerFn
from pulsar2.dialects.quant.types import element_type, shape_of, storage_dtype
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import (
    Rule,
    is_constant,
    is_float,
    not_numbers,
    not_plain,
)
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

_COMPARISONS: Mapping[str, CompareKind] = {
    "Equal": CompareKind.EQUAL,
    "Greater": CompareKind.GREATER,
    "Less": CompareKind.LESS,
    "GreaterOrEqual": CompareKind.GREATER_OR_EQUAL,
    "LessOrEqual": CompareKind.LESS_OR_EQUAL,
}
_INTEGER_FNS: Mapping[str, IntegerFn] = {
    "Add": IntegerFn.ADD,
    "Sub": IntegerFn.SUB,
    "Mul": IntegerFn.MUL,
    "Div": IntegerFn.DIV,
    "Mod": IntegerFn.MOD,
    "Min": IntegerFn.MIN,
    "Max": IntegerFn.MAX,
    "And": IntegerFn.AND,
    "Or": IntegerFn.OR,
    "Xor": IntegerFn.XOR,
    "BitwiseAnd": IntegerFn.AND,
    "BitwiseOr": IntegerFn.OR,
    "BitwiseXor": IntegerFn.XOR,
    **{name: IntegerFn(kind.value) for name, kind in _COMPARISONS.items()},
}
INTEGER_UNARY = ("Abs", "Neg", "Relu")
"""Functions of one number that integers have too."""


def not_one_kind(op: OnnxOp) -> str:
    """Why the operands are neither all f32 nor all integers, or ''."""
    values = (*op.operands, op.results[0])
    return "" if all(is_float(v) for v in values) else not_plain(*values)


def convert_integers(op: OnnxOp, to: Conversion) -> bool:
    """Converts a function of integers, two operands at a time; False where they are f32."""
    if is_float(op.operands[0]):
        return False
    fn = _INTEGER_FNS[op.op_type]
    result = to.plan.element_type(op.results[0])
    value = to.operand(op.operands[0])
    for number, operand in enumerate(op.operands[1:], 2):
        other = to.operand(operand)
        type_ = TensorType(result, broadcast(shape_of(value), shape_of(other)))
        made = quant.IntegerOp(fn, value, other, type_)
        if number == len(op.operands):
            to.finish(op, made)
        else:
            value = to.emit(made, to.part_location(op, f"first_{number}"))
    return True


def convert_integer_unary(op: OnnxOp, to: Conversion) -> None:
    """Converts one of `INTEGER_UNARY`: 0 - x, the greater of x and 0 - x, or of x and 0."""
    x = to.operand(op.operands[0])
    zero = to.plain_constant(0, x, f"{node_name(op)}/zero")
    if op.op_type == "Neg":
        to.finish(op, quant.IntegerOp(IntegerFn.SUB, zero, x, x.type))
        return
    other = zero
    if op.op_type == "Abs":
        negated = quant.IntegerOp(IntegerFn.SUB, zero, x, x.type)
        other = to.emit(negated, to.part_location(op, "negated"))
    to.finish(op, quant.IntegerOp(IntegerFn.MAX, x, other, x.type))


class CompareRule(Rule):
    """Comparison of the numbers that two tensors stand for, each as it is quantized, or f32."""

    op_types = tuple(_COMPARISONS)
    needs_finite = False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        kinds = [is_float(v) for v in op.operands]
        return "" if all(kinds) else not_plain(*op.operands)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        if convert_integers(op, to):
            return
        # A constant is compared with as it is: rounding it would move the threshold.
        a, b = (to.operand_as(v, f32) if is_constant(v) else to.operand(v) for v in op.operands)
        to.finish(op, quant.CompareOp(_COMPARISONS[op.op_type], a, b, to.type_of(op.results[0])))


class LogicRule(Rule):
    """Functions of two tensors of truth values or integers."""

    op_types = ("And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.op_type == "Mod" and op.value_of("fmod"):
            return "fmod is set"
        return not_plain(*op.operands)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        convert_integers(op, to)


class NotRule(Rule):
    op_types = ("Not", "BitwiseNot")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_plain(*op.operands)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        x = to.operand(op.operands[0])
        ones = to.plain_constant(~np.zeros((), storage_dtype(x.type)), x, f"{node_name(op)}/ones")
        to.finish(op, quant.IntegerOp(IntegerFn.XOR, x, ones, x.type))


class WhereRule(Rule):
    """Selection moves data: both branches and the result share a quantization.

    It holds every number of a constant branch, so one that stands for infinity goes to the CPU.
    """

    op_types = ("Where",)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_numbers(*op.operands)

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[1:]

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        condition = to.operand(op.operands[0])
        type_ = to.plan.element_type(op.results[0])
        a, b = (to.operand_as(v, type_) for v in op.operands[1:])
        to.finish(op, quant.WhereOp(condition, a, b, to.type_of(op.results[0])))


class CastRule(Rule):
    """A Cast between integers, or between integers and real numbers."""

    op_types = ("Cast",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_numbers(op.operands[0], op.results[0])

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands if is_float(op.operands[0]) and is_float(op.results[0]) else ()

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        source, result = op.operands[0], op.results[0]
        element = to.plan.element_type(result)
        if self.shared(op):
            to.bind(result, to.operand_as(source, element))
            return
        x = to.operand(source)
        if element_type(x) == element:
            to.bind(result, x)
        else:
            to.finish(op, quant.CastOp(x, to.type_of(result)))


INTEGER_RULES: tuple[Rule, ...] = (
    CompareRule(),
    LogicRule(),
    NotRule(),
    WhereRule(),
    CastRule(),
)
