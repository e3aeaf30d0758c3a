"""Poolings over windows, reductions along axes, Softmax, and CumSum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.pool import AveragePool, MaxPool, Pool
from pulsar2.dialects.quant.reduction import ReduceKind
from pulsar2.dialects.quant.types import element_type
from pulsar2.lowering.quant.rules.base import Rule, int_list, is_float, shape_of
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


class PoolRule(Rule):
    op_types = ("MaxPool", "AveragePool")
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, Pool)
        if not is_float(op.x):
            return "only f32 is supported"
        axes = len(shape_of(op.x)) - 2
        if axes not in (1, 2):
            return f"{axes} spatial axes, but 1 or 2 are supported"
        if len(op.results) > 1:
            return "the indices of the maxima are not supported"
        try:
            _ = op.window
        except ValueError as error:
            return str(error)
        return ""

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[:1] if isinstance(op, MaxPool) else ()

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, MaxPool | AveragePool)
        window = op.window
        x, y_type = to.operand(op.x), to.type_of(op.result)
        kernel, strides = window.kernel, window.strides
        pads, dilations = window.pads, window.dilations
        flat = len(kernel) == 1
        if flat:
            n, c, size = shape_of(op.x)
            wide = TensorType(element_type(x), (n, c, 1, size))
            x = to.emit(quant.ReshapeOp(x, wide), to.part_location(op, "wide"))
            kernel, strides, dilations = (1, *kernel), (1, *strides), (1, *dilations)
            pads = (0, pads[0], 0, pads[1])
            n, c, size = shape_of(op.result)
            y_type = TensorType(element_type(y_type), (n, c, 1, size))
        ceil = bool(op.ceil_mode)
        if isinstance(op, MaxPool):
            made = quant.MaxPoolOp(
                x,
                y_type,
                kernel=kernel,
                strides=strides,
                pads=pads,
                dilations=dilations,
                ceil_mode=ceil,
            )
        else:
            made = quant.AvgPoolOp(
                x,
                y_type,
                kernel=kernel,
                strides=strides,
                pads=pads,
                dilations=dilations,
                ceil_mode=ceil,
                count_include_pad=bool(op.count_include_pad),
            )
        if flat:
            y = to.emit(made, to.part_location(op, "pool"))
            to.finish(op, quant.ReshapeOp(y, to.type_of(op.result)))
        else:
            to.finish(op, made)


_KINDS: Mapping[str, ReduceKind] = {
    "ReduceMean": ReduceKind.MEAN,
    "ReduceSum": ReduceKind.SUM,
    "ReduceMax": ReduceKind.MAX,
    "ReduceMin": ReduceKind.MIN,
    "ReduceL1": ReduceKind.L1,
    "ReduceL2": ReduceKind.L2,
    "ReduceSumSquare": ReduceKind.SUM_SQUARE,
    "ReduceLogSumExp": ReduceKind.LOG_SUM_EXP,
    "GlobalAveragePool": ReduceKind.MEAN,
    "GlobalMaxPool": ReduceKind.MAX,
}


class ReduceRule(Rule):
    """Reductions along constant axes; a global pooling is one along the axes after the second."""

    op_types = tuple(_KINDS)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not is_float(op.operands[0]):
            return "only f32 is supported"
        axes = op.operand(1)
        if axes is not None and int_list(axes, weights) is None:
            return "the axes are computed, but only constant axes are supported"
        if not reduced_axes(op, weights):
            return "it reduces no axes"
        return ""

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        exact = _KINDS[op.op_type] in (ReduceKind.MAX, ReduceKind.MIN)
        return op.operands[:1] if exact else ()

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        axes = reduced_axes(op, to.weights)
        keep = op.op_type.startswith("Global") or bool(op.value_of("keepdims"))
        x = to.operand(op.operands[0])
        made = quant.ReduceOp(_KINDS[op.op_type], x, axes, to.type_of(op.result), keepdims=keep)
        to.finish(op, made)


def reduced_axes(op: OnnxOp, weights: WeightStore) -> tuple[int, ...]:
    """The axes along which a reduction goes, sorted and not negative; () when there are none."""
    rank = len(shape_of(op.operands[0]))
    if op.op_type.startswith("Global"):
        return tuple(range(2, rank))
    given = int_list(op.operand(1), weights)
    if not given:
        return () if op.value_of("noop_with_empty_axes") else tuple(range(rank))
    return tuple(sorted({axis % rank for axis in given}))


class SoftmaxRule(Rule):
    op_types = ("Softmax", "LogSoftmax")

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        return "" if is_float(op.operands[0]) else "only f32 is supported"

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        axis = int(op.value_of("axis")) % len(shape_of(op.operands[0]))
        x = to.operand(op.operands[0])
        kind = quant.SoftmaxOp if op.op_type == "Softmax" else quant.LogSoftmaxOp
        to.finish(op, kind(x, axis, to.type_of(op.result)))


class CumSumRule(Rule):
    op_types = ("CumSum",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not is_float(op.operands[0]):
            return "only f32 is supported"
        if int_list(op.operands[1], weights) is None:
            return "the axis is computed, but only a constant axis is supported"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        axis = int_list(op.operands[1], to.weights)
        assert axis is not None
        made = quant.CumSumOp(
            to.operand(op.operands[0]),
            axis[0] % len(shape_of(op.operands[0])),
            to.type_of(op.result),
            exclusive=bool(op.value_of("exclusive")),
            reverse=bool(op.value_of("reverse")),
        )
        to.finish(op, made)


POOLING_RULES: tuple[Rule, ...] = (PoolRule(), ReduceRule(), SoftmaxRule(), CumSumRule())
