"""The pass `onnx-bound-masks`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.elementwise import Add, Mul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass, AxPattern
from pulsar2.lowering.onnx.rewrite import OnnxPattern, run_patterns

_INFINITE = -1e9
"""What stands for minus infinity: this, and all below."""
_MOVES = frozenset(("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Slice", "Identity"))
_MAX_STEPS = 8


@dataclass(frozen=True)
class BoundMasksPass(AxPass):
    """Writes a number of use to quantization where a mask of attention has one for minus infinity.

    A mask is added to what Softmax reads. Its constant, as large as numbers get, leaves no
    resolution for what is added to it, so quantization leaves such operators to the CPU. Softmax of
    -64 beside numbers near 0 is next to nothing just as well. The constant may be the mask, a
    branch of the Where or the factor of the Mul that computes it; all that it leads to must be such
    masks. It holds where what the mask is added to is well above -64: compare the outputs.

    Options: `bound`, the number below 0 that takes its place.

    Precondition: none. Postcondition: no such mask has a constant below `bound`.

    ```
    %m = onnx.Where(%kept, %zero, %lowest) : ..
    %s = onnx.Add(%scores, %m) : ..
    %a = onnx.Softmax(%s) : ..
    ```
    becomes the same with -64 for %lowest.
    """

    name = "onnx-bound-masks"

    bound: float = -64.0

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_BoundMask(ctx.weights, self.bound)])


@dataclass
class _BoundMask(OnnxPattern):
    bound: float

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Constant):
            return
        array = op.array(self.weights)
        if array.dtype != np.float32:
            return
        infinite = np.less_equal(array.astype(np.float32), np.float32(_INFINITE))
        if not infinite.any():
            return
        uses = list(op.result.uses)
        if not uses or not all(
            isinstance(use.operation, OnnxOp) and _makes_mask(use.operation, use.index, array.size)
            for use in uses
        ):
            return
        bounded = np.where(infinite, np.float32(self.bound), array.astype(np.float32))
        AxPattern.replace(rewriter, op, Constant.of(bounded, self.weights, op.location))


def _makes_mask(op: OnnxOp, index: int, size: int) -> bool:
    """Whether `op` adds a constant to what Softmax reads, or computes a mask from it."""
    if isinstance(op, Add):
        return _only_softmax(op.result)
    branch = op.op_type == "Where" and index > 0
    factor = isinstance(op, Mul) and size == 1
    return (branch or factor) and _is_mask(op.result, _MAX_STEPS)


def _is_mask(value: SSAValue, steps: int) -> bool:
    """Whether all that becomes of `value` is added to what Softmax reads."""
    users = [use.operation for use in value.uses]
    return (
        bool(users)
        and steps > 0
        and all(
            isinstance(user, OnnxOp)
            and (
                (isinstance(user, Add) and _only_softmax(user.result))
                or (user.op_type in _MOVES and _is_mask(user.result, steps - 1))
            )
            for user in users
        )
    )


def _only_softmax(value: SSAValue) -> bool:
    users = [use.operation for use in value.uses]
    return bool(users) and all(
        isinstance(user, OnnxOp) and user.op_type == "Softmax" for user in users
    )
