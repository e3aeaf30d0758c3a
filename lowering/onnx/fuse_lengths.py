"""The pass `onnx-fuse-lengths`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Clip, Div
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.formula import FormulaPattern, is_f32
from pulsar2.lowering.onnx.rewrite import Replacement, run_patterns

_LEAST = 1e-6
_LENGTHS = {"ReduceL1": 1, "ReduceL2": 2}


@dataclass(frozen=True)
class FuseLengthsPass(AxPass):
    """Recognizes tensors that are divided by their length along an axis: LpNormalization.

    x / max(length, eps) with eps of at most 1e-6, the length being ReduceL2 or ReduceL1 along the
    last axis, becomes LpNormalization; along another one it becomes that between two Transposes. The
    bound (a Clip or Max) may be missing, and an Expand stand behind it. Vectors that are shorter
    than eps get the length 1 (those of zeros stay 0), and others than before.

    What is fused away must have no other use. It works on f32 tensors.

    Precondition: types are inferred. Postcondition: none of these is left.

    ```
    %0 = onnx.ReduceL2(%x, %axes) {keepdims = 1 : i64} : (tensor<2x8xf32>, tensor<1xi64>) -> tensor<2x1xf32>
    %1 = onnx.Clip(%0, %eps) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
    %2 = onnx.Div(%x, %1) : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
    ```
    becomes
    ```
    %2 = onnx.LpNormalization(%x) {axis = 1 : i64, p = 2 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    ```
    """  # noqa: E501

    name = "onnx-fuse-lengths"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_Divided(ctx.weights)])


class _Divided(FormulaPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Div) or not is_f32(op) or not op.b.has_one_use():
            return
        length, shape = self._unbounded(op.b).owner, static_shape_of(op.a.type)
        if not isinstance(length, OnnxOp) or length.op_type not in _LENGTHS or shape is None:
            return
        axes = self.constant(length.operand(1))
        kept = length.value_of("keepdims") and length.operands[0] is op.a
        if not kept or axes is None or axes.size != 1 or op.a.type != op.result.type:
            return
        rank, p = len(shape), _LENGTHS[length.op_type]
        axis, last = int(axes.reshape(())) % rank, rank - 1
        perm = list(range(rank))
        perm[axis], perm[last] = last, axis
        new, value = Replacement(self, rewriter, op), op.a
        if axis != last:
            value = new.builder.op("Transpose", [value], {"perm": tuple(perm)}).result
        value = new.builder.op("LpNormalization", [value], {"axis": last, "p": p}).result
        if axis != last:
            value = new.builder.op("Transpose", [value], {"perm": tuple(perm)}).result
        new.finish([value])

    def _unbounded(self, value: SSAValue) -> SSAValue:
        """What is before an Expand and a bound of at most 1e-6 that nobody else uses."""
        op = value.owner
        if isinstance(op, OnnxOp) and op.op_type == "Expand" and op.operands[0].has_one_use():
            value, op = op.operands[0], op.operands[0].owner
        bound: float | None = None
        inner = value
        if isinstance(op, Clip) and op.max is None:
            inner, bound = op.x, self.scalar(op.min)
        elif isinstance(op, OnnxOp) and op.op_type == "Max" and len(op.operands) == 2:
            inner, bound = op.operands[0], self.scalar(op.operands[1])
        held = bound is not None and 0 < bound <= _LEAST and inner.has_one_use()
        return inner if held else value
