"""The pass `onnx-fuse-activations`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Clip, Div, HardSigmoid, Mul, Relu
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.formula import FormulaPattern, is_f32
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class FuseActivationsPass(AxPass):
    """Recognizes activations that are spelled out, and joins ranges.

    - Max(x, 0) and Clip(x, 0) become Relu; Min and Max with a number become Clip;
    - Relu and Clip of each other become one Clip (Relu6 is Clip(x, 0, 6));
    - Clip(x + 3, 0, 6) / 6 and its like become HardSigmoid;
    - x * HardSigmoid(x), x * Clip(x + 3, 0, 6) / 6 in any order become HardSwish.

    What is fused away must have no other use. It works on f32 tensors.

    Precondition: types are inferred. Postcondition: none of these is left.

    ```
    %0 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.Min(%0, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    ```
    becomes
    ```
    %1 = onnx.Clip(%x, %zero, %six) : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-fuse-activations"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_MinMaxToClip, _JoinRanges, _ClipToRelu, _HardSigmoid, _HardSwish)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


class _MinMaxToClip(OnnxPattern):
    """Min or Max of a tensor and a number."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in ("Min", "Max") or len(op.operands) != 2:
            return
        for index in (0, 1):
            x, bound = op.operands[index], self.scalar(op.operands[1 - index])
            if bound is None or not is_f32(op) or x.type != op.result.type:
                continue
            new = Replacement(self, rewriter, op)
            limit = new.constant(np.array(bound, np.float32))
            operands = [x, None, limit] if op.op_type == "Min" else [x, limit]
            new.finish([new.builder.op("Clip", operands).result])
            return


class _RangePattern(OnnxPattern):
    """What patterns on ranges share."""

    def range_of(self, value: SSAValue | OnnxOp) -> tuple[SSAValue, float, float] | None:
        """x, lo, hi of an operation that holds x between them; infinite where unbounded."""
        op = value if isinstance(value, OnnxOp) else value.owner
        if isinstance(op, Relu) and is_f32(op):
            return op.x, 0.0, np.inf
        if not isinstance(op, Clip) or not is_f32(op):
            return None
        low = -np.inf if op.min is None else self.scalar(op.min)
        high = np.inf if op.max is None else self.scalar(op.max)
        return None if low is None or high is None else (op.x, low, high)


class _JoinRanges(_RangePattern):
    """A range of a range: both bounds of the inner one are held within the outer one."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        outer = self.range_of(op) if isinstance(op, Relu | Clip) else None
        if outer is None or not isinstance(op, OnnxOp):
            return
        inner = self.range_of(outer[0])
        if inner is None or outer[0].get_user_of_unique_use() is not op:
            return
        low, high = (min(max(bound, outer[1]), outer[2]) for bound in inner[1:])
        new = Replacement(self, rewriter, op)
        bounds = [
            new.constant(np.array(b, np.float32)) if np.isfinite(b) else None for b in (low, high)
        ]
        new.finish([new.builder.op("Clip", [inner[0], *bounds]).result])


class _ClipToRelu(_RangePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Clip):
            return
        found = self.range_of(op)
        if found is not None and found[1:] == (0.0, np.inf):
            new = Replacement(self, rewriter, op)
            new.finish([new.builder.op("Relu", [op.x]).result])


class _Factored(_RangePattern, FormulaPattern):
    """What patterns on products with numbers share."""

    def ramp(self, value: SSAValue) -> tuple[SSAValue, float, float, float] | None:
        """x, a, b, h where value = Clip(a * x + b, 0, h), nobody else using the inner values."""
        clip = self.range_of(value)
        if clip is None or clip[1] != 0 or not np.isfinite(clip[2]) or clip[2] <= 0:
            return None
        inner, scale, offset = clip[0], 1.0, 0.0
        if (sum_ := self.plus(inner.owner)) is not None and inner.has_one_use():
            inner, offset = sum_
        if (product := self.times(inner.owner)) is not None and inner.has_one_use():
            inner, scale = product
        return (inner, scale, offset, clip[2]) if offset else None


class _HardSigmoid(_Factored):
    """Clip(a * x + b, 0, h) / h is HardSigmoid with alpha = a / h and beta = b / h."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        product = self.times(op)
        if product is None or not isinstance(op, OnnxOp) or not product[0].has_one_use():
            return
        ramp = self.ramp(product[0])
        if ramp is None or abs(ramp[3] * product[1] - 1) > _TOLERANCE:
            return
        x, scale, offset, height = ramp
        new = Replacement(self, rewriter, op)
        attributes = {"alpha": scale / height, "beta": offset / height}
        new.finish([new.builder.op("HardSigmoid", [x], attributes).result])


class _HardSwish(_Factored):
    """x * HardSigmoid(x) with alpha 1/6 and beta 1/2, however the factors are placed."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Mul | Div) or not is_f32(op):
            return
        x = self._of_product(op, 1.0) if isinstance(op, Mul) else None
        scaled = self.times(op)
        if x is None and scaled is not None:
            inner = scaled[0].owner
            if isinstance(inner, Mul) and scaled[0].has_one_use():
                x = self._of_product(inner, scaled[1])
        if x is None or x.type != op.result.type:
            return
        new = Replacement(self, rewriter, op)
        new.finish([new.builder.op("HardSwish", [x]).result])

    def _of_product(self, op: Mul, factor: float) -> SSAValue | None:
        """x where factor * op is the HardSwish of x."""
        for gate, other in ((op.a, op.b), (op.b, op.a)):
            if not gate.has_one_use():
                continue
            unit = self._gate(gate)
            if unit is None:
                continue
            x, height = unit
            extra = 1.0
            product = self.times(other.owner)
            if other is not x and product is not None and other.has_one_use():
                other, extra = product
            if other is x and abs(height * factor * extra - 1) < _TOLERANCE:
                return x
        return None

    def _gate(self, value: SSAValue) -> tuple[SSAValue, float] | None:
        """x and h where value = h * HardSigmoid(x; 1/6, 1/2)."""
        op = value.owner
        if isinstance(op, HardSigmoid) and is_f32(op):
            found, height = (op.x, op.alpha, op.beta), 1.0
        else:
            ramp = self.ramp(value)
            if ramp is None:
                return None
            height = ramp[3]
            found = (ramp[0], ramp[1] / height, ramp[2] / height)
        exact = abs(found[1] - 1 / 6) < _TOLERANCE and abs(found[2] - 0.5) < _TOLERANCE
        return (found[0], height) if exact else None
