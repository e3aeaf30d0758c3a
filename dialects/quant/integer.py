"""Whole numbers and truth values: arithmetic, comparison, selection, and changes of type.

A *plain* tensor holds integers that stand for themselves: i1 (truth values, one byte each), i8,
ui8, i16, ui16, i32 and ui32. A tensor of i64 is only an input or output of a subgraph: `quant.cast`
makes it i32, and back.
"""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, Signedness, UnitAttr, f32, i1, i8, i16, i32, i64
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from pulsar2.dialects.quant.base import (
    Tensor,
    broadcast,
    verify_activation,
    verify_same_elements,
    verify_shape,
)
from pulsar2.dialects.quant.types import UniformType, element_type, shape_of

PLAIN_TYPES: tuple[IntegerType, ...] = (
    i1,
    i8,
    IntegerType(8, Signedness.UNSIGNED),
    i16,
    IntegerType(16, Signedness.UNSIGNED),
    i32,
    IntegerType(32, Signedness.UNSIGNED),
)
"""The element types of plain tensors."""


def is_plain(type_: Attribute) -> bool:
    """Whether an element type is one of plain tensors."""
    return type_ in PLAIN_TYPES


def is_real(type_: Attribute) -> bool:
    """Whether an element type stands for real numbers: f32, or quantized per tensor."""
    return type_ == f32 or isinstance(type_, UniformType)


def verify_plain(value: SSAValue, what: str) -> None:
    type_ = element_type(value)
    if not is_plain(type_):
        raise VerifyException(f"{what} has plain integers of at most 32 bits, got {type_}")


class CompareKind(StrEnum):
    """Comparisons of two numbers."""

    EQUAL = "equal"
    GREATER = "greater"
    LESS = "less"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_OR_EQUAL = "less_or_equal"


class IntegerFn(StrEnum):
    """Functions of two integers.

    Arithmetic wraps around; `div` truncates, `mod` has the sign of the divisor, and both are 0
    where the divisor is.
    """

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    MOD = "mod"
    MIN = "min"
    MAX = "max"
    AND = "and"
    OR = "or"
    XOR = "xor"
    EQUAL = "equal"
    GREATER = "greater"
    LESS = "less"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_OR_EQUAL = "less_or_equal"

    @property
    def compares(self) -> bool:
        """Whether the result is a truth value."""
        return self.value in tuple(CompareKind)


@irdl_attr_definition
class CompareKindAttr(EnumAttribute[CompareKind], SpacedOpaqueSyntaxAttribute):
    """The comparison of a `quant.compare`."""

    name = "quant.compare_kind"


