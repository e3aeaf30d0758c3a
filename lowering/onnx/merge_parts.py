"""The pass `onnx-merge-parts`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.layout import Concat
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

_Range = tuple[int, int, int]
"""Start, length and step of a part along an axis."""


@dataclass(frozen=True)
class MergePartsPass(AxPass):
    """Joins Slice and Split that follow each other, and leaves out what Concat puts together again.

    - A Slice of a Slice, or of a part that a Split makes, is one Slice of the whole tensor, where
      nobody else uses the Slice before;
    - a Split of which one part is used is a Slice;
    - a Concat of parts that lie side by side in one tensor is a Slice of it, or the tensor itself.

    Starts, ends, axes and steps must be constants; steps are positive.

    Precondition: types are inferred. Postcondition: none of these is left.

    ```
    %0 = onnx.Slice(%x, %c2, %c8, %axis) : (tensor<8xf32>, ..) -> tensor<6xf32>
    %1 = onnx.Slice(%0, %c1, %c3, %axis) : (tensor<6xf32>, ..) -> tensor<2xf32>
    ```
    becomes
    ```
    %1 = onnx.Slice(%x, %c3, %c5, %axis, %c1) : (tensor<8xf32>, ..) -> tensor<2xf32>
    ```
    """

    name = "onnx-merge-parts"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_SplitOfOne, _SliceOfPart, _ConcatOfParts)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


class _PartPattern(OnnxPattern):
    """What patterns on parts of tensors share."""

    def part(self, value: SSAValue) -> tuple[SSAValue, dict[int, _Range]] | None:
        """x, and the ranges by axis, where `value` is a part of x; None where it is none."""
        op = value.owner
        if not isinstance(op, OnnxOp) or op.op_type not in ("Slice", "Split"):
            return None
        x = op.operands[0]
        shape, own = static_shape_of(x.type), static_shape_of(value.type)
        if shape is None or own is None:
            return None
        if op.op_type == "Slice":
            ranges = self._slice_ranges(op, shape)
            return None if ranges is None else (x, ranges)
        axis = int(op.value_of("axis")) % len(shape)
        start = 0
        for result in op.results:
            size = static_shape_of(result.type)
            if size is None:
                return None
            if result is value:
                return x, {axis: (start, own[axis], 1)}
            start += size[axis]
        return None

    def _slice_ranges(self, op: OnnxOp, shape: tuple[int, ...]) -> dict[int, _Range] | None:
        given = [self.constant(op.operand(i)) for i in range(1, 5)]
        starts, ends, axes, steps = given
        if starts is None or ends is None:
            return None
        if any(a is None and op.operand(i + 1) is not None for i, a in enumerate(given)):
            return None
        count = starts.size
        axes = np.arange(count) if axes is None else axes
        steps = np.ones(count, np.int64) if steps is None else steps
        found: dict[int, _Range] = {}
        for start, end, axis, step in zip(
            *(a.reshape(-1).tolist() for a in (starts, ends, axes, steps)), strict=True
        ):
            if step <= 0:
                return None
            place = int(axis) % len(shape)
            taken = range(*slice(start, end, step).indices(shape[place]))
            found[place] = (taken.start, len(taken), int(step))
        return found

    @staticmethod
    def slice_of(new: Replacement, x: SSAValue, ranges: dict[int, _Range]) -> SSAValue:
        """The part of x that has these ranges."""
        axes = sorted(ranges)
        starts = [ranges[a][0] for a in axes]
        ends = [ranges[a][0] + (ranges[a][1] - 1) * ranges[a][2] + 1 for a in axes]
        steps = [ranges[a][2] for a in axes]
        operands = [new.shape(numbers) for numbers in (starts, ends, axes, steps)]
        return new.builder.op("Slice", [x, *operands]).result


class _SplitOfOne(_PartPattern):
    """A Split of which one part is used."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Split":
            return
        used = [r for r in op.results if r.first_use is not None]
        part = self.part(used[0]) if len(used) == 1 else None
        if part is None or not all(size for _, size, _ in part[1].values()):
            return
        new = Replacement(self, rewriter, op)
        made = self.slice_of(new, *part)
        new.finish([made if r is used[0] else None for r in op.results])


class _SliceOfPart(_PartPattern):
    """A Slice of a part of a tensor."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Slice":
            return
        inner = self.part(op.operands[0])
        outer = self.part(op.result) if inner is not None else None
        shape = static_shape_of(op.result.type)
        if inner is None or outer is None or shape is None or 0 in shape:
            return
        before = op.operands[0]
        if not before.has_one_use():
            return
        x, ranges = inner
        joined = dict(ranges)
        for axis, (start, size, step) in outer[1].items():
            first, _, stride = ranges.get(axis, (0, 0, 1))
            joined[axis] = (first + start * stride, size, step * stride)
        new = Replacement(self, rewriter, op)
        new.finish([self.slice_of(new, x, joined)])


class _ConcatOfParts(_PartPattern):
    """A Concat of parts that lie side by side."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Concat) or len(op.operands) < 2:
            return
        shape = static_shape_of(op.result.type)
        parts = [self.part(v) for v in op.operands]
        if shape is None or 0 in shape:
            return
        axis = op.axis % len(shape)
        found = self._side_by_side([p for p in parts if p is not None], axis)
        if found is None or any(p is None for p in parts):
            return
        x, ranges = found
        if x.type == op.result.type:
            rewriter.replace(op, [], [x])
            return
        new = Replacement(self, rewriter, op)
        new.finish([self.slice_of(new, x, ranges)])

    @staticmethod
    def _side_by_side(
        parts: list[tuple[SSAValue, dict[int, _Range]]], axis: int
    ) -> tuple[SSAValue, dict[int, _Range]] | None:
        """What the parts are together, where they follow each other along the axis."""
        if not parts:
            return None
        x, ranges = parts[0]
        others = {a: r for a, r in ranges.items() if a != axis}
        if axis not in ranges or ranges[axis][2] != 1:
            return None
        start, end = ranges[axis][0], ranges[axis][0]
        for source, each in parts:
            if source is not x or axis not in each or each[axis][2] != 1:
                return None
            if each[axis][0] != end or {a: r for a, r in each.items() if a != axis} != others:
                return None
            end += each[axis][1]
        return x, {**others, axis: (start, end - start, 1)}
