"""The pass `onnx-eliminate-identity`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Dropout
from pulsar2.dialects.onnx.layout import Pad, Transpose
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

_RESHAPES = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile", "Slice"))
_FOLDS_OF_ONE = frozenset(("Sum", "Mean", "Max", "Min", "Concat"))
# What as the second operand (and, if it commutes, as the first) changes nothing.
_NEUTRAL: dict[str, tuple[float, bool]] = {
    "Add": (0.0, True),
    "Sub": (0.0, False),
    "Mul": (1.0, True),
    "Div": (1.0, False),
    "Pow": (1.0, False),
}


@dataclass(frozen=True)
class EliminateIdentityPass(AxPass):
    """Removes operations that hand on an operand unchanged.

    These are Identity; Dropout outside of training (a mask that is used becomes a constant); Cast
    to the type there is; Reshape, Flatten, Squeeze, Unsqueeze, Expand, Tile and Slice whose result
    has the shape of the operand; Transpose that permutes nothing or moves axes of extent 1 only
    among themselves; Pad by nothing; Clip without bounds; Sum, Mean, Max, Min and Concat of one
    operand; adding 0, multiplying by 1 and the like.

    Precondition: types are inferred. Postcondition: none of these is left where shapes are known.

    ```
    %0 = onnx.Identity(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.Relu(%0) : (tensor<4xf32>) -> tensor<4xf32>
    ```
    becomes
    ```
    %1 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-eliminate-identity"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_RemoveIdentity(ctx.weights), _RemoveDropout(ctx.weights)])


def _same_shape(op: OnnxOp) -> bool:
    shape = static_shape_of(op.operands[0].type)
    return shape is not None and shape == static_shape_of(op.result.type)


class _RemoveIdentity(OnnxPattern):
    """Replaces an operation that hands on an operand by that operand."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or len(op.results) != 1 or not op.operands:
            return
        check = _CHECKS.get(op.op_type)
        index = 0
        if check is not None:
            if not check(self, op):
                return
        elif op.op_type in _NEUTRAL:
            found = self._neutral_operand(op)
            if found is None:
                return
            index = 1 - found
        else:
            return
        value = op.operands[index]
        if value.type == op.result.type:
            rewriter.replace(op, [], [value])

    def _neutral_operand(self, op: OnnxOp) -> int | None:
        """The operand that changes nothing about the other, which has the result's shape."""
        neutral, commutes = _NEUTRAL[op.op_type]
        for index in (1, 0) if commutes else (1,):
            array = self.constant(op.operands[index])
            if array is not None and array.dtype.kind in "fiu" and np.all(array == neutral):
                return index
        return None


def _is_identity(pattern: OnnxPattern, op: OnnxOp) -> bool:
    return True


def _is_plain_reshape(pattern: OnnxPattern, op: OnnxOp) -> bool:
    if op.op_type == "Slice":
        steps = pattern.constant(op.operand(4))
        if op.operand(4) is not None and (steps is None or np.any(steps != 1)):
            return False
    return _same_shape(op)


def _is_void_transpose(pattern: OnnxPattern, op: OnnxOp) -> bool:
    assert isinstance(op, Transpose)
    perm = op.perm
    if perm is not None and perm == tuple(range(len(perm))):
        return True
    shape = static_shape_of(op.x.type)
    if perm is None or shape is None or not _same_shape(op):
        return False
    moved = [axis for axis in perm if shape[axis] != 1]
    return moved == sorted(moved)


def _is_void_pad(pattern: OnnxPattern, op: OnnxOp) -> bool:
    assert isinstance(op, Pad)
    pads = pattern.constant(op.pads)
    return pads is not None and not np.any(pads)


def _is_unbounded(pattern: OnnxPattern, op: OnnxOp) -> bool:
    return op.operand(1) is None and op.operand(2) is None


def _has_one_operand(pattern: OnnxPattern, op: OnnxOp) -> bool:
    return len(op.operands) == 1


_CHECKS: dict[str, Callable[[OnnxPattern, OnnxOp], bool]] = {
    "Identity": _is_identity,
    "Cast": _is_identity,
    "Transpose": _is_void_transpose,
    "Pad": _is_void_pad,
    "Clip": _is_unbounded,
    **dict.fromkeys(_RESHAPES, _is_plain_reshape),
    **dict.fromkeys(_FOLDS_OF_ONE, _has_one_operand),
}


class _RemoveDropout(OnnxPattern):
    """Replaces Dropout outside of training by its operand, and its mask by ones."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Dropout) or (op.training_mode and self.scalar(op.training_mode) != 0):
            return
        shape = static_shape_of(op.x.type)
        mask = op.results[1] if len(op.results) > 1 else None
        if mask is None or mask.first_use is None:
            rewriter.replace(op, [], [op.x, None][: len(op.results)])
        elif shape is not None:
            new = Replacement(self, rewriter, op)
            new.finish([op.x, new.constant(np.ones(shape, dtype=np.bool_), "mask")])
