"""Poolings: `onnx.MaxPool`, `onnx.AveragePool`, and over all of the plane."""

from __future__ import annotations

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.dialects.onnx.window import Window, verify_window, window_of


class Pool(OnnxOp):
    """What the poolings over a window share: x [N, C, spatial..]."""

    x = Input(0)
    auto_pad = Attr[str]("auto_pad")
    ceil_mode = Attr[int]("ceil_mode")

    @property
    def window(self) -> Window:
        """Kernel, strides, pads and dilations with ONNX's defaults filled in.

        Raises `ValueError` while `auto_pad` has not been made explicit.
        """
        return window_of(self, None)

    def verify_structure(self) -> None:
        shape = shape_of(self.x.type)
        verify_window(self, len(shape) - 2 if shape is not None else None)


class MaxPool(Pool):
    """The maximum in each window; padding never wins."""

    name = "onnx.MaxPool"
    op_type = "MaxPool"
    traits = PURE

    storage_order = Attr[int]("storage_order")


class AveragePool(Pool):
    """The mean of each window; padding is counted only with `count_include_pad`."""

    name = "onnx.AveragePool"
    op_type = "AveragePool"
    traits = PURE

    count_include_pad = Attr[int]("count_include_pad")


class GlobalAveragePool(OnnxOp):
    """The mean over all spatial axes, which stay as 1."""

    name = "onnx.GlobalAveragePool"
    op_type = "GlobalAveragePool"
    traits = PURE

    x = Input(0)


class GlobalMaxPool(OnnxOp):
    """The maximum over all spatial axes, which stay as 1."""

    name = "onnx.GlobalMaxPool"
    op_type = "GlobalMaxPool"
    traits = PURE

    x = Input(0)
