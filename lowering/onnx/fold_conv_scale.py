"""The pass `onnx-fold-conv-scale`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.utils.hints import isa

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.elementwise import Add, Binary, Div, Mul, Sub
from pulsar2.dialects.onnx.matmul import Gemm
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, run_patterns
from pulsar2.lowering.onnx.scale import fold_scale, per_channel
from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class FoldConvScalePass(AxPass):
    """Folds Add, Sub, Mul and Div by constants into the Conv, ConvTranspose or Gemm before them.

    The constant must be one number or one per output channel, weight and bias must be constants,
    and nobody else may use the result of the convolution.

    Precondition: types are inferred. Postcondition: no such pair is left.

    ```
    %0 = onnx.Conv(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x8x8xf32>
    %1 = onnx.Add(%0, %c) : (tensor<1x4x8x8xf32>, tensor<4x1x1xf32>) -> tensor<1x4x8x8xf32>
    ```
    becomes
    ```
    %1 = onnx.Conv(%x, %w, %b) : (...) -> tensor<1x4x8x8xf32>
    ```
    """

    name = "onnx-fold-conv-scale"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_FoldIntoContraction(ctx.weights)])


class _FoldIntoContraction(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add | Sub | Mul | Div):
            return
        places = (0, 1) if isinstance(op, Add | Mul | Sub) else (0,)
        for index in places:
            source = op.operands[index].owner
            if (
                isinstance(source, Conv | ConvTranspose | Gemm)
                and source.result.type == op.result.type
                and source.result.get_user_of_unique_use() is op
            ):
                factors = self._factors(op, index)
                if factors is not None and fold_scale(self, rewriter, source, op, *factors):
                    return

    def _factors(self, op: Binary, index: int) -> tuple[AnyArray, AnyArray] | None:
        """The scale and the shift that `op` applies to operand `index`, or None."""
        constant = self.constant(op.operands[1 - index])
        type_ = op.result.type
        if constant is None or constant.dtype != np.float32:
            return None
        ranked = isa(type_, TensorType[Attribute])
        values = per_channel(constant, type_, 1) if ranked else None
        if values is None:
            return None
        wide = values.astype(np.float64)
        one, zero = np.ones(1), np.zeros(1)
        match op:
            case Add():
                return one, wide
            case Sub():
                return (one, -wide) if index == 0 else (-one, wide)
            case Mul():
                return wide, zero
            case _:
                return None if np.any(wide == 0) else (1 / wide, zero)
