"""The pass `onnx-fuse-gates`."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.domain import InverseSigmoid
from pulsar2.dialects.onnx.elementwise import Clip, Div, Mul, Sigmoid, Sub
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.formula import FormulaPattern, equals, is_f32
from pulsar2.lowering.onnx.rewrite import Replacement, part_location, run_patterns

_TOLERANCE = 2e-5
"""How far the numbers of a formula may be off: exporters round sqrt(2) to 1.4142135 or 1.41421."""

_LINEAR = np.array([0.0, 1.0])
_ERF = np.array([0.0, sqrt(0.5)])
_TANH = np.array([0.0, 1.0, 0.0, 0.044715]) * 2 * sqrt(2 / pi)


@dataclass(frozen=True)
class FuseGatesPass(AxPass):
    """Recognizes Sigmoid, its inverse, Softplus, and what x times a gate of x is, spelled out.

    - 1 / (1 + exp(-x)) becomes Sigmoid, log(1 + exp(x)) Softplus (which, other than the formula,
      does not overflow);
    - log(max(t, eps) / max(1 - t, eps)) with t = clip(x, 0, 1) becomes InverseSigmoid;
    - x * sigmoid(x) becomes Swish;
    - x * (1 + erf(x / sqrt(2))) / 2 becomes Gelu;
    - x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2 becomes Gelu with approximate = tanh,
      and so does the sigmoid that is the same;
    - x * tanh(softplus(x)) becomes Mish.

    The order of factors and terms, and where the numbers are multiplied in, play no part: powers of
    x may be Pow or products. Numbers may be off by 2e-5 of themselves. What is fused away must have
    no other use. It works on f32 tensors.

    Precondition: types are inferred. Postcondition: none of these is left.

    ```
    %0 = onnx.Sigmoid(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.Mul(%x, %0) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    becomes
    ```
    %1 = onnx.Swish(%x) : (tensor<4xf32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-fuse-gates"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_SpelledSigmoid, _SpelledSoftplus, _SpelledInverse, _Gated)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


def _near(value: float, wanted: float) -> bool:
    return abs(value - wanted) <= _TOLERANCE


class _ExpPattern(FormulaPattern):
    """What patterns on 1 + exp(x) share."""

    def one_plus_exp(self, value: SSAValue) -> SSAValue | None:
        """x where value = 1 + exp(x), nobody else using what lies between."""
        sum_ = self.plus(value.owner)
        if sum_ is None or not value.has_one_use() or not sum_[0].has_one_use():
            return None
        exp = sum_[0].owner
        if not isinstance(exp, OnnxOp) or exp.op_type != "Exp" or sum_[1] != 1:
            return None
        return exp.operands[0]


class _SpelledSigmoid(_ExpPattern):
    """a / (1 + exp(-x)) is a * Sigmoid(x)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in ("Div", "Reciprocal") or not is_f32(op):
            return
        power = self.one_plus_exp(op.operands[-1])
        if power is None or power.type != op.result.type:
            return
        negated = self.times(power.owner)
        new = Replacement(self, rewriter, op)
        if negated is not None and negated[1] == -1:
            x = negated[0]
        else:
            x = new.builder.op("Neg", [power]).result
        result = new.builder.op("Sigmoid", [x]).result
        if isinstance(op, Div) and self.scalar(op.a) != 1:
            result = new.builder.op("Mul", [op.a, result]).result
        new.finish([result])


class _SpelledSoftplus(_ExpPattern):
    """log(1 + exp(x)) is Softplus(x)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Log" or not is_f32(op):
            return
        x = self.one_plus_exp(op.operands[0])
        if x is not None:
            new = Replacement(self, rewriter, op)
            new.finish([new.builder.op("Softplus", [x]).result])


class _SpelledInverse(FormulaPattern):
    """log(max(t, eps) / max(1 - t, eps)), t = clip(x, 0, 1), as detectors refine their boxes."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Log" or not is_f32(op):
            return
        ratio = op.operands[0].owner
        if not isinstance(ratio, Div) or not op.operands[0].has_one_use():
            return
        upper, lower = self.at_least(ratio.a), self.at_least(ratio.b)
        if upper is None or lower is None or upper[1] != lower[1] or not 0 < upper[1] < 0.5:
            return
        rest, held = lower[0].owner, upper[0].owner
        if not isinstance(rest, Sub) or self.scalar(rest.a) != 1 or rest.b is not upper[0]:
            return
        if not isinstance(held, Clip) or [self.scalar(v) for v in (held.min, held.max)] != [0, 1]:
            return
        new = Replacement(self, rewriter, op)
        made = InverseSigmoid([held.x], [op.result.type], {"eps": upper[1]})
        made.location = part_location(op)
        new.finish([new.builder.add(made).result])

    def at_least(self, value: SSAValue) -> tuple[SSAValue, float] | None:
        """x and c of max(x, c), nobody else using it."""
        op = value.owner
        if not value.has_one_use():
            return None
        if isinstance(op, Clip) and op.max is None:
            bound = self.scalar(op.min)
            return None if bound is None else (op.x, bound)
        if isinstance(op, OnnxOp) and op.op_type == "Max" and len(op.operands) == 2:
            for x, other in (op.operands, op.operands[::-1]):
                bound = self.scalar(other)
                if bound is not None and x.type == op.result.type:
                    return x, bound
        return None


class _Gated(FormulaPattern):
    """x times a function of x that goes from 0 to 1."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Mul | Div) or not is_f32(op):
            return
        factor, tensors = self.factors(op.result)
        if len(tensors) != 2:
            return
        for x, gate in (tensors, tensors[::-1]):
            if x.type != op.result.type or not gate.has_one_use():
                continue
            found = self._activation(gate, x, factor)
            if found is not None:
                new = Replacement(self, rewriter, op)
                new.finish([new.builder.op(found[0], [x], found[1]).result])
                return

    def _activation(
        self, gate: SSAValue, x: SSAValue, factor: float
    ) -> tuple[str, dict[str, Any]] | None:
        """The operator that is factor * x * gate, and its attributes."""
        inner, scale, offset = self.affine(gate)
        op, scale, offset = inner.owner, scale * factor, offset * factor
        if not isinstance(op, OnnxOp) or not op.operands:
            return None
        plain, half = _near(scale, 1) and offset == 0, _near(scale, 0.5) and _near(offset, 0.5)
        if op.op_type == "Erf" and half:
            found = equals(self.polynomial(op.operands[0], x), _ERF, _TOLERANCE)
            return ("Gelu", {}) if found else None
        if op.op_type == "Tanh" and plain:
            softplus = op.operands[0].owner
            if isinstance(softplus, OnnxOp) and softplus.op_type == "Softplus":
                return ("Mish", {}) if softplus.operands[0] is x else None
            return None
        if isinstance(op, Sigmoid) and plain:
            power = self.polynomial(op.x, x)
        elif op.op_type == "Tanh" and half:
            power = self.polynomial(op.operands[0], x)
            power = None if power is None else 2 * power
        else:
            return None
        if equals(power, _LINEAR, _TOLERANCE):
            return "Swish", {}
        return ("Gelu", {"approximate": "tanh"}) if equals(power, _TANH, _TOLERANCE) else None
