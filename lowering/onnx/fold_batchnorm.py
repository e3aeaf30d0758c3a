"""The pass `onnx-fold-batchnorm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.matmul import Gemm
from pulsar2.dialects.onnx.normalization import BatchNormalization
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns
from pulsar2.lowering.onnx.scale import fold_scale
from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class FoldBatchnormPass(AxPass):
    """Folds BatchNormalization into the Conv, ConvTranspose or Gemm before it.

    The scale of each channel goes into the weight, the rest into the bias, computed in double
    precision. It folds where the weight, the bias and all parameters are constants and nobody else
    uses the result of the convolution. One that stands alone becomes what `standalone` says.

    Options:
    - `standalone`: `conv`: a depthwise 1x1 Conv where the operand has 3 to 5 axes, else Mul and
      Add; `mul-add`: Mul and Add; `keep`: it stays.

    Precondition: types are inferred. Postcondition: unless `keep`, no BatchNormalization with
    constant parameters is left.

    ```
    %0 = onnx.Conv(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x8x8xf32>
    %1 = onnx.BatchNormalization(%0, %scale, %bias, %mean, %var) : (...) -> tensor<1x4x8x8xf32>
    ```
    becomes
    ```
    %1 = onnx.Conv(%x, %w2, %b2) : (...) -> tensor<1x4x8x8xf32>
    ```
    """

    name = "onnx-fold-batchnorm"

    standalone: Literal["conv", "mul-add", "keep"] = "conv"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_FoldBatchnorm(ctx.weights, self.standalone)])


@dataclass
class _FoldBatchnorm(OnnxPattern):
    standalone: str

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, BatchNormalization) or op.training_mode:
            return
        factors = self._factors(op)
        if factors is None:
            return
        scale, shift = factors
        source = op.x.owner
        if (
            isinstance(source, Conv | ConvTranspose | Gemm)
            and source.result.get_user_of_unique_use() is op
            and fold_scale(self, rewriter, source, op, scale, shift)
        ):
            return
        if self.standalone == "keep":
            return
        rank = len(shape_of(op.x.type) or ())
        new = Replacement(self, rewriter, op)
        if self.standalone == "conv" and 3 <= rank <= 5:
            weight = new.constant(scale.reshape((-1, 1) + (1,) * (rank - 2)), "weight")
            conv = new.builder.op(
                "Conv",
                [op.x, weight, new.constant(shift, "bias")],
                {"group": len(scale), "kernel_shape": (1,) * (rank - 2)},
            )
            new.finish([conv.result])
        elif rank >= 2:
            aligned = (-1,) + (1,) * (rank - 2)
            product = new.builder.op("Mul", [op.x, new.constant(scale.reshape(aligned), "scale")])
            total = new.builder.op(
                "Add", [product.result, new.constant(shift.reshape(aligned), "shift")]
            )
            new.finish([total.result])

    def _factors(self, op: BatchNormalization) -> tuple[AnyArray, AnyArray] | None:
        """The scale and shift per channel that the operation amounts to, or None."""
        parameters = [self.constant(v) for v in (op.scale, op.bias, op.mean, op.variance)]
        if any(p is None or p.dtype != np.float32 for p in parameters):
            return None
        gamma, beta, mean, variance = (np.asarray(p, np.float64) for p in parameters)
        scale = gamma / np.sqrt(variance + op.epsilon)
        return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)
