"""Preprocessing: the DequantizeLinear, Normalize and ColorMatrix that are put behind an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import BlockArgument

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.preprocess import ColorMatrix, Normalize
from pulsar2.dialects.quant.types import UniformPerAxisType
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import Rule
from pulsar2.lowering.quant.stored import dequantized_type, fixed_type
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


class ImportedQuantizeRule(Rule):
    """A quantization that the model itself has: its scale is that of the tensor."""

    op_types = ("QuantizeLinear",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if fixed_type(op, weights) is None:
            return f"it is not a quantization {_ACCEPTED}"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        to.bind(op.results[0], to.operand_as(op.operands[0], to.plan.element_type(op.results[0])))


class ImportedDequantizeRule(Rule):
    """The stored integers behind it are what the graph computes with."""

    op_types = ("DequantizeLinear",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        type_ = fixed_type(op, weights)
        if type_ is None:
            return f"it is not the dequantization {_ACCEPTED}"
        source = op.operands[0]
        if not isinstance(source, BlockArgument) and fixed_type(source.owner, weights) != type_:
            return "what it dequantizes was not quantized in the same way"
        if isinstance(source, BlockArgument) and dequantized_type(source, weights) != type_:
            return "what it dequantizes is dequantized in another way too"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        to.bind(op.results[0], to.bound(op.operands[0]))


_ACCEPTED = "of 4, 8 or 16 bits by one constant, positive scale, which is all that is supported"


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

PREPROCESS_RULES: tuple[Rule, ...] = (
    ImportedQuantizeRule(),
    ImportedDequantizeRule(),
    NormalizeRule(),
    ColorMatrixRule(),
)
