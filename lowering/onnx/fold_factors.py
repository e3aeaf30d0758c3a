"""The pass `onnx-fold-factors`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import InsertPoint

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.elementwise import Add, Mul, Sub
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.formula import FormulaPattern, is_f32
from pulsar2.lowering.onnx.rewrite import (
    changed_location,
    joint_location,
    part_location,
    run_patterns,
)
from pulsar2.weights import AnyArray

_MOVES = frozenset(("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice"))
_MAX_STEPS = 16


@dataclass(frozen=True)
class FoldFactorsPass(AxPass):
    """Multiplies numbers into the weights that they can be moved back to.

    A product with one number moves back through operators that only move data, through sums (whose
    constants it scales), and through either operand of a MatMul, to the constant weights and bias
    of a MatMul, Gemm, Conv or ConvTranspose, or to the constant of another product: so the scaling
    of attention vanishes in the projection of the queries, or in the tables of their rotation.
    Where both operands of a MatMul are multiplied by numbers that cannot vanish, one is left.

    Nobody else may use what lies between. It works on f32 tensors. The tensors on the way are
    scaled, and have new names, `<name>_scaled`.

    Precondition: types are inferred. Postcondition: no such product is left.

    ```
    %0 = onnx.MatMul(%x, %w) : (tensor<1x4x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8xf32>
    %1 = onnx.MatMul(%0, %k) : (tensor<1x4x8xf32>, tensor<1x8x4xf32>) -> tensor<1x4x4xf32>
    %2 = onnx.Mul(%1, %half) : (tensor<1x4x4xf32>, tensor<f32>) -> tensor<1x4x4xf32>
    ```
    becomes with v = w / 2
    ```
    %0 = onnx.MatMul(%x, %v) : (tensor<1x4x8xf32>, tensor<8x8xf32>) -> tensor<1x4x8xf32>
    %2 = onnx.MatMul(%0, %k) : (tensor<1x4x8xf32>, tensor<1x8x4xf32>) -> tensor<1x4x4xf32>
    ```
    """

    name = "onnx-fold-factors"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_FoldFactor(ctx.weights), _JoinFactors(ctx.weights)])


@dataclass(frozen=True)
class _Way:
    """Operators from the one that makes a tensor back to where it can be scaled.

    `scaled` are the constant operands, by operator and index, that a factor of the tensor goes to.
    """

    operators: tuple[OnnxOp, ...]
    scaled: tuple[tuple[OnnxOp, int], ...]


class _FactorPattern(FormulaPattern):
    def way_back(self, value: SSAValue, steps: int = _MAX_STEPS) -> _Way | None:
        """How `value`, which has one use, can be scaled by scaling constants; None where not."""
        op = value.owner
        if not steps or not value.has_one_use() or not isinstance(op, OnnxOp) or not is_f32(op):
            return None
        if isinstance(op, MatMul | Gemm | Conv | ConvTranspose) and self._is_weight(op.operands[1]):
            bias = op.operand(2)
            if bias is not None and not self._is_weight(bias):
                return None
            return _Way((op,), tuple((op, i) for i in range(1, len(op.operands))))
        if isinstance(op, Mul) and self._is_weight(op.b):
            return _Way((op,), ((op, 1),))
        if op.op_type in _MOVES or isinstance(op, MatMul):
            for operand in op.operands[: 2 if isinstance(op, MatMul) else 1]:
                way = self.way_back(operand, steps - 1)
                if way is not None:
                    return _Way((op, *way.operators), way.scaled)
        if isinstance(op, Add) and self._is_weight(op.b) and op.a.type == op.result.type:
            way = self.way_back(op.a, steps - 1)
            return None if way is None else _Way((op, *way.operators), ((op, 1), *way.scaled))
        if isinstance(op, Add | Sub):
            ways = [self.way_back(operand, steps - 1) for operand in op.operands]
            found = [way for way in ways if way is not None]
            if len(found) == len(ways):
                operators = (each for way in found for each in way.operators)
                return _Way((op, *operators), tuple(each for way in found for each in way.scaled))
        return None

    def _is_weight(self, value: SSAValue) -> bool:
        array = self.constant(value)
        return array is not None and array.dtype == np.float32

    def scale(self, rewriter: PatternRewriter, op: OnnxOp, index: int, factor: float) -> None:
        """Gives an operator a constant operand that is multiplied by a factor."""
        array = self.constant(op.operands[index])
        assert array is not None
        made = Constant.of(_product(array, factor), self.weights, part_location(op))
        rewriter.insert(made, InsertPoint.before(op))
        op.operands[index] = made.result
        rewriter.handle_operation_modification(op)


def _product(array: AnyArray, factor: float) -> AnyArray:
    return np.asarray(np.asarray(array, np.float64) * factor, np.float32)


class _FoldFactor(_FactorPattern):
    """A product with one number, moved back."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        product = self.times(op)
        if product is None or not isinstance(op, OnnxOp):
            return
        value, factor = product
        way = self.way_back(value)
        if way is None or factor == 0 or not np.isfinite(factor):
            return
        arrays = [self.constant(each.operands[index]) for each, index in way.scaled]
        if not all(np.isfinite(_product(a, factor)).all() for a in arrays if a is not None):
            return
        for each, index in way.scaled:
            self.scale(rewriter, each, index, factor)
        first, *others = way.operators
        first.location = joint_location(first, op)
        for each in others:
            each.location = changed_location(each, "scaled")
        rewriter.replace(op, [], [value])


class _JoinFactors(_FactorPattern):
    """MatMul of two tensors, both multiplied by numbers: one of them does for both."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, MatMul) or not is_f32(op):
            return
        left, right = self._factor_before(op.a), self._factor_before(op.b)
        if left is None or right is None:
            return
        kept, gone = left[0], right[0]
        product = self.times(gone)
        assert product is not None
        self.scale(rewriter, kept, 1, product[1])
        for each in (kept, *left[1], *right[1]):
            each.location = changed_location(each, "scaled")
        rewriter.replace(gone, [], [product[0]])

    def _factor_before(self, value: SSAValue) -> tuple[Mul, list[OnnxOp]] | None:
        """The product with one number that `value` is but for its order, and what moves it."""
        moves: list[OnnxOp] = []
        while value.has_one_use() and isinstance(op := value.owner, OnnxOp):
            if isinstance(op, Mul):
                found = self.times(op) is not None and self._is_weight(op.b)
                return (op, moves) if found and op.a.type == op.result.type else None
            if op.op_type not in _MOVES:
                return None
            moves.append(op)
            value = op.operands[0]
        return None
