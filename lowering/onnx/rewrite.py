"""What the rewrite patterns on the `onnx` dialect share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import FunctionType, LocationAttr, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
)
from xdsl.rewriter import Rewriter

from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.inference import InferenceError, ShapeInference, refine
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import name_location, node_name, output_names
from pulsar2.lowering.base import AxPattern
from pulsar2.weights import AnyArray, WeightStore


@dataclass
class OnnxPattern(AxPattern):
    """A rewrite pattern on `onnx` operations that reads and makes constants."""

    weights: WeightStore
    inference: ShapeInference = field(init=False)
    making: list[Operation] = field(init=False, default_factory=list[Operation])
    """The operations of the newest `Replacement`."""

    def __post_init__(self) -> None:
        self.inference = ShapeInference(self.weights)

    def give_up(self) -> None:
        """Takes the operations that were made for a replacement that is not finished from use."""
        for op in self.making:
            if op.parent is None:
                op.drop_all_references()
        self.making = []

    def constant(self, value: SSAValue | None) -> AnyArray | None:
        """The values of a constant, or None when `value` is not one."""
        owner = None if value is None else value.owner
        return owner.array(self.weights) if isinstance(owner, Constant) else None

    def scalar(self, value: SSAValue | None) -> float | None:
        """The number that a constant of one element holds, or None."""
        array = self.constant(value)
        return float(array.reshape(())) if array is not None and array.size == 1 else None


class Replacement:
    """New operations in the place of an old one, made by a pattern.

    ```
    new = Replacement(self, rewriter, op)
    y = new.op("Relu", [x])
    new.finish([y.result])
    ```
    """

    def __init__(
        self,
        pattern: OnnxPattern,
        rewriter: PatternRewriter,
        op: OnnxOp,
        location: LocationAttr | None = None,
    ):
        """The new operations are at `location`, or else where `op` is."""
        self._rewriter = rewriter
        self._op = op
        self._location = location or op.location
        self._made = pattern.making = []
        self.builder = OpBuilder(
            pattern.weights,
            self._made.append,
            inference=pattern.inference,
            location=part_location(op),
        )

    def constant(self, array: AnyArray, name: str = "") -> SSAValue:
        """A constant, under the node's name and `name`."""
        label = f"{node_name(self._op)}_{name}"
        named = name and node_name(self._op)
        return self.builder.constant(array, name_location(label, [label]) if named else None)

    def shape(self, dims: Sequence[int]) -> SSAValue:
        """A constant of type i64: a shape, axes or pads."""
        return self.builder.constant(np.array(dims, dtype=np.int64))

    def finish(self, results: Sequence[SSAValue | None]) -> None:
        """Replaces the old operation, and gives what makes `results` its location."""
        for result in results:
            owner = None if result is None else result.owner
            if isinstance(owner, Operation) and owner in self._made:
                owner.location = self._location
        for index, (old, new) in enumerate(zip(self._op.results, results, strict=True)):
            # What was known of a type, as from the model's own words, stays known.
            if new is not None and new.type != old.type and new.owner in self._made:
                exact = refine(old.type, new.type)  # pyright: ignore[reportArgumentType]
                if exact != new.type:
                    results = list(results)
                    results[index] = Rewriter.replace_value_with_new_type(new, exact)
        AxPattern.replace(self._rewriter, self._op, self._made, results)


def run_patterns(module: ModuleOp, patterns: Sequence[AxPattern]) -> bool:
    """Applies patterns to a module until none applies; whether anything changed.

    Operations whose results nobody uses any more are erased on the way.
    """
    return PatternRewriteWalker(_Applier(list(patterns))).rewrite_module(module)


class _Applier(GreedyRewritePatternApplier):
    """Leaves operations in regions as they are whose operands do not fit: they may never run."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        try:
            super().match_and_rewrite(op, rewriter)
        except InferenceError:
            if rewriter.has_done_action or isinstance(op.parent_op(), FuncOp):
                raise
            for pattern in self.rewrite_patterns:
                if isinstance(pattern, OnnxPattern):
                    pattern.give_up()


def joint_location(first: OnnxOp, last: OnnxOp) -> LocationAttr:
    """The location of what does the work of `first` and `last`: node `first`, tensor of `last`."""
    name = node_name(first)
    return name_location(name, output_names(last)) if name else last.location


def part_location(op: Operation) -> LocationAttr:
    """The location of a further operation that helps to carry out what `op` was."""
    name = node_name(op)
    return name_location(name) if name else op.location


def changed_location(op: OnnxOp, suffix: str) -> LocationAttr:
    """The location of `op` once its tensors are others: `<name>_<suffix>`."""
    name = node_name(op)
    outputs = [f"{output}_{suffix}" for output in output_names(op)]
    return name_location(name, outputs) if name else op.location


def update_signature(function: FuncOp) -> None:
    """Makes a function's type that of its arguments and of the values that it returns."""
    block = function.body.first_block
    if block is not None and isinstance(block.last_op, ReturnOp):
        function.function_type = FunctionType.from_lists(
            block.arg_types, block.last_op.operand_types
        )
