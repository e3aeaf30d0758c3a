"""Matrix products: `quant.matmul`."""

from __future__ import annotations

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.base import (
    IntArrayConstr,
    Tensor,
    broadcast,
    int_array,
    optional_pair,
    verify_activation,
    verify_axis_size,
    verify_bias,
    verify_clamp,
    verify_shape,
)
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    element_type,
    shape_of,
)


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
