"""The pass `onnx-canonicalize-gemm`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Add
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import (
    OnnxPattern,
    Replacement,
    joint_location,
    run_patterns,
)


@dataclass(frozen=True)
class CanonicalizeGemmPass(AxPass):
    """Makes fully connected layers a Gemm with alpha = beta = 1, A not transposed, bias of one axis.

    MatMul of a matrix by a constant matrix becomes a Gemm, together with an Add of a constant bias
    that follows it. alpha, beta and transA of a Gemm go into its constants or a Transpose; a bias
    of another shape than [N] is brought to it where it has one row.

    Precondition: types are inferred. Postcondition: a MatMul has an operand of more than two axes
    or none that is constant; a Gemm with constant operands has alpha = beta = 1.

    ```
    %0 = onnx.MatMul(%x, %w) : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %1 = onnx.Add(%0, %b) : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
    ```
    becomes
    ```
    %1 = onnx.Gemm(%x, %w, %b) : (tensor<1x8xf32>, tensor<8x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
    ```
    """  # noqa: E501

    name = "onnx-canonicalize-gemm"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        weights = ctx.weights
        run_patterns(module, [_AddBias(weights), _MatMulToGemm(weights), _PlainGemm(weights)])


class _MatMulToGemm(OnnxPattern):
    """MatMul(matrix, constant matrix) is a Gemm."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, MatMul):
            return
        a, b = static_shape_of(op.a.type), self.constant(op.b)
        if a is None or b is None or len(a) != 2 or b.ndim != 2 or b.dtype != np.float32:
            return
        new = Replacement(self, rewriter, op)
        new.finish([new.builder.op("Gemm", [op.a, op.b]).result])


class _AddBias(OnnxPattern):
    """Gemm without a bias, then Add of a constant row."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add):
            return
        for gemm_value, bias_value in ((op.a, op.b), (op.b, op.a)):
            gemm, bias = gemm_value.owner, self.constant(bias_value)
            if (
                not isinstance(gemm, Gemm)
                or bias is None
                or gemm.c is not None
                or gemm.result.type != op.result.type
                or gemm.result.get_user_of_unique_use() is not op
            ):
                continue
            shape = static_shape_of(op.result.type)
            if shape is None or bias.size not in (1, shape[1]):
                continue
            if bias.size > 1 and bias.shape[-1] != bias.size:
                continue
            new = Replacement(self, rewriter, op, joint_location(gemm, op))
            row = new.constant(np.broadcast_to(bias.reshape(-1), shape[1:]), "bias")
            attributes = {n: a for n, a in gemm.attributes.items() if n != "beta"}
            made = new.builder.op("Gemm", [gemm.a, gemm.b, row], attributes)
            new.finish([made.result])
            return


class _PlainGemm(OnnxPattern):
    """alpha, beta, transA and the shape of the bias go into constants."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Gemm):
            return
        weight, bias = self.constant(op.b), self.constant(op.c)
        shape = static_shape_of(op.result.type)
        if weight is None or weight.dtype != np.float32 or shape is None:
            return
        if op.c is not None and (bias is None or bias.size not in (1, shape[1])):
            return
        wanted = bias is None or bias.shape == shape[1:]
        if op.alpha == 1 and op.beta == 1 and not op.trans_a and wanted:
            return
        if bias is not None and bias.ndim == 2 and bias.shape[0] != 1:
            return
        new = Replacement(self, rewriter, op)
        a: SSAValue = op.a
        if op.trans_a:
            a = new.builder.op("Transpose", [a], {"perm": (1, 0)}).result
        operands: list[SSAValue] = [a, op.b]
        if op.alpha != 1:
            operands[1] = new.constant(np.multiply(weight, np.float32(op.alpha)), "weight")
        if bias is not None:
            row = np.multiply(np.broadcast_to(bias.reshape(-1), shape[1:]), np.float32(op.beta))
            operands.append(new.constant(row, "bias"))
        made = new.builder.op("Gemm", operands, {"transB": op.trans_b})
        new.finish([made.result])
