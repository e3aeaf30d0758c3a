"""The pass `onnx-eliminate-transposes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, NoneType
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.builder import unknown_type
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.layout import Transpose
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, part_location, run_patterns
from pulsar2.weights import AnyArray

_UNARY = frozenset(
    (
        *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Celu", "Clip"),
        *("Cos", "Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"),
        *("LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu"),
        *("Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan"),
        *("Tanh", "ThresholdedRelu"),
    )
)
_BINARY = frozenset(
    (
        *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
        *("Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor"),
    )
)
_AXIS = frozenset(("Concat", "Softmax", "LogSoftmax"))
_MOVABLE = _UNARY | _BINARY | _AXIS
_REDUCTIONS = frozenset(
    (
        *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
        *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    )
)
_PARTS = frozenset(("Slice", "Split", "Pad", "ArgMax", "ArgMin"))


@dataclass(frozen=True)
class EliminateTransposesPass(AxPass):
    """Moves Transpose down through elementwise operators and joins those that meet.

    A Transpose moves past an elementwise operator, Concat or Softmax whose other operands are
    constants or transposed in the same way, and past a reduction, ArgMax, ArgMin, Slice, Split or
    Pad along constant axes, if everybody who uses it lets it pass. Two in a row become one, or
    none. So the pairs around a channels-last section of a channels-first network vanish.

    Precondition: types are inferred. Postcondition: no Transpose of a Transpose is left.

    ```
    %0 = onnx.Transpose(%x) {perm = array<i64: 0, 2, 3, 1>} : (...) -> tensor<1x8x8x3xf32>
    %1 = onnx.Relu(%0) : (tensor<1x8x8x3xf32>) -> tensor<1x8x8x3xf32>
    %2 = onnx.Transpose(%1) {perm = array<i64: 0, 3, 1, 2>} : (...) -> tensor<1x3x8x8xf32>
    ```
    becomes
    ```
    %2 = onnx.Relu(%x) : (tensor<1x3x8x8xf32>) -> tensor<1x3x8x8xf32>
    ```
    """

    name = "onnx-eliminate-transposes"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_JoinTransposes, _SinkTranspose, _SinkAlongAxes)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


class _JoinTransposes(OnnxPattern):
    """A Transpose of a Transpose is one Transpose, and none if it restores the order."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Transpose) or not isinstance(inner := op.x.owner, Transpose):
            return
        first, second = inner.perm, op.perm
        if first is None or second is None:
            return
        perm = tuple(first[axis] for axis in second)
        if perm == tuple(range(len(perm))):
            # The operation before takes over the name of the tensor that it now makes.
            rewriter.replace(op, [], [inner.x])
            return
        new = Replacement(self, rewriter, op)
        new.finish([new.builder.op("Transpose", [inner.x], {"perm": perm}).result])


class _Sink(OnnxPattern):
    """What patterns that move a Transpose down share."""

    def passes(self, op: Operation) -> bool:
        """Whether a Transpose before `op` can move past it or join with it."""
        if not isinstance(op, OnnxOp):
            return False
        if op.op_type in _MOVABLE or isinstance(op, Transpose):
            return True
        return op.op_type in _REDUCTIONS | _PARTS and self.axes_of(op) is not None

    def axes_of(self, op: OnnxOp) -> tuple[int, ...] | None:
        """The constant axes that a reduction, Slice, Split or Pad works along; None for others."""
        shape = shape_of(op.operands[0].type)
        if shape is None:
            return None
        rank = len(shape)
        if op.op_type in ("Split", "ArgMax", "ArgMin"):
            return (int(op.value_of("axis")) % rank,)
        place = 1 if op.op_type in _REDUCTIONS else 3
        given = op.operand(place)
        axes = self.constant(given)
        if given is not None:
            return None if axes is None else tuple(int(a) % rank for a in axes.reshape(-1))
        if op.op_type in _REDUCTIONS:
            return None if op.value_of("noop_with_empty_axes") else tuple(range(rank))
        starts = self.constant(op.operand(1)) if op.op_type == "Slice" else None
        count = rank if op.op_type == "Pad" else 0 if starts is None else starts.size
        return tuple(range(count)) if count else None


