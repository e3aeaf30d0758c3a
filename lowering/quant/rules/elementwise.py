"""Binary arithmetic and unary functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.elementwise import Clip
from pulsar2.dialects.quant.base import broadcast
from pulsar2.dialects.quant.elementwise import BinaryOp, UnaryFn
from pulsar2.locations import node_name
from pulsar2.lowering.quant.parameters import SLOPE_STORAGES
from pulsar2.lowering.quant.rules.base import (
    ElementFunction,
    Rule,
    constant_of,
    is_constant,
    is_float,
    not_plain,
    shape_of,
)
from pulsar2.lowering.quant.rules.integer import (
    INTEGER_UNARY,
    convert_integer_unary,
    convert_integers,
    not_one_kind,
)
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


class BinaryRule(Rule):
    op_types = ("Add", "Sub", "Mul")
    fuses_activation = True

    _OPS: Mapping[str, type[BinaryOp]] = {
        "Add": quant.AddOp,
        "Sub": quant.SubOp,
        "Mul": quant.MulOp,
    }

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_one_kind(op)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        if convert_integers(op, to):
            return
        a, b = (to.operand(v) for v in op.operands)
        value = to.plan.result(op)
        made = self._OPS[op.op_type](a, b, to.type_of(value), clamp=to.clamp(op, value))
        to.finish(op, made)


class DivRule(Rule):
    """A division; by a constant it is a product with the reciprocal.

    A small divisor would otherwise be quantized to 0.
    """

    op_types = ("Div",)
    fuses_activation = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        divisor = constant_of(op.operands[1], weights)
        if divisor is not None and not np.all(divisor):
            return "the constant divisor holds a 0"
        return not_one_kind(op)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        if convert_integers(op, to):
            return
        a = to.operand(op.operands[0])
        value = to.plan.result(op)
        clamp = to.clamp(op, value)
        divisor = constant_of(op.operands[1], to.weights)
        if divisor is None:
            b = to.operand(op.operands[1])
            to.finish(op, quant.DivOp(a, b, to.type_of(value), clamp=clamp))
            return
        factor = np.float32(1) / divisor.astype(np.float32)
        b = to.float_constant(factor, f"{node_name(op)}/reciprocal", like=a)
        to.finish(op, quant.MulOp(a, b, to.type_of(value), clamp=clamp))


class ExtremeRule(Rule):
    """Max and Min of any number of tensors, two at a time in the quantization of the result."""

    op_types = ("Max", "Min")

    _OPS: Mapping[str, type[BinaryOp]] = {"Max": quant.MaxOp, "Min": quant.MinOp}

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_one_kind(op)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        result = op.results[0]
        if len(op.operands) == 1:
            element = to.plan.element_type(result)
            to.bind(result, to.operand_as(op.operands[0], element))
            return
        if convert_integers(op, to):
            return
        value = to.operand(op.operands[0])
        for number, operand in enumerate(op.operands[1:], 2):
            other = to.operand(operand)
            shape = broadcast(shape_of(value), shape_of(other))
            type_ = TensorType(to.plan.element_type(result), shape)
            made = self._OPS[op.op_type](value, other, type_)
            if number == len(op.operands):
                to.finish(op, made)
            else:
                value = to.emit(made, to.part_location(op, f"first_{number}"))


class PReluRule(Rule):
    """A slope below 0 for each index of some axes.

    Beside 8-bit numbers slopes have 16 bits: all channels share one scale, and those of small
    slopes would lose most of theirs.
    """

    op_types = ("PRelu",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not is_constant(op.operands[1]):
            return "the slope is computed, but only a constant slope is supported"
        return _not_float(op)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        a = to.operand(op.operands[0])
        slope = constant_of(op.operands[1], to.weights)
        assert slope is not None
        b = to.float_constant(slope, f"{node_name(op)}/slope", like=a, storages=SLOPE_STORAGES)
        to.finish(op, quant.PReluOp(a, b, to.type_of(op.result)))


class FunctionRule(Rule):
    """What rules for functions of each element share."""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        function = self.function(op, to.weights)
        assert function is not None
        fn, alpha, beta = function.fn, function.alpha, function.beta
        x = to.operand(op.operands[0])
        to.finish(op, quant.UnaryOp(fn, x, to.type_of(op.result), alpha=alpha, beta=beta))


class PowRule(FunctionRule):
    """A power with a constant exponent."""

    op_types = ("Pow",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        exponent = constant_of(op.operands[1], weights)
        if exponent is None or exponent.size != 1:
            return "the exponent must be one constant number"
        return "" if is_float(op.operands[0]) else "only f32 is supported"

    def function(self, op: OnnxOp, weights: WeightStore) -> ElementFunction:
        exponent = constant_of(op.operands[1], weights)
        assert exponent is not None
        return ElementFunction(UnaryFn.POW, float(exponent.reshape(())))


_FUNCTIONS: dict[str, UnaryFn] = {
    "Relu": UnaryFn.RELU,
    "Sigmoid": UnaryFn.SIGMOID,
    "HardSigmoid": UnaryFn.HARD_SIGMOID,
    "HardSwish": UnaryFn.HARD_SWISH,
    "Tanh": UnaryFn.TANH,
    "Exp": UnaryFn.EXP,
    "Log": UnaryFn.LOG,
    "Sqrt": UnaryFn.SQRT,
    "Erf": UnaryFn.ERF,
    "Gelu": UnaryFn.GELU,
    "LeakyRelu": UnaryFn.LEAKY_RELU,
    "Elu": UnaryFn.ELU,
    "Softplus": UnaryFn.SOFTPLUS,
    "Mish": UnaryFn.MISH,
    "Swish": UnaryFn.SILU,
    "Abs": UnaryFn.ABS,
    "Neg": UnaryFn.NEG,
    "Floor": UnaryFn.FLOOR,
    "Ceil": UnaryFn.CEIL,
    "Round": UnaryFn.ROUND,
    "Sin": UnaryFn.SIN,
    "Cos": UnaryFn.COS,
    "Reciprocal": UnaryFn.RECIPROCAL,
}


class UnaryRule(FunctionRule):
    """A function of each element; parameters are the ONNX attributes of the same name."""

    op_types = tuple(_FUNCTIONS)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.op_type == "Swish" and op.value_of("alpha") != 1.0:
            return f"alpha is {op.value_of('alpha')}, but only 1 is supported"
        return "" if op.op_type in INTEGER_UNARY and not not_plain(op.result) else _not_float(op)

    def function(self, op: OnnxOp, weights: WeightStore) -> ElementFunction | None:
        if not is_float(op.result):
            return None
        fn = _FUNCTIONS[op.op_type]
        if fn is UnaryFn.GELU and op.value_of("approximate") == "tanh":
            fn = UnaryFn.GELU_TANH
        has_alpha = fn in (UnaryFn.LEAKY_RELU, UnaryFn.ELU, UnaryFn.HARD_SIGMOID)
        return ElementFunction(
            fn,
            op.value_of("alpha") if has_alpha else None,
            op.value_of("beta") if fn is UnaryFn.HARD_SIGMOID else None,
        )

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        if is_float(op.result):
            super().convert(op, to)
        else:
            convert_integer_unary(op, to)


class ClipRule(FunctionRule):
    """A Clip that no operator before it carries out."""

    op_types = ("Clip",)
    needs_finite = False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, Clip)
        if any(v is not None and not is_constant(v) for v in (op.min, op.max)):
            return "min and max must be constants"
        return "" if is_float(op.result) else "only f32 is supported"

    def function(self, op: OnnxOp, weights: WeightStore) -> ElementFunction:
        assert isinstance(op, Clip)
        low, high = _bound(op.min, weights, -np.inf), _bound(op.max, weights, np.inf)
        return ElementFunction(UnaryFn.CLIP, low, high)


def _bound(value: SSAValue | None, weights: WeightStore, default: float) -> float:
    array = constant_of(value, weights)
    return float(default) if array is None else float(array.reshape(-1)[0])


class InverseSigmoidRule(FunctionRule):
    """The dialect's own function of each element, a logarithm between bounds."""

    op_types = ("InverseSigmoid",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return _not_float(op)

    def function(self, op: OnnxOp, weights: WeightStore) -> ElementFunction:
        return ElementFunction(UnaryFn.INVERSE_SIGMOID, op.value_of("eps"))


def _not_float(op: OnnxOp) -> str:
    return "" if all(is_float(v) for v in (*op.operands, op.result)) else "only f32 is supported"


ELEMENTWISE_RULES: tuple[Rule, ...] = (
    BinaryRule(),
    DivRule(),
    ExtremeRule(),
    UnaryRule(),
    ClipRule(),
    PReluRule(),
    PowRule(),
    InverseSigmoidRule(),
)
