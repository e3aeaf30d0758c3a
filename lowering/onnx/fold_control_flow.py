"""The pass `onnx-fold-control-flow`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.control_flow import If, Loop, yield_of
from pulsar2.dialects.onnx.inference import InferenceError, ShapeInference
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import place_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import part_location, update_signature
from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class FoldControlFlowPass(AxPass):
    """Takes the branch of an If whose condition is known, and unrolls short Loops.

    A condition is known when it is a constant, or follows from constants and from shapes, or when
    one of the branches can only fail on operands of these shapes, which a warning says. A Loop is
    unrolled when its trip count is known and its body hands its condition on unchanged (or yields
    true), has no scan outputs, and runs no more than `max-trips` times. The types of what follows
    are inferred anew.

    Options:
    - `max-trips`: the number of iterations up to which a Loop is unrolled.

    Precondition: types are inferred. Postcondition: no If whose condition is a constant is left.

    ```
    %true = onnx.Constant {value = dense<true> : tensor<i1>} : tensor<i1>
    %0 = onnx.If(%true) ({
      %1 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
      onnx.Yield(%1) : (tensor<4xf32>) -> ()
    }, { .. }) : (tensor<i1>) -> tensor<*xf32>
    ```
    becomes
    ```
    %1 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-fold-control-flow"

    max_trips: int = 16

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        folder = _Folder(ctx, self.max_trips)
        for function in module.ops:
            for region in function.regions:
                for block in region.blocks:
                    folder.fold(block)
            if isinstance(function, FuncOp):
                update_signature(function)


class _Folder:
    def __init__(self, ctx: AxContext, max_trips: int):
        self._weights = ctx.weights
        self._max_trips = max_trips
        self._inference = ShapeInference(ctx.weights)

    def fold(self, block: Block) -> None:
        """Folds in a block from its first operation on, into what it inlines as well."""
        op = block.first_op
        while op is not None:
            following = op.next_op
            first = self._inline(op) if isinstance(op, If | Loop) else None
            if first is not None:
                op = first
                continue
            for region in op.regions:
                for inner in region.blocks:
                    self.fold(inner)
            # What was folded inside may show that a branch cannot run.
            first = self._inline_if(op) if isinstance(op, If) else None
            if first is not None:
                op = first
                continue
            if isinstance(op, OnnxOp):
                self._infer(op)
            op = following

    def _infer(self, op: OnnxOp) -> None:
        try:
            self._inference.settle(op)
        except InferenceError:
            return

    def _inline(self, op: If | Loop) -> Operation | None:
        """Replaces `op` by what it runs; the operation to carry on with, None if it stays."""
        return self._inline_if(op) if isinstance(op, If) else self._unroll(op)

    def _inline_if(self, op: If) -> Operation | None:
        taken = self._branch(op)
        if taken is None:
            return None
        region = op.regions[taken]
        block = region.block
        end = yield_of(region)
        values = list(end.operands)
        end.detach()
        end.erase()
        parent = op.parent
        assert parent is not None
        before = op.prev_op
        Rewriter.inline_block(block, InsertPoint.before(op))
        _replace(op, values)
        return before.next_op if before is not None else parent.first_op

    def _branch(self, op: If) -> int | None:
        """The region that an If runs, None where only running tells."""
        condition = self._inference.value(op.condition)
        if condition is not None and condition.size == 1:
            return 0 if condition.reshape(()) else 1
        faults = [self._fault(region.block) for region in op.regions]
        if sum(bool(fault) for fault in faults) != 1:
            return None
        taken = 0 if faults[1] else 1
        logger.warning(
            "{}: its {} branch is taken whatever the condition, because the other one can only "
            "fail on these shapes: {}",
            place_of(op) or "an If",
            ("then", "else")[taken],
            "".join(faults),
        )
        return taken

    def _fault(self, block: Block) -> str:
        """Why running a block fails for certain, or ''."""
        for op in block.ops:
            if isinstance(op, OnnxOp) and not op.regions:
                try:
                    self._inference.update(op)
                except InferenceError as error:
                    return f"{place_of(op)}: {error}".removeprefix(": ")
        return ""

    def _unroll(self, op: Loop) -> Operation | None:
        trips = None if op.trip_count is None else self._inference.value(op.trip_count)
        if trips is None or trips.size != 1 or not 0 <= int(trips.reshape(())) <= self._max_trips:
            return None
        if len(op.results) != len(op.carried) or not self._runs_on(op):
            return None
        parent = op.parent
        assert parent is not None
        before = op.prev_op
        carried: list[SSAValue] = list(op.carried)
        condition = self._constant(op, np.array(True))
        body = op.regions[0].block
        for trip in range(int(trips.reshape(()))):
            number = self._constant(op, np.array(trip, dtype=np.int64))
            carried = _clone_body(op, body, [number, condition, *carried])
        _replace(op, carried)
        return before.next_op if before is not None else parent.first_op

    def _constant(self, op: Operation, array: AnyArray) -> SSAValue:
        constant = Constant.of(array, self._weights, part_location(op))
        Rewriter.insert_op(constant, InsertPoint.before(op))
        return constant.result

    def _runs_on(self, op: Loop) -> bool:
        """Whether the condition is true from the start and in every iteration."""
        if op.condition is not None:
            start = self._inference.value(op.condition)
            if start is None or start.size != 1 or not start.reshape(()):
                return False
        block = op.regions[0].block
        again = yield_of(op.regions[0]).operands[0]
        while not isinstance(again, BlockArgument):
            owner = again.owner
            if isinstance(owner, OnnxOp) and owner.op_type == "Identity":
                again = owner.operands[0]
                continue
            value = self._inference.value(again)
            return value is not None and bool(value.size == 1 and value.reshape(()))
        return again is block.args[1]


def _clone_body(op: Loop, body: Block, arguments: Sequence[SSAValue]) -> list[SSAValue]:
    """Puts a copy of a loop's body before the loop; the carried values that it yields."""
    mapping: dict[SSAValue, SSAValue] = dict(zip(body.args, arguments, strict=True))
    end = body.last_op
    for inner in body.ops:
        if inner is end:
            break
        Rewriter.insert_op(inner.clone(mapping), InsertPoint.before(op))
    assert end is not None
    return [mapping.get(v, v) for v in end.operands[1:]]


def _replace(op: OnnxOp, values: Sequence[SSAValue]) -> None:
    """Gives the users of `op` other values, and erases it."""
    for result, value in zip(op.results, values, strict=True):
        result.replace_all_uses_with(value)
    Rewriter.erase_op(op)