class _SinkAlongAxes(_Sink):
    """A reduction or a part of Transpose(x) becomes a Transpose of that of x."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in _REDUCTIONS | _PARTS:
            return
        source, axes = op.operands[0].owner, self.axes_of(op)
        if not isinstance(source, Transpose) or source.perm is None or axes is None:
            return
        if not all(self.passes(use.operation) for use in source.result.uses):
            return
        perm = source.perm
        new = Replacement(self, rewriter, op)
        attributes: dict[str, Any] = dict(op.attributes)
        operands: list[SSAValue | None] = [source.x, *op.operands[1:]]
        moved_axes = [perm[axis] for axis in axes]
        pads = self.constant(op.operand(1)) if op.op_type == "Pad" else None
        if op.op_type in ("Split", "ArgMax", "ArgMin"):
            attributes["axis"] = moved_axes[0]
        elif pads is not None and op.operand(3) is None:
            operands[1] = new.shape(pads.reshape(2, -1)[:, np.argsort(perm)].reshape(-1).tolist())
        else:
            place = 1 if op.op_type in _REDUCTIONS else 3
            operands += [None] * (place + 1 - len(operands))
            operands[place] = new.shape(moved_axes)
        types = [unknown_type(op.operands[:1]) for _ in op.results]
        where = part_location(op)
        made = new.builder.op(op.op_type, operands, attributes, result_types=types, location=where)
        back = perm
        if op.value_of("keepdims") == 0:
            kept = [axis for axis in range(len(perm)) if axis not in moved_axes]
            back = tuple(kept.index(axis) for axis in perm if axis in kept)
        if back == tuple(range(len(back))):
            new.finish(list(made.results))
            return
        turned = [new.builder.op("Transpose", [r], {"perm": back}).result for r in made.results]
        new.finish(turned)


class _SinkTranspose(_Sink):
    """op(Transpose(x), ..) becomes Transpose(op(x, ..))."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in _MOVABLE or len(op.results) != 1:
            return
        perm = self._common_permutation(op)
        shape = shape_of(op.result.type)
        if perm is None or shape is None or len(shape) != len(perm):
            return
        operands: list[SSAValue | None] = []
        new = Replacement(self, rewriter, op)
        for index, value in enumerate(op.operands):
            source = value.owner
            if isinstance(source, Transpose):
                operands.append(source.x)
            elif isinstance(value.type, NoneType) or (op.op_type in _UNARY and index > 0):
                operands.append(value)
            else:
                array = self.constant(value)
                assert array is not None
                operands.append(new.constant(_untransposed(array, perm)))
        attributes: dict[str, Any] = dict(op.attributes)
        if op.op_type in _AXIS:
            attributes["axis"] = perm[op.value_of("axis")]
        moved = new.builder.op(op.op_type, operands, attributes, location=part_location(op))
        back = new.builder.op("Transpose", [moved.result], {"perm": perm})
        new.finish([back.result])

    def _common_permutation(self, op: OnnxOp) -> tuple[int, ...] | None:
        """What permutes every operand that is not a constant, if all its users let it pass."""
        perm: tuple[int, ...] | None = None
        for index, value in enumerate(op.operands):
            source = value.owner
            if isinstance(source, Transpose):
                if source.perm is None or (perm is not None and perm != source.perm):
                    return None
                if not all(self.passes(use.operation) for use in value.uses):
                    return None
                perm = source.perm
            elif isinstance(value.type, NoneType) or (op.op_type in _UNARY and index > 0):
                continue
            elif not isinstance(source, Constant) or op.op_type == "Concat":
                return None
        return perm


def _untransposed(array: AnyArray, perm: tuple[int, ...]) -> AnyArray:
    """A constant that is broadcast against a transposed tensor, for the tensor before that."""
    if array.size == 1:
        return array
    full = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
    return np.ascontiguousarray(np.transpose(full, np.argsort(perm)))
