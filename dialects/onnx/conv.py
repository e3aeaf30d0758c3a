"""Convolutions: `onnx.Conv`, `onnx.ConvTranspose`."""

from __future__ import annotations

from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp, OptionalInput
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.dialects.onnx.window import Window, verify_window, window_of


class Conv(OnnxOp):
    """Convolution of x [N, C, spatial..] with w [O, C / group, kernel..] plus bias [O]."""

    name = "onnx.Conv"
    op_type = "Conv"
    traits = PURE

    x = Input(0)
    weight = Input(1)
    bias = OptionalInput(2)
    group = Attr[int]("group")
    auto_pad = Attr[str]("auto_pad")

    @property
    def window(self) -> Window:
        """Kernel, strides, pads and dilations with ONNX's defaults filled in.

        Raises `ValueError` while the shapes that these follow from are unknown.
        """
        shape = static_shape_of(self.weight.type)
        return window_of(self, shape[2:] if shape is not None else None)

    def verify_structure(self) -> None:
        x, weight = static_shape_of(self.x.type), static_shape_of(self.weight.type)
        verify_window(self, len(x) - 2 if x is not None else None)
        if x is None or weight is None:
            return
        if len(x) != len(weight) or len(x) < 3:
            raise VerifyException(
                f"onnx.Conv needs an input and a weight of one rank of 3 or more, got {len(x)} and "
                f"{len(weight)}"
            )
        if self.group < 1 or weight[0] % self.group or x[1] != weight[1] * self.group:
            raise VerifyException(
                f"onnx.Conv of {x[1]} channels in {self.group} groups does not fit a weight of "
                f"{weight[0]} x {weight[1]} channels"
            )
        kernel = self.value_of("kernel_shape")
        if kernel is not None and tuple(kernel) != weight[2:]:
            raise VerifyException(
                f"onnx.Conv has kernel_shape {list(kernel)} but a weight of {list(weight[2:])}"
            )
        bias = static_shape_of(self.bias.type) if self.bias is not None else None
        if bias is not None and bias != weight[:1]:
            raise VerifyException(
                f"onnx.Conv of {weight[0]} output channels has a bias of shape {list(bias)}"
            )


class ConvTranspose(OnnxOp):
    """Transposed convolution of x [N, C, spatial..] with w [C, O / group, kernel..], bias [O]."""

    name = "onnx.ConvTranspose"
    op_type = "ConvTranspose"
    traits = PURE

    x = Input(0)
    weight = Input(1)
    bias = OptionalInput(2)
    group = Attr[int]("group")
    auto_pad = Attr[str]("auto_pad")

    @property
    def window(self) -> Window:
        """Kernel, strides, pads and dilations with ONNX's defaults filled in.

        Raises `ValueError` while the shapes that these follow from are unknown.
        """
        shape = static_shape_of(self.weight.type)
        return window_of(self, shape[2:] if shape is not None else None)

    def verify_structure(self) -> None:
        x, weight = static_shape_of(self.x.type), static_shape_of(self.weight.type)
        verify_window(self, len(x) - 2 if x is not None else None)
        extent = self.value_of("output_shape")
        if extent is not None and min(extent, default=1) < 1:
            raise VerifyException(f"onnx.ConvTranspose has the output_shape {list(extent)}")
        if x is None or weight is None:
            return
        if len(x) != len(weight) or len(x) < 3 or x[1] != weight[0] or x[1] % self.group:
            raise VerifyException(
                f"onnx.ConvTranspose of an input {list(x)} in {self.group} groups does not fit a "
                f"weight {list(weight)}"
            )
