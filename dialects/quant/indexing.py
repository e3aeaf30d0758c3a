"""Elements at computed places, and the places of the greatest ones."""

from __future__ import annotations

from xdsl.dialects.builtin import UnitAttr, i32
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
    IntConstr,
    Tensor,
    integer,
    verify_axis,
    verify_same_elements,
    verify_shape,
)
from pulsar2.dialects.quant.integer import is_plain, is_real
from pulsar2.dialects.quant.types import UniformType, element_type, shape_of


class ScatterKind(StrEnum):
    """How an update joins the element that is there: ONNX's reduction."""

    NONE = "none"
    ADD = "add"
    MUL = "mul"
    MAX = "max"
    MIN = "min"


@irdl_attr_definition
class ScatterKindAttr(EnumAttribute[ScatterKind], SpacedOpaqueSyntaxAttribute):
    """The reduction of a `quant.scatter_elements`."""

    name = "quant.scatter_kind"


def _verify_indices(indices: SSAValue) -> None:
    if element_type(indices) != i32:
        raise VerifyException(f"indices are of i32, got {element_type(indices)}")


class _GatherOp(IRDLOperation):
    """What both gatherings share."""

    x = operand_def(Tensor)
    indices = operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$x `at` $indices `axis` $axis attr-dict `:` functional-type(operands, results)"
    )

    def __init__(self, x: SSAValue, indices: SSAValue, axis: int, result_type: Attribute):
        super().__init__(
            operands=[x, indices], properties={"axis": integer(axis)}, result_types=[result_type]
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data


@irdl_op_definition
class GatherOp(_GatherOp):
    """Slices of x along an axis: y[.., i.., ..] = x[.., indices[i..], ..]. Moves data only.

    Negative indices count from the end; others have to be less than the size of the axis.

    ```
    %y = quant.gather %x at %i axis 0 : (tensor<9x4x..>, tensor<2x3xi32>) -> tensor<2x3x4x..>
    ```
    """

    name = "quant.gather"

    def verify_(self) -> None:
        shape, places = shape_of(self.x), shape_of(self.indices)
        verify_axis(self.axis, len(shape))
        _verify_indices(self.indices)
        verify_same_elements(self.x, self.y, "x")
        verify_shape(self.y, (*shape[: self.axis], *places, *shape[self.axis + 1 :]))


@irdl_op_definition
class GatherElementsOp(_GatherOp):
    """Elements of x, y[i, j] = x[i, indices[i, j]] where the axis is 1. Moves data only.

    ```
    %y = quant.gather_elements %x at %i axis 1 : (tensor<4x9x..>, tensor<4x2xi32>) -> tensor<4x2x..>
    ```
    """

    name = "quant.gather_elements"

    def verify_(self) -> None:
        shape, places = shape_of(self.x), shape_of(self.indices)
        verify_axis(self.axis, len(shape))
        _verify_indices(self.indices)
        verify_same_elements(self.x, self.y, "x")
        verify_shape(self.y, places)
        if len(places) != len(shape) or any(
            m < n for d, (n, m) in enumerate(zip(places, shape, strict=True)) if d != self.axis
        ):
            raise VerifyException("the indices are no more than the elements of x")


@irdl_op_definition
class ScatterElementsOp(IRDLOperation):
    """x with elements replaced by, or joined with, updates: y[i, indices[i, j]] = updates[i, j].

    Sums and products are of plain integers or f32.

    ```
    %y = quant.scatter_elements add %x at %i with %u axis 1
           : (tensor<4x9xf32>, tensor<4x2xi32>, tensor<4x2xf32>) -> tensor<4x9xf32>
    ```
    """

    name = "quant.scatter_elements"

    x = operand_def(Tensor)
    indices = operand_def(Tensor)
    updates = operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    reduction_attr = prop_def(ScatterKindAttr, prop_name="reduction")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$reduction $x `at` $indices `with` $updates `axis` $axis attr-dict "
        "`:` functional-type(operands, results)"
    )

    def __init__(
        self,
        kind: ScatterKind,
        x: SSAValue,
        indices: SSAValue,
        updates: SSAValue,
        axis: int,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x, indices, updates],
            properties={"axis": integer(axis), "reduction": ScatterKindAttr(kind)},
            result_types=[result_type],
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data

    @property
    def kind(self) -> ScatterKind:
        return self.reduction_attr.data

    def verify_(self) -> None:
        shape, places = shape_of(self.x), shape_of(self.indices)
        verify_axis(self.axis, len(shape))
        _verify_indices(self.indices)
        verify_same_elements(self.x, self.y, "x")
        verify_same_elements(self.updates, self.y, "updates")
        verify_shape(self.y, shape)
        verify_shape(self.updates, places)
        if len(places) != len(shape) or any(
            m < n for d, (n, m) in enumerate(zip(places, shape, strict=True)) if d != self.axis
        ):
            raise VerifyException("the updates are no more than the elements of x")
        type_ = element_type(self.y)
        joins = self.kind in (ScatterKind.ADD, ScatterKind.MUL)
        if joins and isinstance(type_, UniformType):
            raise VerifyException("sums and products are of f32 or plain integers")


class _RankedOp(IRDLOperation):
    """What the search for the greatest elements along an axis shares."""

    x = operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    largest_attr = opt_prop_def(UnitAttr, prop_name="largest")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x `axis` $axis (`largest` $largest^)? attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, axis: int, result_type: Attribute, *, largest: bool):
        super().__init__(
            operands=[x],
            properties={"axis": integer(axis), "largest": UnitAttr() if largest else None},
            result_types=[result_type],
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data

    @property
    def largest(self) -> bool:
        return self.largest_attr is not None

    def verify_ranked(self, most: int) -> None:
        """Raises `VerifyException` for more than `most` places along the axis, or wrong types."""
        shape, result = shape_of(self.x), shape_of(self.y)
        verify_axis(self.axis, len(shape))
        type_ = element_type(self.x)
        if not (is_plain(type_) or is_real(type_)):
            raise VerifyException(f"{type_} is no type of numbers")
        _verify_indices(self.y)
        if len(result) != len(shape) or not 1 <= result[self.axis] <= most:
            raise VerifyException(f"the result has 1 to {most} places along the axis")
        expected = list(shape)
        expected[self.axis] = result[self.axis]
        verify_shape(self.y, expected)


@irdl_op_definition
class ArgOp(_RankedOp):
    """Where the largest (or smallest) element along an axis is, of equal ones the first.

    ```
    %y = quant.arg %x axis 1 largest : tensor<4x9x..> -> tensor<4x1xi32>
    ```
    """

    name = "quant.arg"

    def verify_(self) -> None:
        self.verify_ranked(1)


@irdl_op_definition
class TopKOp(_RankedOp):
    """Where the largest (or smallest) elements along an axis are, the best first.

    Of equal ones the first comes first.

    ```
    %y = quant.top_k %x axis 1 largest : tensor<4x9x..> -> tensor<4x3xi32>
    ```
    """

    name = "quant.top_k"

    def verify_(self) -> None:
        self.verify_ranked(shape_of(self.x)[self.axis])
