"""What was decided for the constant weights of an operator, in the IR.

A Conv, ConvTranspose, BatchNormalization, Gemm or MatMul of a calibrated float graph may hold two
constants of f32 [output channels]. `convert-onnx-to-quant` takes the one, `quant.weight_scales`,
and no others, for the weights: an integer is `rne(weight / scale)`, saturated. It adds the other,
`quant.bias_shifts`, to the bias. The float graph stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

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
BIAS_SHIFTS = "quant.bias_shifts"


def write_weight_scales(op: Operation, scales: F32Array, weights: WeightStore) -> None:
    """Lets the weights of `op` be quantized with `scales`, f32 [output channels]."""
    op.attributes[WEIGHT_SCALES] = make_constant(np.asarray(scales, np.float32), weights)


def write_bias_shifts(op: Operation, shifts: F32Array, weights: WeightStore) -> None:
    """Lets `shifts`, f32 [output channels], be added to the bias of `op` when it is quantized."""
    op.attributes[BIAS_SHIFTS] = make_constant(np.asarray(shifts, np.float32), weights)


def given_weight_scales(op: Operation, weights: WeightStore) -> F32Array | None:
    """The scales [output channels] that `op` holds for its weights, None where it holds none."""
    return _given(op, WEIGHT_SCALES, weights)


def given_bias_shifts(op: Operation, weights: WeightStore) -> F32Array | None:
    """The shifts [output channels] that `op` holds for its bias, None where it holds none."""
    return _given(op, BIAS_SHIFTS, weights)


def _given(op: Operation, name: str, weights: WeightStore) -> F32Array | None:
    found = op.attributes.get(name)
    if found is None:
        return None
    assert is_constant_attribute(found)
    return read_tensor_constant(found, weights).astype(np.float32)


def output_channels(op: OnnxOp) -> int:
    """How many channels with scales of their own the constant weights of `op` have."""
    axis = -1 if op.op_type in ("Gemm", "MatMul") else 1
    return shape_of(op.result)[axis]


def decision_faults(op: OnnxOp, rule: Rule, weights: WeightStore) -> Iterator[str]:
    """What is wrong with the scales and shifts that `op` holds for its weights."""
    for name in (WEIGHT_SCALES, BIAS_SHIFTS):
        if name in op.attributes:
            fault = _fault(op, rule, weights, name)
            if fault:
                yield f"'{name}' {fault}"


def _fault(op: OnnxOp, rule: Rule, weights: WeightStore, name: str) -> str:
    found = op.attributes[name]
    if not rule.has_weights or not is_constant(op.operands[1]):
        return "belongs to an operator with constant weights"
    if stored_constant(op.operands[1], weights) is not None:
        return "contradicts the weights, which the model gives in integers"
    if not is_constant_attribute(found):
        return f"is {found}, which is not a constant"
    expected = TensorType(f32, [output_channels(op)])
    if found.type != expected:
        return f"is of {found.type}, but {expected} is expected"
    numbers = read_tensor_constant(found, weights).astype(np.float32)
    fits = np.isfinite(numbers)
    if name == WEIGHT_SCALES:
        fits &= numbers > 0
    wrong = int(numbers.size - np.count_nonzero(fits))
    if wrong:
        positive = "positive and " if name == WEIGHT_SCALES else ""
        return f"holds {wrong} number(s) that are not {positive}finite"
    return ""
