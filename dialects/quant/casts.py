"""Changes of number format: `quant.qcast`, `quant.dcast`, `quant.requantize`."""

from __future__ import annotations

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.base import Tensor, verify_shape
from pulsar2.dialects.quant.types import element_type, shape_of, uniform_of


class _Cast(IRDLOperation):
    x = operand_def(Tensor)
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, result_type: Attribute):
        super().__init__(operands=[x], result_types=[result_type])

    def verify_(self) -> None:
        verify_shape(self.y, shape_of(self.x))

    @staticmethod
    def _expect_quantized(value: SSAValue, what: str) -> None:
        if uniform_of(value) is None:
            raise VerifyException(f"{what} is quantized per tensor, got {element_type(value)}")

    @staticmethod
    def _expect_f32(value: SSAValue, what: str) -> None:
        if element_type(value) != f32:
            raise VerifyException(f"{what} is f32, got {element_type(value)}")


@irdl_op_definition
class QCastOp(_Cast):
    """Quantizes: `y = sat(rne(x / s_y) + z_y)` (ONNX QuantizeLinear).

    ```
    %1 = quant.qcast %0 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:128>>
    ```
    """

    name = "quant.qcast"

    def verify_(self) -> None:
        super().verify_()
        self._expect_f32(self.x, "the operand")
        self._expect_quantized(self.y, "the result")


@irdl_op_definition
class DCastOp(_Cast):
    """Dequantizes: `y = f32(x - z_x) * s_x` (ONNX DequantizeLinear).

    ```
    %1 = quant.dcast %0 : tensor<4x!quant.uniform<u8:f32, 0.1:128>> -> tensor<4xf32>
    ```
    """

    name = "quant.dcast"

    def verify_(self) -> None:
        super().verify_()
        self._expect_quantized(self.x, "the operand")
        self._expect_f32(self.y, "the result")


@irdl_op_definition
class RequantizeOp(_Cast):
    """Changes the quantization: `y = sat(rne((f32(x - z_x) * s_x) / s_y) + z_y)`.

    ```
    %1 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1:128>>
           -> tensor<4x!quant.uniform<u16:f32, 0.001:0>>
    ```
    """

    name = "quant.requantize"

    def verify_(self) -> None:
        super().verify_()
        self._expect_quantized(self.x, "the operand")
        self._expect_quantized(self.y, "the result")
