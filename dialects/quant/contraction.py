"""Sums of products: `quant.conv` and `quant.matmul`."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.base import (
    IntArrayConstr,
    IntConstr,
    Tensor,
    broadcast,
    int_array,
    integer,
    ints,
    optional_pair,
    verify_activation,
    verify_axis_size,
    verify_bias,
    verify_clamp,
    verify_length,
    verify_shape,
    verify_weight,
    window_size,
)
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    element_type,
    shape_of,
    uniform_of,
)


@irdl_op_definition
class ConvOp(IRDLOperation):
    """2-D convolution of x [N, C, H, W] with w [O, C/group, KH, KW], plus bias [O]; [N, O, OH, OW].

    The weights are quantized per tensor or along axis 0; the bias is f32 or i32 of scale
    f32(s_x * s_w[c]); the result is quantized, or f32. `pads` is [top, left, bottom, right], and a
    padded element is x's zero point. `clamp` bounds the stored result: a fused ReLU or Clip.
    A 1-D convolution stands here with H = 1.

    ```
    %y = quant.conv %x, %w, %b strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] group 1
           clamp [0, 255] : (tensor<1x3x224x224x!quant.uniform<u8:f32, 0.02:128>>, ..) -> ..
    ```
    """

    name = "quant.conv"

    x = operand_def(Tensor)
    w = operand_def(Tensor)
    bias = opt_operand_def(Tensor)
    strides_attr = prop_def(IntArrayConstr, prop_name="strides")
    pads_attr = prop_def(IntArrayConstr, prop_name="pads")
    dilations_attr = prop_def(IntArrayConstr, prop_name="dilations")
    group_attr = prop_def(IntConstr, prop_name="group")
    clamp_attr = opt_prop_def(IntArrayConstr, prop_name="clamp")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "operands `strides` $strides `pads` $pads `dilations` $dilations `group` $group "
        "(`clamp` $clamp^)? attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self,
        x: SSAValue,
        w: SSAValue,
        bias: SSAValue | None,
        result_type: Attribute,
        *,
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        group: int = 1,
        clamp: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[x, w, bias],
            properties={
                "strides": int_array(strides),
                "pads": int_array(pads),
                "dilations": int_array(dilations),
                "group": integer(group),
                "clamp": None if clamp is None else int_array(clamp),
            },
            result_types=[result_type],
        )

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
        """Distances between kernel elements: [vertical, horizontal]."""
        return ints(self.dilations_attr)

    @property
    def group(self) -> int:
        return self.group_attr.value.data

    @property
    def clamp(self) -> tuple[int, int] | None:
        """Bounds of the stored result, or None where no activation is fused."""
        return optional_pair(self.clamp_attr)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return shape_of(self.w)[2], shape_of(self.w)[3]

    def verify_(self) -> None:
        x, w = shape_of(self.x), shape_of(self.w)
        if len(x) != 4 or len(w) != 4:
            raise VerifyException(f"x and w have 4 dimensions, got {len(x)} and {len(w)}")
        verify_length(self.strides, 2, "strides")
        verify_length(self.pads, 4, "pads")
        verify_length(self.dilations, 2, "dilations")
        if min(*self.strides, *self.dilations) < 1 or min(self.pads) < 0:
            raise VerifyException("strides and dilations are 1 or more, pads 0 or more")
        if self.group < 1 or x[1] != w[1] * self.group or w[0] % self.group:
            raise VerifyException(
                f"{x[1]} input and {w[0]} output channels do not make {self.group} groups of "
                f"{w[1]} input channels"
            )
        if uniform_of(self.x) is None:
            raise VerifyException(f"x is quantized per tensor, got {element_type(self.x)}")
        verify_weight(self.w)
        verify_axis_size(self.w, "w", 0)
        verify_bias(self.bias, w[0])
        verify_activation(self.y, "the result")
        verify_clamp(self.clamp_attr, self.y)
        top, left, bottom, right = self.pads
        height = window_size(x[2], w[2], self.strides[0], top, bottom, self.dilations[0])
        width = window_size(x[3], w[3], self.strides[1], left, right, self.dilations[1])
        if height < 1 or width < 1:
            raise VerifyException("the kernel is larger than the padded input")
        verify_shape(self.y, (x[0], w[0], height, width))


@irdl_op_definition
class MatMulOp(IRDLOperation):
    """Matrix product of a [.., M, K] and b [.., K, N], plus bias [N], to [.., M, N].

    Batch dimensions broadcast as numpy's. b may be an activation, or a constant quantized per
    tensor or along its last axis. Either both operands are quantized or both are f32.

    ```
    %y = quant.matmul %a, %b, %bias clamp [0, 255]
           : (tensor<1x1280x!quant.uniform<u8:f32, 0.02>>, ..) -> ..
    ```
    """

    name = "quant.matmul"

    a = operand_def(Tensor)
    b = operand_def(Tensor)
    bias = opt_operand_def(Tensor)
    clamp_attr = opt_prop_def(IntArrayConstr, prop_name="clamp")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "operands (`clamp` $clamp^)? attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        a: SSAValue,
        b: SSAValue,
        bias: SSAValue | None,
        result_type: Attribute,
        *,
        clamp: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[a, b, bias],
            properties={"clamp": None if clamp is None else int_array(clamp)},
            result_types=[result_type],
        )

    @property
    def clamp(self) -> tuple[int, int] | None:
        """Bounds of the stored result, or None where no activation is fused."""
        return optional_pair(self.clamp_attr)

    def verify_(self) -> None:
        a, b = shape_of(self.a), shape_of(self.b)
        if len(a) < 2 or len(b) < 2:
            raise VerifyException(f"a and b have 2 dimensions or more, got {len(a)} and {len(b)}")
        if a[-1] != b[-2]:
            raise VerifyException(f"a has {a[-1]} columns and b {b[-2]} rows")
        verify_activation(self.a, "a")
        if (element_type(self.a) == f32) != (element_type(self.b) == f32):
            raise VerifyException("a and b are both quantized or both f32")
        if isinstance(element_type(self.b), UniformPerAxisType):
            verify_axis_size(self.b, "b", len(b) - 1)
        else:
            verify_activation(self.b, "b")
        verify_bias(self.bias, b[-1])
        verify_activation(self.y, "the result")
        verify_clamp(self.clamp_attr, self.y)
        verify_shape(self.y, (*broadcast(a[:-2], b[:-2]), a[-2], b[-1]))
