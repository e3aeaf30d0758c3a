"""Operators that only move data: all tensors of one share a quantization."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.layout import Concat, Pad, Transpose
from pulsar2.dialects.quant.types import UniformType, element_type
from pulsar2.lowering.quant.parameters import quantize_number
from pulsar2.lowering.quant.rules.base import (
    Rule,
    constant_of,
    int_list,
    is_float,
    not_numbers,
    shape_of,
)
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


class MovementRule(Rule):
    """What these rules share: the first operand's quantization is the results'."""

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[:1]

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return not_numbers(op.operands[0])

    @staticmethod
    def data(op: OnnxOp, to: Conversion) -> SSAValue:
        """The first operand in the quantization of the result."""
        return to.operand_as(op.operands[0], to.plan.element_type(op.results[0]))


class ReshapeRule(MovementRule):
    op_types = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        to.finish(op, quant.ReshapeOp(self.data(op, to), to.type_of(op.result)))


class IdentityRule(MovementRule):
    op_types = ("Identity", "Dropout")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if len(op.results) > 1 and op.results[1].first_use is not None:
            return "the mask is used"
        training = constant_of(op.operand(2), weights) if op.op_type == "Dropout" else None
        if training is not None and training.any():
            return "training_mode is set"
        return super().refuse(op, weights)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        to.bind(op.results[0], self.data(op, to))


class TransposeRule(MovementRule):
    op_types = ("Transpose",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Transpose)
        assert op.perm is not None
        to.finish(op, quant.TransposeOp(self.data(op, to), op.perm, to.type_of(op.result)))


class ConcatRule(MovementRule):
    op_types = ("Concat",)

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Concat)
        type_ = to.plan.element_type(op.result)
        inputs = [to.operand_as(v, type_) for v in op.inputs]
        axis = op.axis % len(shape_of(op.result))
        to.finish(op, quant.ConcatOp(inputs, axis, to.type_of(op.result)))


class PadRule(MovementRule):
    op_types = ("Pad",)
    needs_finite = False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, Pad)
        if op.mode != "constant":
            return f"mode is '{op.mode}', but only 'constant' is supported"
        if op.axes is not None and int_list(op.axes, weights) is None:
            return "the axes are computed, but only constant axes are supported"
        if int_list(op.pads, weights) is None:
            return "the pads are computed, but only constant pads are supported"
        if min(pad_widths(op, weights)) < 0:
            return "negative pads are not supported"
        value = constant_of(op.constant_value, weights)
        if op.constant_value is not None and value is None:
            return "the value is computed, but only a constant value is supported"
        if value is not None and not np.isfinite(value).all():
            return "the value is not finite"
        return super().refuse(op, weights)

    def held(self, op: OnnxOp, weights: WeightStore) -> Sequence[float]:
        assert isinstance(op, Pad)
        return (pad_value(op, weights),)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Pad)
        type_ = to.plan.element_type(op.result)
        value = pad_value(op, to.weights)
        if isinstance(type_, UniformType):
            stored = quantize_number(value, type_)
        elif not is_float(op.data):
            stored = int(value)
        else:
            stored = int(np.float32(value).view(np.int32))
        pads = pad_widths(op, to.weights)
        to.finish(op, quant.PadOp(self.data(op, to), pads, stored, to.type_of(op.result)))


def pad_value(op: Pad, weights: WeightStore) -> float:
    """The number that a Pad puts in."""
    value = constant_of(op.constant_value, weights)
    return 0.0 if value is None else value.reshape(-1)[0].item()


def pad_widths(op: Pad, weights: WeightStore) -> tuple[int, ...]:
    """Elements added before every axis, then after every axis."""
    rank = len(shape_of(op.data))
    given = int_list(op.pads, weights)
    assert given is not None
    axes = int_list(op.axes, weights) or tuple(range(rank))
    widths = [0] * (2 * rank)
    for i, axis in enumerate(axes):
        widths[axis % rank] = given[i]
        widths[rank + axis % rank] = given[len(axes) + i]
    return tuple(widths)


class SliceRule(MovementRule):
    op_types = ("Slice",)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        given = [op.operand(i) for i in range(1, 5)]
        if any(v is not None and int_list(v, weights) is None for v in given):
            return "starts, ends, axes and steps must be constants"
        if prod(shape_of(op.result)) == 0:
            return "the result is empty"
        return super().refuse(op, weights)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        shape = shape_of(op.operands[0])
        begins, ends = (int_list(op.operands[i], to.weights) for i in (1, 2))
        assert begins is not None
        assert ends is not None
        axes = int_list(op.operand(3), to.weights) or tuple(range(len(begins)))
        strides = int_list(op.operand(4), to.weights) or (1,) * len(begins)
        starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
        for begin, end, axis, step in zip(begins, ends, axes, strides, strict=True):
            taken = range(*slice(begin, _end(end, step), step).indices(shape[axis]))
            starts[axis], sizes[axis], steps[axis] = taken.start, len(taken), step
        x = self.data(op, to)
        to.finish(op, quant.SliceOp(x, starts, sizes, steps, to.type_of(op.result)))


def _end(end: int, step: int) -> int | None:
    """ONNX spells "to the very beginning" as a large negative end."""
    return None if step < 0 and end < -(2**31) + 1 else end


class SplitRule(MovementRule):
    op_types = ("Split",)
    selects = True

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        shape = shape_of(op.operands[0])
        axis = int(op.value_of("axis")) % len(shape)
        x = self.data(op, to)
        start = 0
        for result in op.results:
            starts = [start if i == axis else 0 for i in range(len(shape))]
            sizes = shape_of(result)
            made = quant.SliceOp(x, starts, sizes, (1,) * len(shape), to.type_of(result))
            to.finish(op, made, result)
            start += sizes[axis]


class ExpandRule(MovementRule):
    """An Expand to a shape that is known by now."""

    op_types = ("Expand",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        x = self.data(op, to)
        if shape_of(op.operands[0]) == shape_of(op.result):
            to.bind(op.result, x)
            return
        to.finish(op, quant.ExpandOp(x, to.type_of(op.result)))


class TileRule(MovementRule):
    """Repeats along one axis after the other: a new axis, an expansion, and the axis merged."""

    op_types = ("Tile",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        x = self.data(op, to)
        shape, result = list(shape_of(op.operands[0])), shape_of(op.result)
        type_ = element_type(x)
        for axis, (before, after) in enumerate(zip(tuple(shape), result, strict=True)):
            if before == after:
                continue
            outer, inner = prod(shape[:axis]), prod(shape[axis:])
            shape[axis] = after
            steps = (
                ("split", quant.ReshapeOp, (outer, 1, inner)),
                ("expand", quant.ExpandOp, (outer, after // before, inner)),
                ("merge", quant.ReshapeOp, tuple(shape)),
            )
            for part, made, size in steps:
                location = to.part_location(op, f"{part}_{axis}")
                x = to.emit(made(x, TensorType(type_, size)), location)
        to.finish(op, quant.ReshapeOp(x, to.type_of(op.result)))


class DepthSpaceRule(MovementRule):
    """DepthToSpace and SpaceToDepth: a transposition between two reshapes."""

    op_types = ("DepthToSpace", "SpaceToDepth")

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        block = int(op.value_of("blocksize"))
        n, c, h, w = shape_of(op.operands[0])
        x = self.data(op, to)
        if op.op_type == "SpaceToDepth":
            shape = (n, c, h // block, block, w // block, block)
            perm = (0, 1, 3, 5, 2, 4) if op.value_of("mode") == "CRD" else (0, 3, 5, 1, 2, 4)
        elif op.value_of("mode") == "CRD":
            shape = (n, c // block**2, block, block, h, w)
            perm = (0, 1, 4, 2, 5, 3)
        else:
            shape = (n, block, block, c // block**2, h, w)
            perm = (0, 3, 4, 1, 5, 2)
        type_ = element_type(x)
        x = to.emit(quant.ReshapeOp(x, TensorType(type_, shape)), to.part_location(op, "split"))
        turned = TensorType(type_, [shape[p] for p in perm])
        x = to.emit(quant.TransposeOp(x, perm, turned), to.part_location(op, "transpose"))
        to.finish(op, quant.ReshapeOp(x, to.type_of(op.result)))


MOVEMENT_RULES: tuple[Rule, ...] = (
    ReshapeRule(),
    IdentityRule(),
    TransposeRule(),
    ConcatRule(),
    PadRule(),
    SliceRule(),
    SplitRule(),
    ExpandRule(),
    TileRule(),
    DepthSpaceRule(),
)
