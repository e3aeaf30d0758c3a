"""Scales that were searched or learned for the constant weights of an operator, in the IR.

A Conv, ConvTranspose, BatchNormalization, Gemm or MatMul of a calibrated float graph may hold
`quant.weight_scales`, a constant of f32 [output channels]. `convert-onnx-to-quant` then takes
these, and no others, for the weights: an integer is `rne(weight / scale)`, saturated.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Operation

from pulsar2.dialects.ax import make_constant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.constants import is_constant_attribute, read_tensor_constant
from pulsar2.dialects.quant.types import F32Array
from pulsar2.lowering.quant.rules.base import Rule, is_constant, shape_of
from pulsar2.lowering.quant.stored import stored_constant
from pulsar2.weights import WeightStore

WEIGHT_SCALES = "quant.weight_scales"


def write_weight_scales(op: Operation, scales: F32Array, weights: WeightStore) -> None:
    """Lets the weights of `op` be quantized with `scales`, f32 [output channels]."""
    op.attributes[WEIGHT_SCALES] = make_constant(np.asarray(scales, np.float32), weights)


def given_weight_scales(op: Operation, weights: WeightStore) -> F32Array | None:
    """The scales [output channels] that `op` holds for its weights, None where it holds none."""
    found = op.attributes.get(WEIGHT_SCALES)
    if found is None:
        return None
    assert is_constant_attribute(found)
    return read_tensor_constant(found, weights).astype(np.float32)


def output_channels(op: OnnxOp) -> int:
    """How many channels with scales of their own the constant weights of `op` have."""
    axis = -1 if op.op_type in ("Gemm", "MatMul") else 1
    return shape_of(op.result)[axis]


def weight_scales_fault(op: OnnxOp, rule: Rule, weights: WeightStore) -> str:
    """What is wrong with the scales that `op` holds for its weights, or ''."""
    found = op.attributes.get(WEIGHT_SCALES)
    if found is None:
        return ""
    said = f"'{WEIGHT_SCALES}'"
    if not rule.has_weights or not is_constant(op.operands[1]):
        return f"{said} belongs to an operator with constant weights"
    if stored_constant(op.operands[1], weights) is not None:
        return f"{said} contradicts the scales of the weights, which the model gives in integers"
    if not is_constant_attribute(found):
        return f"{said} is {found}, which is not a constant"
    expected = TensorType(f32, [output_channels(op)])
    if found.type != expected:
        return f"{said} is of {found.type}, but {expected} is expected"
    scales = read_tensor_constant(found, weights).astype(np.float32)
    wrong = int(scales.size - np.count_nonzero(np.isfinite(scales) & (scales > 0)))
    if wrong:
        return f"{said} holds {wrong} number(s) that are not positive and finite"
    return ""
