"""Along whole axes: `quant.reduce`, `quant.softmax`, `quant.log_softmax`, `quant.cum_sum`."""

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
from xdsl.utils.str_enum import StrEnum

from pulsar2.dialects.quant.base import (
    IntArrayConstr,
    IntConstr,
    Tensor,
    int_array,
    integer,
    ints,
    verify_activation,
    verify_axes,
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
    L1 = "l1"  # sum of magnitudes
    L2 = "l2"  # root of the sum of squares
    SUM_SQUARE = "sum_square"
    LOG_SUM_EXP = "log_sum_exp"


@irdl_attr_definition
class ReduceKindAttr(EnumAttribute[ReduceKind], SpacedOpaqueSyntaxAttribute):
    """The kind of a `quant.reduce`."""

    name = "quant.kind"


@irdl_op_definition
class ReduceOp(IRDLOperation):
    """Mean, sum, extreme or norm along `axes`.

    Sums of the stored integers, of their magnitudes and squares are exact, and scaled once; maximum
    and minimum keep x's quantization; log_sum_exp is computed in f32. `axes` are sorted.
    GlobalAveragePool is `mean` over the axes after the second, with `keepdims`.

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
        verify_axes(axes, len(shape))
        if self.keepdims:
            verify_shape(self.y, [1 if i in axes else n for i, n in enumerate(shape)])
        else:
            verify_shape(self.y, [n for i, n in enumerate(shape) if i not in axes])
        if self.kind in (ReduceKind.MAX, ReduceKind.MIN):
            verify_same_elements(self.x, self.y, "x")


class AlongAxisOp(IRDLOperation):
    """What the operations along one axis share: the result has x's shape."""

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


@irdl_op_definition
class SoftmaxOp(AlongAxisOp):
    """Softmax along one axis, in f32 with the fixed order of sums of the numerics contract.

    ```
    %y = quant.softmax %x axis 1 : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.softmax"


@irdl_op_definition
class LogSoftmaxOp(AlongAxisOp):
    """The logarithm of Softmax along one axis, in f32 with the same order of sums.

    ```
    %y = quant.log_softmax %x axis 1 : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.log_softmax"


@irdl_op_definition
class CumSumOp(AlongAxisOp):
    """The sums of all elements up to each one along an axis.

    `exclusive` leaves the element itself out, `reverse` begins at the end. The sums of a quantized
    x are exact and scaled once.

    ```
    %y = quant.cum_sum %x axis 1 exclusive : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.cum_sum"

    exclusive_attr = opt_prop_def(UnitAttr, prop_name="exclusive")
    reverse_attr = opt_prop_def(UnitAttr, prop_name="reverse")

    assembly_format = (
        "$x `axis` $axis (`exclusive` $exclusive^)? (`reverse` $reverse^)? attr-dict "
        "`:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        axis: int,
        result_type: Attribute,
        *,
        exclusive: bool = False,
        reverse: bool = False,
    ):
        super().__init__(x, axis, result_type)
        if exclusive:
            self.exclusive_attr = UnitAttr()
        if reverse:
            self.reverse_attr = UnitAttr()

    @property
    def exclusive(self) -> bool:
        return self.exclusive_attr is not None

    @property
    def reverse(self) -> bool:
        return self.reverse_attr is not None
