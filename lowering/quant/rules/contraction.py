"""Conv, ConvTranspose, BatchNormalization, Gemm and MatMul."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.quant.types import element_type
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import Rule, constant_of, is_constant, is_float, shape_of
from pulsar2.lowering.quant.rules.weights import (
    F32Values,
    Weight,
    float_weight,
    quantized_weight,
    shape_of_weight,
    weight_of,
)
from pulsar2.lowering.quant.stored import StoredConstant
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


def emit_conv(
    to: Conversion,
    op: OnnxOp,
    weight: Weight,
    bias: Weight | None,
    *,
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
    group: int,
) -> None:
    """A convolution of `op`'s first operand and result; 1-D (and 0-D) as 2-D of height 1.

    `weight` is [O, C / group, kernel..] and `pads` as in ONNX: begins, then ends.
    """
    value = to.plan.result(op)
    x = to.factor(op.operands[0])
    missing = 4 - len(shape_of(op.operands[0]))
    x_shape, y_shape = shape_of(op.operands[0]), shape_of(value)
    if missing:
        ones = (1,) * missing
        wide = TensorType(element_type(x), (*x_shape[:2], *ones, *x_shape[2:]))
        x = to.emit(quant.ReshapeOp(x, wide), to.part_location(op, "wide"))
        size = shape_of_weight(weight)
        wide_shape = (*size[:2], *ones, *size[2:])
        weight = (
            weight.reshape(wide_shape)
            if isinstance(weight, np.ndarray)
            else weight.reshaped(wide_shape)
        )
        half = len(pads) // 2
        pads = (*(0 for _ in ones), *pads[:half], *(0 for _ in ones), *pads[half:])
        strides, dilations = (*ones, *strides), (*ones, *dilations)
        y_shape = (*y_shape[:2], *ones, *y_shape[2:])
    w, b = quantized_weight(to, x, weight, bias, 0, node_name(op))
    made = quant.ConvOp(
        x,
        w,
        b,
        TensorType(to.plan.element_type(value), y_shape),
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=group,
        clamp=to.clamp(op, value),
    )
    if missing:
        y = to.emit(made, to.part_location(op, "conv"))
        to.finish(op, quant.ReshapeOp(y, to.type_of(value)))
    else:
        to.finish(op, made)


def _spatial_axes_fault(value: SSAValue, low: int) -> str:
    axes = len(shape_of(value)) - 2
    return "" if low <= axes <= 2 else f"{axes} spatial axes, but {low} to 2 are supported"


class ConvRule(Rule):
    op_types = ("Conv",)
    fuses_activation = True
    has_weights = True

    def takes_float(self, op: OnnxOp) -> bool:
        return False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, Conv)
        if not is_constant(op.weight):
            return "the weight is computed, but only a constant weight is supported"
        if op.bias is not None and not is_constant(op.bias):
            return "the bias is computed, but only a constant bias is supported"
        try:
            _ = op.window
        except ValueError as error:
            return str(error)
        return _spatial_axes_fault(op.x, 1)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Conv)
        weight = weight_of(op.weight, to.weights)
        assert weight is not None
        emit_conv(
            to,
            op,
            weight,
            weight_of(op.bias, to.weights),
            strides=op.window.strides,
            pads=op.window.pads,
            dilations=op.window.dilations,
            group=op.group,
        )


def _output_channels_first(weight: Weight, group: int) -> Weight:
    """The weight [C, O / group, ..] of a ConvTranspose as [O, C / group, ..]."""
    inputs, outputs, *kernel = shape_of_weight(weight)
    if isinstance(weight, StoredConstant):
        if group == 1:
            return weight.transposed((1, 0, *range(2, 2 + len(kernel))))
        if outputs == 1 and inputs == group:
            return weight
        # The scales belong to no axis of the result.
        weight = float_weight(weight)
    parts = weight.reshape(group, inputs // group, outputs, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(parts.reshape(group * outputs, inputs // group, *kernel))


class ConvTransposeRule(Rule):
    op_types = ("ConvTranspose",)
    fuses_activation = True
    has_weights = True

    def takes_float(self, op: OnnxOp) -> bool:
        return False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, ConvTranspose)
        if not is_constant(op.weight):
            return "the weight is computed, but only a constant weight is supported"
        if op.bias is not None and not is_constant(op.bias):
            return "the bias is computed, but only a constant bias is supported"
        if op.value_of("output_shape") is not None:
            return "output_shape is set"
        try:
            _ = op.window
        except ValueError as error:
            return str(error)
        axes = len(shape_of(op.x)) - 2
        return "" if axes == 2 else f"{axes} spatial axes, but 2 are supported"

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, ConvTranspose)
        given = weight_of(op.weight, to.weights)
        assert given is not None
        value = to.plan.result(op)
        x = to.factor(op.x)
        weight = _output_channels_first(given, op.group)
        w, b = quantized_weight(to, x, weight, weight_of(op.bias, to.weights), 0, node_name(op))
        made = quant.ConvTransposeOp(
            x,
            w,
            b,
            to.type_of(value),
            strides=op.window.strides,
            pads=op.window.pads,
            dilations=op.window.dilations,
            output_padding=op.value_of("output_padding") or (0, 0),
            group=op.group,
            clamp=to.clamp(op, value),
        )
        to.finish(op, made)


class BatchNormalizationRule(Rule):
    """A BatchNormalization that could not be folded: a depthwise 1x1 convolution."""

    op_types = ("BatchNormalization",)
    fuses_activation = True
    has_weights = True

    def takes_float(self, op: OnnxOp) -> bool:
        return False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.value_of("training_mode"):
            return "training_mode is set"
        if not all(is_constant(v) for v in op.operands[1:]):
            return "scale, bias, mean and variance must be constants"
        return _spatial_axes_fault(op.operands[0], 0)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        parts = [constant_of(v, to.weights) for v in op.operands[1:]]
        scale, bias, mean, variance = (np.asarray(p, np.float64) for p in parts)
        gain = scale / np.sqrt(variance + float(op.value_of("epsilon")))
        axes = len(shape_of(op.operands[0])) - 2
        emit_conv(
            to,
            op,
            gain.astype(np.float32).reshape(-1, 1, *(1,) * axes),
            (bias - mean * gain).astype(np.float32),
            strides=(1,) * axes,
            pads=(0,) * (2 * axes),
            dilations=(1,) * axes,
            group=gain.size,
        )


def _emit_product(
    to: Conversion, op: OnnxOp, a: SSAValue, b: SSAValue | Weight, bias: Weight | None
) -> None:
    """A matrix product whose right side is a converted tensor or a constant [.., K, N].

    The bias [N] belongs to a constant right side.
    """
    value = to.plan.result(op)
    row: SSAValue | None = None
    if not isinstance(b, SSAValue):
        last = len(shape_of_weight(b)) - 1
        b, row = quantized_weight(to, a, b, bias, last, node_name(op))
    made = quant.MatMulOp(a, b, row, to.type_of(value), clamp=to.clamp(op, value))
    to.finish(op, made)


class MatMulRule(Rule):
    op_types = ("MatMul",)
    fuses_activation = True
    has_weights = True

    def takes_float(self, op: OnnxOp) -> bool:
        assert isinstance(op, MatMul)
        return not is_constant(op.a) and not is_constant(op.b)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, MatMul)
        if not is_float(op.a):
            return "only f32 is supported"
        if min(len(shape_of(op.a)), len(shape_of(op.b))) < 2:
            return "a vector operand is not supported, only matrices and batches of them"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, MatMul)
        weight = weight_of(op.b, to.weights)
        if weight is None:
            _emit_product(to, op, to.factor(op.a), to.factor(op.b), None)
            return
        bias: F32Values | None = None
        add = to.plan.fusion(op).bias
        if add is not None:
            row = constant_of(add.b if add.a is op.result else add.a, to.weights)
            assert row is not None
            columns = shape_of(op.result)[-1]
            bias = np.broadcast_to(row.reshape(-1), (columns,)).astype(np.float32)
        _emit_product(to, op, to.factor(op.a), weight, bias)


class GemmRule(Rule):
    op_types = ("Gemm",)
    fuses_activation = True
    has_weights = True

    def takes_float(self, op: OnnxOp) -> bool:
        return False

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        assert isinstance(op, Gemm)
        if not is_float(op.a):
            return "only f32 is supported"
        if not is_constant(op.b):
            return "B is computed, but only a constant B is supported"
        if op.c is not None and not is_constant(op.c):
            return "C is computed, but only a constant C is supported"
        columns = shape_of(op.result)[1]
        row = constant_of(op.c, weights)
        if row is not None and (row.size not in (1, columns) or row.shape[:1] == (columns, 1)):
            return f"C has shape {list(row.shape)}, but only one row of {columns} is supported"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Gemm)
        weight, row = weight_of(op.b, to.weights), weight_of(op.c, to.weights)
        assert weight is not None
        bias: Weight | None = None
        if isinstance(row, StoredConstant) and op.beta == 1 and row.values.ndim == 1:
            bias = row
        elif row is not None:
            columns = shape_of(op.result)[1]
            bias = np.broadcast_to(float_weight(row).reshape(-1), (columns,)).astype(np.float32)
            bias = bias * np.float32(op.beta)
        a = to.factor(op.a)
        if op.trans_a:
            rows, inner = shape_of(op.a)
            type_ = TensorType(element_type(a), (inner, rows))
            a = to.emit(quant.TransposeOp(a, (1, 0), type_), to.part_location(op, "transA"))
        if isinstance(weight, np.ndarray):
            weight = weight.T if op.trans_b else weight
            weight = np.ascontiguousarray(weight, np.float32) * np.float32(op.alpha)
        else:
            weight = weight.transposed((1, 0)) if op.trans_b else weight
            weight = weight.scaled(op.alpha) if op.alpha != 1 else weight
        _emit_product(to, op, a, weight, bias)


CONTRACTION_RULES: tuple[Rule, ...] = (
    ConvRule(),
    ConvTransposeRule(),
    BatchNormalizationRule(),
    MatMulRule(),
    GemmRule(),
)
