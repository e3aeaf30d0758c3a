"""Windows over an image: `quant.max_pool` and `quant.avg_pool`."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.base import (
    IntArrayConstr,
    Tensor,
    int_array,
    ints,
    verify_activation,
    verify_length,
    verify_same_elements,
    verify_shape,
    window_size,
)
from pulsar2.dialects.quant.types import shape_of


class PoolOp(IRDLOperation):
    """What both poolings share: windows of `kernel` over x [N, C, H, W].

    `pads` is [top, left, bottom, right]. With `ceil_mode` a last, partial window counts too.
    """

    x = operand_def(Tensor)
    kernel_attr = prop_def(IntArrayConstr, prop_name="kernel")
    strides_attr = prop_def(IntArrayConstr, prop_name="strides")
    pads_attr = prop_def(IntArrayConstr, prop_name="pads")
    dilations_attr = prop_def(IntArrayConstr, prop_name="dilations")
    ceil_attr = opt_prop_def(UnitAttr, prop_name="ceil_mode")
    y = result_def(Tensor)

    traits = traits_def(Pure())

    @property
    def kernel(self) -> tuple[int, ...]:
        """Height and width of the window."""
        return ints(self.kernel_attr)

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps of the window: [vertical, horizontal]."""
        return ints(self.strides_attr)

    @property
    def pads(self) -> tuple[int, ...]:
        """Padding: [top, left, bottom, right]."""
        return ints(self.pads_attr)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Distances between window elements: [vertical, horizontal]."""
        return ints(self.dilations_attr)

    @property
    def ceil_mode(self) -> bool:
        return self.ceil_attr is not None

    def verify_(self) -> None:
        x = shape_of(self.x)
        if len(x) != 4:
            raise VerifyException(f"x has 4 dimensions, got {len(x)}")
        verify_length(self.kernel, 2, "kernel")
        verify_length(self.strides, 2, "strides")
        verify_length(self.pads, 4, "pads")
        verify_length(self.dilations, 2, "dilations")
        if min(*self.kernel, *self.strides, *self.dilations) < 1 or min(self.pads) < 0:
            raise VerifyException("kernel, strides and dilations are 1 or more, pads 0 or more")
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        expected = [x[0], x[1]]
        for i in range(2):
            before, after = self.pads[i], self.pads[i + 2]
            expected.append(
                window_size(
                    x[2 + i],
                    self.kernel[i],
                    self.strides[i],
                    before,
                    after,
                    self.dilations[i],
                    self.ceil_mode,
                )
            )
        if min(expected) < 1:
            raise VerifyException("the window is larger than the padded input")
        verify_shape(self.y, expected)


def _pool_properties(
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
) -> dict[str, Attribute | None]:
    return {
        "kernel": int_array(kernel),
        "strides": int_array(strides),
        "pads": int_array(pads),
        "dilations": int_array(dilations),
        "ceil_mode": UnitAttr() if ceil_mode else None,
    }


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """The greatest integer of each window; padding never wins. Keeps x's quantization.

    ```
    %y = quant.max_pool %x kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1]
           : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.max_pool"

    assembly_format = (
        "$x `kernel` $kernel `strides` $strides `pads` $pads `dilations` $dilations "
        "(`ceil_mode` $ceil_mode^)? attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        result_type: Attribute,
        *,
        kernel: Sequence[int],
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        ceil_mode: bool = False,
    ):
        super().__init__(
            operands=[x],
            properties=_pool_properties(kernel, strides, pads, dilations, ceil_mode),
            result_types=[result_type],
        )

    def verify_(self) -> None:
        super().verify_()
        verify_same_elements(self.x, self.y, "x")


@irdl_op_definition
class AvgPoolOp(PoolOp):
    """The mean of each window: an exact integer sum, scaled once.

    Divides by the window's size with `count_include_pad` (a padded element is x's zero point), else
    by the number of elements that lie inside the input.

    ```
    %y = quant.avg_pool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
           count_include_pad : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.avg_pool"

    count_include_pad_attr = opt_prop_def(UnitAttr, prop_name="count_include_pad")

    assembly_format = (
        "$x `kernel` $kernel `strides` $strides `pads` $pads `dilations` $dilations "
        "(`ceil_mode` $ceil_mode^)? (`count_include_pad` $count_include_pad^)? "
        "attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        result_type: Attribute,
        *,
        kernel: Sequence[int],
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        ceil_mode: bool = False,
        count_include_pad: bool = False,
    ):
        properties = _pool_properties(kernel, strides, pads, dilations, ceil_mode)
        properties["count_include_pad"] = UnitAttr() if count_include_pad else None
        super().__init__(operands=[x], properties=properties, result_types=[result_type])

    @property
    def count_include_pad(self) -> bool:
        return self.count_include_pad_attr is not None
