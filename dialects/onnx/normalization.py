"""Normalizations: `onnx.BatchNormalization`."""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp
from pulsar2.dialects.onnx.types import shape_of


class BatchNormalization(OnnxOp):
    """(x - mean[c]) / sqrt(var[c] + epsilon) * scale[c] + bias[c], c being axis 1."""

    name = "onnx.BatchNormalization"
    op_type = "BatchNormalization"
    traits = PURE

    x = Input(0)
    scale = Input(1)
    bias = Input(2)
    mean = Input(3)
    variance = Input(4)
    epsilon = Attr[float]("epsilon")
    training_mode = Attr[int]("training_mode")

    def verify_structure(self) -> None:
        if len(self.results) > 1 and not self.training_mode:
            raise VerifyException("onnx.BatchNormalization has more results in training_mode only")
        x = shape_of(self.x.type)
        channels = DYNAMIC_INDEX if x is None else x[1] if len(x) > 1 else 1
        for value in (self.scale, self.bias, self.mean, self.variance):
            shape = shape_of(value.type)
            if (
                shape is not None
                and DYNAMIC_INDEX not in (channels, *shape)
                and shape != (channels,)
            ):
                raise VerifyException(
                    f"onnx.BatchNormalization of {channels} channels has a parameter of shape "
                    f"{list(shape)}"
                )
