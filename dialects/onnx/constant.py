"""`onnx.Constant` and `onnx.NoValue`."""

from __future__ import annotations

from xdsl.dialects.builtin import LocationAttr, NoneType
from xdsl.ir import OpTraits
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.constants import (
    AnyConstant,
    constant_type,
    is_constant_attribute,
    make_tensor_constant,
    read_tensor_constant,
)
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.weights import AnyArray, WeightStore


class Constant(OnnxOp):
    """A constant tensor: an initializer of the graph, or a `Constant` node.

    Of ONNX's attributes only `value` is used; import turns the others into it.

    ```
    %shape = onnx.Constant {value = dense<[1, -1]> : tensor<2xi64>} : tensor<2xi64>
    %w = onnx.Constant {value = #ax.weight<"9f86..", tensor<32x3x3x3xf32>>} : tensor<32x3x3x3xf32>
    ```
    """

    name = "onnx.Constant"
    op_type = "Constant"
    traits = OpTraits(lambda: (Pure(), ConstantLike()))

    def __init__(self, value: AnyConstant, *, location: LocationAttr | None = None):
        super().__init__([], [constant_type(value)], {"value": value}, location=location)

    @classmethod
    def of(
        cls, array: AnyArray, weights: WeightStore, location: LocationAttr | None = None
    ) -> Constant:
        """The constant of an array; large ones are put into `weights`."""
        return Constant(make_tensor_constant(array, weights), location=location)

    @property
    def value(self) -> AnyConstant:
        return self.attributes["value"]  # pyright: ignore[reportReturnType]

    def array(self, weights: WeightStore) -> AnyArray:
        """The values, in the tensor's shape and dtype (read-only)."""
        return read_tensor_constant(self.value, weights)

    def verify_structure(self) -> None:
        value = self.attributes.get("value")
        if not is_constant_attribute(value):
            raise VerifyException("onnx.Constant needs the attribute 'value', a tensor")
        type_ = constant_type(self.value)
        if type_ != self.result.type:
            raise VerifyException(
                f"onnx.Constant has a value of {type_} but a result of {self.result.type}"
            )


class NoValue(OnnxOp):
    """An optional input that is left out. Its result has type `none`.

    ```
    %none = onnx.NoValue : none
    %y = onnx.Clip(%x, %none, %max) : (tensor<4xf32>, none, tensor<f32>) -> tensor<4xf32>
    ```
    """

    name = "onnx.NoValue"
    traits = OpTraits(lambda: (Pure(), ConstantLike()))

    def __init__(self, *, location: LocationAttr | None = None):
        super().__init__([], [NoneType()], location=location)

    def verify_structure(self) -> None:
        if [type(t) for t in self.result_types] != [NoneType] or self.operands:
            raise VerifyException("onnx.NoValue has no operand and one result of type none")
