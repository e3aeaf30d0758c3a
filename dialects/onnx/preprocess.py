"""What prepares a runtime input for the model: `onnx.Normalize` and `onnx.ColorMatrix`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import LocationAttr
from xdsl.ir import SSAValue, TypeAttribute
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.attributes import kind_of, to_attribute
from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp
from pulsar2.dialects.onnx.schema import AttributeKind
from pulsar2.dialects.onnx.types import shape_of, type_string

if TYPE_CHECKING:
    from pulsar2.dialects.onnx.builder import OpBuilder


class Normalize(OnnxOp):
    """(x - mean[c]) / std[c] with c along `axis`; it is exported as Sub and Div.

    ```
    %y = onnx.Normalize(%x) {axis = 2 : i64, mean = [127.0 : f32, 127.0 : f32, 127.0 : f32],
         std = [128.0 : f32, 128.0 : f32, 128.0 : f32]} : (tensor<1x8x3xf32>) -> tensor<1x8x3xf32>
    ```
    """

    name = "onnx.Normalize"
    op_type = "Normalize"
    own = True
    traits = PURE

    x = Input(0)
    axis = Attr[int]("axis")
    mean = Attr[tuple[float, ...]]("mean")
    std = Attr[tuple[float, ...]]("std")

    def __init__(
        self,
        x: SSAValue,
        axis: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        location: LocationAttr | None = None,
    ):
        floats = AttributeKind.FLOATS
        super().__init__(
            [x],
            [x.type],
            {"axis": axis, "mean": to_attribute(mean, floats), "std": to_attribute(std, floats)},
            location=location,
        )

    def own_types(self) -> Sequence[TypeAttribute] | None:
        type_ = self.x.type
        return [type_] if isinstance(type_, TypeAttribute) else None

    def expansion(self, builder: OpBuilder) -> SSAValue:
        shape = shape_of(self.x.type)
        assert shape is not None
        extent = [len(self.mean) if i == self.axis else 1 for i in range(len(shape))]
        mean = builder.constant(np.array(self.mean, np.float32).reshape(extent))
        std = builder.constant(np.array(self.std, np.float32).reshape(extent))
        return builder.op("Div", [builder.op("Sub", [self.x, mean]).result, std]).result

    def verify_structure(self) -> None:
        if len(self.operands) != 1 or [self.x.type] != list(self.result_types):
            raise VerifyException("onnx.Normalize has one operand, and one result of its type")
        kinds = {
            "axis": AttributeKind.INT,
            "mean": AttributeKind.FLOATS,
            "std": AttributeKind.FLOATS,
        }
        for name, kind in kinds.items():
            attribute = self.attributes.get(name)
            if attribute is None or kind_of(attribute) is not kind:
                raise VerifyException(f"onnx.Normalize needs the attribute '{name}' ({kind.name})")
        shape = shape_of(self.x.type)
        if shape is None or type_string(self.x.type) != "tensor(float)":
            raise VerifyException("onnx.Normalize takes a tensor of f32 of known rank")
        if not 0 <= self.axis < len(shape):
            raise VerifyException(f"onnx.Normalize has axis {self.axis} of {len(shape)} axes")
        if not len(self.mean) == len(self.std) == shape[self.axis]:
            raise VerifyException(
                f"onnx.Normalize of {shape[self.axis]} channels has {len(self.mean)} means and "
                f"{len(self.std)} standard deviations"
            )
        if 0 in self.std:
            raise VerifyException("onnx.Normalize divides by a standard deviation of 0")


class ColorMatrix(OnnxOp):
    """A picture in another colour space: y[.., o] = sum of matrix[o][i] x[.., i] + bias[o].

    What is below 0 or above 255 becomes that. `matrix` holds a row of 3 numbers per colour of the
    result. It is exported as MatMul, Add and Clip.

    ```
    %y = onnx.ColorMatrix(%x) {bias = [-2.0 : f32, ..], matrix = [1.0 : f32, 0.0 : f32, ..]}
         : (tensor<1x8x8x3xf32>) -> tensor<1x8x8x3xf32>
    ```
    """

    name = "onnx.ColorMatrix"
    op_type = "ColorMatrix"
    own = True
    traits = PURE

    x = Input(0)
    matrix = Attr[tuple[float, ...]]("matrix")
    bias = Attr[tuple[float, ...]]("bias")

    def __init__(
        self,
        x: SSAValue,
        matrix: Sequence[float],
        bias: Sequence[float],
        *,
        location: LocationAttr | None = None,
    ):
        floats = AttributeKind.FLOATS
        super().__init__(
            [x],
            [x.type],
            {"matrix": to_attribute(matrix, floats), "bias": to_attribute(bias, floats)},
            location=location,
        )

    def own_types(self) -> Sequence[TypeAttribute] | None:
        type_ = self.x.type
        return [type_] if isinstance(type_, TypeAttribute) else None

    def expansion(self, builder: OpBuilder) -> SSAValue:
        columns = np.array(self.matrix, np.float32).reshape(3, 3).T
        product = builder.op("MatMul", [self.x, builder.constant(columns)]).result
        moved = builder.op(
            "Add", [product, builder.constant(np.array(self.bias, np.float32))]
        ).result
        ends = [builder.constant(np.array(v, np.float32)) for v in (0, 255)]
        return builder.op("Clip", [moved, *ends]).result

    def verify_structure(self) -> None:
        if len(self.operands) != 1 or [self.x.type] != list(self.result_types):
            raise VerifyException("onnx.ColorMatrix has one operand, and one result of its type")
        for name, count in (("matrix", 9), ("bias", 3)):
            attribute = self.attributes.get(name)
            if attribute is None or kind_of(attribute) is not AttributeKind.FLOATS:
                raise VerifyException(f"onnx.ColorMatrix needs the attribute '{name}' (FLOATS)")
            if len(getattr(self, name)) != count:
                raise VerifyException(f"the {name} of onnx.ColorMatrix has {count} numbers")
        shape = shape_of(self.x.type)
        if not shape or shape[-1] != 3 or type_string(self.x.type) != "tensor(float)":
            raise VerifyException("onnx.ColorMatrix takes a tensor of f32 with 3 colours innermost")
