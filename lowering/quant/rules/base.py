"""What a conversion rule is: how one family of ONNX operators becomes `quant` operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xdsl.dialects.builtin import f32, i32, i64
from xdsl.ir import Attribute, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.dialects.quant.elementwise import UnaryFn
from pulsar2.dialects.quant.integer import PLAIN_TYPES
from pulsar2.lowering.quant.stored import constant_of, is_constant, is_constant_op
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

__all__ = [
    "ElementFunction",
    "Rule",
    "constant_of",
    "int_list",
    "is_constant",
    "is_constant_op",
    "is_float",
    "kind_of",
    "not_numbers",
    "not_plain",
    "plain_type",
    "shape_of",
]


@dataclass(frozen=True)
class ElementFunction:
    """A function of each number of a tensor, with the parameters that it has."""

    fn: UnaryFn
    alpha: float | None = None
    beta: float | None = None


class Rule(ABC):
    """How the operators `op_types` are quantized. One instance serves every operator."""

    op_types: ClassVar[tuple[str, ...]]
    """Names in ONNX of the operators that the rule converts."""

    fuses_activation: ClassVar[bool] = False
    """Whether a Relu or Clip that alone uses the result is carried out with the operator."""

    needs_finite: ClassVar[bool] = True
    """Whether a NaN or infinity among the constant operands is a mistake."""

    has_weights: ClassVar[bool] = False
    """Whether constant weights may have a type of their own, and the result another one."""

    selects: ClassVar[bool] = False
    """Whether results may lack numbers of the operands whose quantization they share."""

    def takes_float(self, op: OnnxOp) -> bool:
        """Whether the operator can compute with FP32 operands."""
        return True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        """Why this operator, with these attributes and operands, has no quantized form, or ''."""
        return ""

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        """The operands whose quantization all results have, since their data only moves."""
        return ()

    def held(self, op: OnnxOp, weights: WeightStore) -> Sequence[float]:
        """Numbers that the quantization of the results must hold besides those observed."""
        return ()

    def function(self, op: OnnxOp, weights: WeightStore) -> ElementFunction | None:
        """What `op` computes of each f32 number of its first operand; None where it is no such."""
        return None

    @abstractmethod
    def convert(self, op: OnnxOp, to: Conversion) -> None:
        """Emits the `quant` operations of `op` and binds its results."""


def kind_of(op: OnnxOp) -> str:
    """The name of the operator: ONNX's, or the dialect's own."""
    return op.op_type or op.name.removeprefix("onnx.")


def is_float(value: SSAValue) -> bool:
    """Whether `value` is a tensor of f32, which is what can be quantized."""
    return element_of(value.type) == f32


_PLAIN: Mapping[Attribute, Attribute] = {**{t: t for t in PLAIN_TYPES}, i64: i32}


def plain_type(value: SSAValue) -> Attribute | None:
    """The element type of an integer or boolean tensor in the quantized graph; None for others.

    Integers of 64 bits are held in 32.
    """
    element = element_of(value.type)
    return None if element is None else _PLAIN.get(element)


def not_numbers(*values: SSAValue) -> str:
    """Why the NPU does not take tensors of these types, or ''."""
    if all(is_float(v) or plain_type(v) is not None for v in values):
        return ""
    return "only f32, booleans, and integers of up to 32 bits (or signed ones of 64) are supported"


def not_plain(*values: SSAValue) -> str:
    """Why a function of integers does not take tensors of these types, or ''."""
    if all(plain_type(v) is not None for v in values):
        return ""
    return not_numbers(*values) or "it mixes f32 and integers"


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The static shape of a tensor; the plan has refused any other before a rule sees it."""
    shape = static_shape_of(value.type)
    assert shape is not None
    return shape


def int_list(value: SSAValue | None, weights: WeightStore) -> tuple[int, ...] | None:
    """The integers of a constant 1-D (or scalar) operand, None where it is absent or computed."""
    array = constant_of(value, weights)
    return None if array is None else tuple(int(v) for v in array.reshape(-1))
