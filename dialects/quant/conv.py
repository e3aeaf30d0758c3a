"""Convolutions: `quant.conv` and `quant.conv_transpose`."""

from __future__ import annotations

from collections.abc import Sequence

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
from pulsar2.dialects.quant.types import element_type, shape_of, uniform_of


class ConvolutionOp(IRDLOperation):
    """What both convolutions share: x [N, C, H, W], w [O, C/group, KH, KW], bias [O].

    The weights are quantized per tensor or along axis 0; the bias is f32 or i32 of scale
    f32(s_x * s_w[c]); the result is quantized, or f32. `clamp` bounds the stored result: a fused
    ReLU or Clip.
    """

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

    @property
    def strides(self) -> tuple[int, ...]:
        """Distances of windows in the larger of x and y: [vertical, horizontal]."""
        return ints(self.strides_attr)

    @property
    def pads(self) -> tuple[int, ...]:
        """What the larger of x and y has more at its edges: [top, left, bottom, right]."""
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

    def verify_operands(self) -> None:
        """Raises `VerifyException` for types and attributes that no convolution has."""
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


@irdl_op_definition
class ConvOp(ConvolutionOp):
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

    def verify_(self) -> None:
        self.verify_operands()
        x, w = shape_of(self.x), shape_of(self.w)
        top, left, bottom, right = self.pads
        height = window_size(x[2], w[2], self.strides[0], top, bottom, self.dilations[0])
        width = window_size(x[3], w[3], self.strides[1], left, right, self.dilations[1])
        if height < 1 or width < 1:
            raise VerifyException("the kernel is larger than the padded input")
        verify_shape(self.y, (x[0], w[0], height, width))


@irdl_op_definition
class ConvTransposeOp(ConvolutionOp):
    """2-D transposed convolution of x [N, C, H, W], plus bias [O]; [N, O, OH, OW].

    The weights w are [O, C/group, KH, KW], which is not ONNX's order, so that axis 0 is the output
    channel as in `quant.conv`. Element (i, j) of x times element (k, l) of the kernel adds to
    output (i * stride + k * dilation - pad, ..); OH is (H - 1) * stride + (KH - 1) * dilation + 1
    + output_padding - pads. Types, bias and clamp are those of `quant.conv`.

    ```
    %y = quant.conv_transpose %x, %w, %b strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1]
           output_padding [1, 1] group 1 clamp [0, 255] : (tensor<1x8x4x4x..>, ..) -> ..
    ```
    """

    name = "quant.conv_transpose"

    output_padding_attr = prop_def(IntArrayConstr, prop_name="output_padding")

    assembly_format = (
        "operands `strides` $strides `pads` $pads `dilations` $dilations "
        "`output_padding` $output_padding `group` $group (`clamp` $clamp^)? "
        "attr-dict `:` functional-type(operands, results)"
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
        output_padding: Sequence[int] = (0, 0),
        group: int = 1,
        clamp: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[x, w, bias],
            properties={
                "strides": int_array(strides),
                "pads": int_array(pads),
                "dilations": int_array(dilations),
                "output_padding": int_array(output_padding),
                "group": integer(group),
                "clamp": None if clamp is None else int_array(clamp),
            },
            result_types=[result_type],
        )

    @property
    def output_padding(self) -> tuple[int, ...]:
        """What is added at the end of the result: [vertical, horizontal]."""
        return ints(self.output_padding_attr)

    def verify_(self) -> None:
        self.verify_operands()
        verify_length(self.output_padding, 2, "output_padding")
        if min(self.output_padding) < 0:
            raise VerifyException("output_padding is 0 or more")
        x, w = shape_of(self.x), shape_of(self.w)
        sizes = [
            (x[2 + i] - 1) * self.strides[i]
            + (w[2 + i] - 1) * self.dilations[i]
            + 1
            + self.output_padding[i]
            - self.pads[i]
            - self.pads[i + 2]
            for i in range(2)
        ]
        if min(sizes) < 1:
            raise VerifyException("the pads cut off the whole result")
        verify_shape(self.y, (x[0], w[0], *sizes))
