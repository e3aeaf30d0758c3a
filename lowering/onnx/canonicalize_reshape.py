"""The pass `onnx-canonicalize-reshape`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.layout import Flatten, Reshape, Squeeze, Transpose, Unsqueeze
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns


@dataclass(frozen=True)
class CanonicalizeReshapePass(AxPass):
    """Makes every change of shape a Reshape to a constant shape without 0 and -1, and joins chains.

    Flatten, Squeeze and Unsqueeze become Reshape; so does a Transpose that moves axes of extent 1
    only. A Reshape of a Reshape takes the operand of the first one. Operands of Range that have one
    element are made scalars, which ONNX asks for and ONNX Runtime does not, until it sees the
    shape.

    Precondition: types are inferred. Postcondition: there is no Flatten, Squeeze or Unsqueeze of
    known shapes, and no Reshape of a Reshape.

    ```
    %0 = onnx.Flatten(%x) {axis = 1 : i64} : (tensor<1x8x2x2xf32>) -> tensor<1x32xf32>
    ```
    becomes
    ```
    %s = onnx.Constant {value = dense<[1, 32]> : tensor<2xi64>} : tensor<2xi64>
    %0 = onnx.Reshape(%x, %s) : (tensor<1x8x2x2xf32>, tensor<2xi64>) -> tensor<1x32xf32>
    ```
    """

    name = "onnx-canonicalize-reshape"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_MakeReshape(ctx.weights), _ScalarRange(ctx.weights)])


class _MakeReshape(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Reshape | Flatten | Squeeze | Unsqueeze | Transpose):
            return
        shape = static_shape_of(op.result.type)
        if shape is None or (isinstance(op, Transpose) and not _keeps_order(op)):
            return
        source = op.operands[0].owner
        data = source.data if isinstance(source, Reshape) else op.operands[0]
        if isinstance(op, Reshape) and data is op.data and self._is_plain(op, shape):
            return
        new = Replacement(self, rewriter, op)
        attributes = {"allowzero": 1} if 0 in shape else {}
        made = new.builder.op("Reshape", [data, new.shape(shape)], attributes)
        new.finish([made.result])

    def _is_plain(self, op: Reshape, shape: tuple[int, ...]) -> bool:
        given = self.constant(op.shape)
        allowzero = bool(op.allowzero) == (0 in shape)
        return given is not None and tuple(given.tolist()) == shape and allowzero


class _ScalarRange(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Range":
            return
        if all(static_shape_of(v.type) != (1,) for v in op.operands):
            return
        new = Replacement(self, rewriter, op)
        scalars = [
            new.builder.op("Reshape", [v, new.shape(())]).result
            if static_shape_of(v.type) == (1,)
            else v
            for v in op.operands
        ]
        new.finish([new.builder.op("Range", scalars, dict(op.attributes)).result])


def _keeps_order(op: Transpose) -> bool:
    """Whether a transposition moves axes of extent 1 only: the elements stay where they are."""
    shape, perm = static_shape_of(op.x.type), op.perm
    if shape is None or perm is None:
        return False
    moved = [axis for axis in perm if shape[axis] != 1]
    return moved == sorted(moved)
