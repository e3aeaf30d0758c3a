"""`quant.constant`: a tensor known at compile time."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, TensorType
from xdsl.ir import Attribute
from xdsl.irdl import IRDLOperation, base, irdl_op_definition, prop_def, result_def, traits_def
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.ax import ConstantAttr, WeightAttr, make_constant, read_constant
from pulsar2.dialects.quant.base import Tensor
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    UniformType,
    element_type,
    shape_of,
    stored_type,
)
from pulsar2.weights import AnyArray, WeightStore


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """A constant tensor; of a quantized tensor the stored integers.

    ```
    %w = quant.constant #ax.weight<"..", tensor<32x3x3x3xi8>> : tensor<32x3x3x3x!quant.uniform<..>>
    %b = quant.constant dense<[1, 2]> : tensor<2xi32> : tensor<2x!quant.uniform<i32:f32, 0.01>>
    ```
    """

    name = "quant.constant"

    value = prop_def(base(DenseIntOrFPElementsAttr) | base(WeightAttr))
    result = result_def(Tensor)

    traits = traits_def(Pure(), ConstantLike())
    assembly_format = "$value attr-dict `:` type($result)"

    def __init__(self, value: ConstantAttr, result_type: Attribute):
        super().__init__(properties={"value": value}, result_types=[result_type])

    @staticmethod
    def of(array: AnyArray, type_: Attribute, weights: WeightStore) -> ConstantOp:
        """A constant of the stored elements `array` and element type `type_`."""
        return ConstantOp(make_constant(array, weights), TensorType(type_, list(array.shape)))

    def array(self, weights: WeightStore) -> AnyArray:
        """The stored elements, of the result's shape."""
        return read_constant(self.value, weights)

    def verify_(self) -> None:
        held = self.value.type
        assert isinstance(held, TensorType)
        type_ = element_type(self.result)
        if held.get_shape() != shape_of(self.result):
            raise VerifyException(f"a value of {held} does not fit the type {self.result.type}")
        if held.get_element_type() != stored_type(type_):
            raise VerifyException(f"elements of {type_} are stored as {stored_type(type_)}")
        if isinstance(type_, UniformPerAxisType):
            shape = shape_of(self.result)
            if type_.axis >= len(shape) or shape[type_.axis] != type_.size:
                raise VerifyException(
                    f"{type_.size} scales along axis {type_.axis} do not fit shape {list(shape)}"
                )
        if isinstance(type_, UniformType | UniformPerAxisType) and type_.storage.width.data == 4:
            self._verify_four_bits(type_)

    def _verify_four_bits(self, type_: UniformType | UniformPerAxisType) -> None:
        # Larger constants are checked where their bytes are at hand.
        if isinstance(self.value, DenseIntOrFPElementsAttr):
            low, high = type_.bounds
            values = np.asarray(self.value.get_values())
            if ((values < low) | (values > high)).any():
                raise VerifyException(f"a 4-bit element is outside [{low}, {high}]")
