"""Along whole axes: `quant.reduce` and `quant.softmax`."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import UnitAttr
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
    IntArrayConstr,
    IntConstr,
    Tensor,
    int_array,
    integer,
    ints,
    verify_activation,
    verify_axis,
    verify_same_elements,
    verify_shape,
)
from pulsar2.dialects.quant.types import shape_of


class ReduceKind(StrEnum):
    """What a reduction computes of the elements along its axes."""

    MEAN = "mean"
    SUM = "sum"
    MAX = "max"
    MIN = "min"


@irdl_attr_definition
class ReduceKindAttr(EnumAttribute[ReduceKind], SpacedOpaqueSyntaxAttribute):
    """The kind of a `quant.reduce`."""

    name = "quant.kind"


@irdl_op_definition
class ReduceOp(IRDLOperation):
    """Mean, sum, maximum or minimum along `axes`.

    Mean and sum add the stored integers exactly and scale once; maximum and minimum keep x's
    quantization. `axes` are sorted. GlobalAveragePool is `mean` over the axes after the second,
    with `keepdims`.

    ```
    %y = quant.reduce mean %x axes [2, 3] keepdims : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.reduce"

    kind_attr = prop_def(ReduceKindAttr, prop_name="kind")
    x = operand_def(Tensor)
    axes_attr = prop_def(IntArrayConstr, prop_name="axes")
    keepdims_attr = opt_prop_def(UnitAttr, prop_name="keepdims")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$kind $x `axes` $axes (`keepdims` $keepdims^)? attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        kind: ReduceKind,
        x: SSAValue,
        axes: Sequence[int],
        result_type: Attribute,
        *,
        keepdims: bool = True,
    ):
        super().__init__(
            operands=[x],
            properties={
                "kind": ReduceKindAttr(kind),
                "axes": int_array(axes),
                "keepdims": UnitAttr() if keepdims else None,
            },
            result_types=[result_type],
        )

    @property
    def kind(self) -> ReduceKind:
        return self.kind_attr.data

    @property
    def axes(self) -> tuple[int, ...]:
        return ints(self.axes_attr)

    @property
    def keepdims(self) -> bool:
        return self.keepdims_attr is not None

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        shape = shape_of(self.x)
        axes = self.axes
        if not axes or sorted(set(axes)) != list(axes):
            raise VerifyException(f"axes are sorted, distinct and at least one, got {list(axes)}")
        for axis in axes:
            verify_axis(axis, len(shape))
        if self.keepdims:
            verify_shape(self.y, [1 if i in axes else n for i, n in enumerate(shape)])
        else:
            verify_shape(self.y, [n for i, n in enumerate(shape) if i not in axes])
        if self.kind in (ReduceKind.MAX, ReduceKind.MIN):
            verify_same_elements(self.x, self.y, "x")


@irdl_op_definition
class SoftmaxOp(IRDLOperation):
    """Softmax along one axis, in f32 with the fixed order of sums of the numerics contract.

    ```
    %y = quant.softmax %x axis 1 : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.softmax"

    x = operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x `axis` $axis attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, axis: int, result_type: Attribute):
        super().__init__(
            operands=[x], properties={"axis": integer(axis)}, result_types=[result_type]
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        shape = shape_of(self.x)
        verify_axis(self.axis, len(shape))
        verify_shape(self.y, shape)
