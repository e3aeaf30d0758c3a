"""The pass `onnx-canonicalize-elementwise`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Add, Binary, Div, Mul, Sub
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, joint_location, run_patterns
from pulsar2.weights import AnyArray

_CHAINS = {"Sum": "Add", "Max": "Max", "Min": "Min"}


@dataclass(frozen=True)
class CanonicalizeElementwisePass(AxPass):
    """Brings arithmetic to fewer forms: operators of two operands, a constant as the second one.

    - Sum of several tensors becomes Adds; Max and Min of more than two become a chain of two each;
    - subtracting an f32 constant becomes adding, dividing by one multiplying by its reciprocal,
      where that is finite;
    - the constant operand of Add and Mul comes second;
    - adding twice, or multiplying twice, by constants becomes doing it once, where nobody else uses
      the value in between.

    Precondition: types are inferred. Postcondition: none of these is left.

    ```
    %0 = onnx.Sub(%x, %a) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    %1 = onnx.Add(%b, %0) : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    becomes with c = b - a
    ```
    %1 = onnx.Add(%x, %c) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-canonicalize-elementwise"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_SplitVariadic, _InvertConstant, _ConstantSecond, _JoinConstants)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


class _SplitVariadic(OnnxPattern):
    """Sum, Max and Min of several operands are chains of operators of two."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in _CHAINS:
            return
        least = 2 if op.op_type == "Sum" else 3
        if len(op.operands) < least:
            return
        new = Replacement(self, rewriter, op)
        value = op.operands[0]
        for operand in op.operands[1:]:
            value = new.builder.op(_CHAINS[op.op_type], [value, operand]).result
        new.finish([value])


class _InvertConstant(OnnxPattern):
    """x - c is x + (-c), and x / c is x * (1 / c)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Sub | Div) or element_of(op.result.type) != f32:
            return
        constant = self.constant(op.b)
        if constant is None or self.constant(op.a) is not None:
            return
        single = np.asarray(constant, np.float32)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = -single if isinstance(op, Sub) else np.float32(1) / single
        if not np.isfinite(inverse).all():
            return
        new = Replacement(self, rewriter, op)
        kind = "Add" if isinstance(op, Sub) else "Mul"
        new.finish([new.builder.op(kind, [op.a, new.constant(inverse)]).result])


class _ConstantSecond(OnnxPattern):
    """c + x is x + c."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add | Mul):
            return
        if self.constant(op.a) is None or self.constant(op.b) is not None:
            return
        new = Replacement(self, rewriter, op)
        new.finish([new.builder.op(op.op_type, [op.b, op.a]).result])


class _JoinConstants(OnnxPattern):
    """(x + c) + d is x + (c + d), and (x * c) * d is x * (c * d)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add | Mul) or element_of(op.result.type) != f32:
            return
        inner = op.a.owner
        if not isinstance(inner, Add | Mul) or inner.op_type != op.op_type:
            return
        if inner.a.type != op.result.type or inner.result.get_user_of_unique_use() is not op:
            return
        joined = self._joined(inner, op)
        if joined is not None:
            new = Replacement(self, rewriter, op, joint_location(inner, op))
            made = new.builder.op(op.op_type, [inner.a, new.constant(joined)])
            new.finish([made.result])

    def _joined(self, inner: Binary, outer: Binary) -> AnyArray | None:
        first, second = self.constant(inner.b), self.constant(outer.b)
        if first is None or second is None or self.constant(inner.a) is not None:
            return None
        wide, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
        total = wide + other if isinstance(outer, Add) else wide * other
        # Two constants that vary along different axes would make one that is larger than both.
        if total.size > max(first.size, second.size):
            return None
        joined = total.astype(np.float32)
        return joined if np.isfinite(joined).all() else None