@irdl_attr_definition
class IntegerFnAttr(EnumAttribute[IntegerFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `quant.integer`."""

    name = "quant.integer_fn"


@irdl_op_definition
class CompareOp(IRDLOperation):
    """Compares the real numbers that a and b stand for, f32 each; numpy's broadcasting.

    ```
    %y = quant.compare greater %a, %b : (tensor<4x..>, tensor<1x..>) -> tensor<4xi1>
    ```
    """

    name = "quant.compare"

    a = operand_def(Tensor)
    b = operand_def(Tensor)
    kind_attr = prop_def(CompareKindAttr, prop_name="compare")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$compare $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, kind: CompareKind, a: SSAValue, b: SSAValue, result_type: Attribute):
        super().__init__(
            operands=[a, b],
            properties={"compare": CompareKindAttr(kind)},
            result_types=[result_type],
        )

    @property
    def kind(self) -> CompareKind:
        return self.kind_attr.data

    def verify_(self) -> None:
        verify_activation(self.a, "a")
        verify_activation(self.b, "b")
        if element_type(self.y) != i1:
            raise VerifyException(f"the result is of i1, got {element_type(self.y)}")
        verify_shape(self.y, broadcast(shape_of(self.a), shape_of(self.b)))


@irdl_op_definition
class IntegerOp(IRDLOperation):
    """A function of two plain tensors of one type, exact; numpy's broadcasting.

    ```
    %y = quant.integer add %a, %b : (tensor<4xi32>, tensor<1xi32>) -> tensor<4xi32>
    %y = quant.integer less %a, %b : (tensor<4xi32>, tensor<1xi32>) -> tensor<4xi1>
    ```
    """

    name = "quant.integer"

    a = operand_def(Tensor)
    b = operand_def(Tensor)
    fn_attr = prop_def(IntegerFnAttr, prop_name="function")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$function $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: IntegerFn, a: SSAValue, b: SSAValue, result_type: Attribute):
        super().__init__(
            operands=[a, b],
            properties={"function": IntegerFnAttr(fn)},
            result_types=[result_type],
        )

    @property
    def fn(self) -> IntegerFn:
        return self.fn_attr.data

    def verify_(self) -> None:
        verify_plain(self.a, "a")
        ours, theirs = element_type(self.a), element_type(self.b)
        if ours != theirs:
            raise VerifyException(f"a and b have one type, got {ours} and {theirs}")
        expected = i1 if self.fn.compares else ours
        if element_type(self.y) != expected:
            raise VerifyException(f"the result is of {expected}, got {element_type(self.y)}")
        verify_shape(self.y, broadcast(shape_of(self.a), shape_of(self.b)))


@irdl_op_definition
class WhereOp(IRDLOperation):
    """Elements of a where the condition holds, else of b; numpy's broadcasting. Moves data only.

    ```
    %y = quant.where %c, %a, %b : (tensor<4xi1>, tensor<4x..>, tensor<1x..>) -> tensor<4x..>
    ```
    """

    name = "quant.where"

    condition = operand_def(Tensor)
    a = operand_def(Tensor)
    b = operand_def(Tensor)
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$condition `,` $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, condition: SSAValue, a: SSAValue, b: SSAValue, result_type: Attribute):
        super().__init__(operands=[condition, a, b], result_types=[result_type])

    def verify_(self) -> None:
        if element_type(self.condition) != i1:
            raise VerifyException(f"the condition is of i1, got {element_type(self.condition)}")
        verify_same_elements(self.a, self.y, "a")
        verify_same_elements(self.b, self.y, "b")
        parts = broadcast(shape_of(self.a), shape_of(self.b))
        verify_shape(self.y, broadcast(shape_of(self.condition), parts))


@irdl_op_definition
class CastOp(IRDLOperation):
    """Changes the type of numbers, at least one side being plain (or i64): ONNX Cast.

    A real number is truncated and saturates, NaN being 0; an integer wraps around, or saturates
    with `saturate`; i1 is whether it is other than 0. A real result is f32(x), quantized.

    ```
    %y = quant.cast %x : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xi32>
    %y = quant.cast %x saturate : tensor<4xi64> -> tensor<4xi32>
    ```
    """

    name = "quant.cast"

    x = operand_def(Tensor)
    saturate_attr = opt_prop_def(UnitAttr, prop_name="saturate")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x (`saturate` $saturate^)? attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, result_type: Attribute, *, saturate: bool = False):
        super().__init__(
            operands=[x],
            properties={"saturate": UnitAttr() if saturate else None},
            result_types=[result_type],
        )

    @property
    def saturate(self) -> bool:
        return self.saturate_attr is not None

    def verify_(self) -> None:
        types = element_type(self.x), element_type(self.y)
        for type_ in types:
            if not (is_plain(type_) or is_real(type_) or type_ == i64):
                raise VerifyException(f"{type_} is no type of numbers")
        if all(is_real(t) for t in types):
            raise VerifyException(f"{types[0]} and {types[1]} are both of real numbers")
        verify_shape(self.y, shape_of(self.x))


@irdl_op_definition
class ExpandOp(IRDLOperation):
    """Repeats x along dimensions of size 1 and new leading ones: numpy's broadcast_to.

    ```
    %y = quant.expand %x : tensor<1x4x..> -> tensor<2x3x4x..>
    ```
    """

    name = "quant.expand"

    x = operand_def(Tensor)
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, result_type: Attribute):
        super().__init__(operands=[x], result_types=[result_type])

    def verify_(self) -> None:
        verify_same_elements(self.x, self.y, "x")
        verify_shape(self.y, broadcast(shape_of(self.x), shape_of(self.y)))
