"""Preprocessing: the DequantizeLinear, Normalize and ColorMatrix that are put behind an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import BlockArgument, Operation

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.preprocess import ColorMatrix, Normalize
from pulsar2.dialects.onnx.types import dtype_of, element_of
from pulsar2.dialects.quant.types import UniformPerAxisType, UniformType
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import Rule, constant_of
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

_STORAGES = {"uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16"}


def fixed_type(op: Operation, weights: WeightStore) -> UniformType | None:
    """The quantization that a DequantizeLinear of a graph input gives its result, else None."""
    if not isinstance(op, OnnxOp) or op.op_type != "DequantizeLinear":
        return None
    if not isinstance(op.operands[0], BlockArgument):
        return None
    element = element_of(op.operands[0].type)
    assert element is not None
    storage = _STORAGES.get(dtype_of(element).name)
    scale = constant_of(op.operands[1], weights)
    zero_point = constant_of(op.operand(2), weights)
    if storage is None or scale is None or scale.size != 1:
        return None
    zero = 0 if zero_point is None else int(zero_point.reshape(-1)[0])
    return UniformType(storage, float(np.float32(scale.reshape(-1)[0])), zero)


class InputDequantizeRule(Rule):
    """The stored integers of the input are what the graph computes with."""

    op_types = ("DequantizeLinear",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if fixed_type(op, weights) is None:
            return (
                "it is not the dequantization of an 8 or 16 bit input by one constant scale, "
                "which is all that is supported"
            )
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        to.bind(op.result, to.bound(op.operands[0]))


class NormalizeRule(Rule):
    op_types = ("Normalize",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, Normalize)
        x = to.operand(op.operands[0])
        made = quant.NormalizeOp(x, op.mean, op.std, op.axis, to.type_of(op.result))
        to.finish(op, made)


class ColorMatrixRule(Rule):
    """A product with 16-bit weights, which an 8-bit result cannot tell from the real matrix."""

    op_types = ("ColorMatrix",)

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        assert isinstance(op, ColorMatrix)
        columns = np.array(op.matrix, np.float32).reshape(3, 3).T
        greatest = np.abs(columns).max(axis=0)
        scales = (np.where(greatest > 0, greatest, 1) / _GREATEST_S16).astype(np.float32)
        stored = np.rint(columns / scales).astype(np.int16)
        type_ = UniformPerAxisType.of("i16", 1, scales, None, to.weights)
        name = node_name(op)
        made = quant.MatMulOp(
            to.operand(op.operands[0]),
            to.constant(stored, type_, f"{name}/matrix"),
            to.constant(np.array(op.bias, np.float32), f32, f"{name}/bias"),
            to.type_of(op.result),
        )
        to.finish(op, made)


_GREATEST_S16 = 32767

PREPROCESS_RULES: tuple[Rule, ...] = (InputDequantizeRule(), NormalizeRule(), ColorMatrixRule())
