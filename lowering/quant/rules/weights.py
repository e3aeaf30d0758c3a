"""The constant operands of a sum of products: numbers, or integers that the model gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from loguru import logger
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.layout import Transpose
from pulsar2.dialects.quant.types import F32Array, UniformType, element_type
from pulsar2.lowering.quant.parameters import (
    bias_scales,
    quantize_bias,
    quantize_weight,
    saturated_biases,
    scales_anew,
)
from pulsar2.lowering.quant.rules.base import constant_of
from pulsar2.lowering.quant.rules.weight_scales import given_bias_shifts, given_weight_scales
from pulsar2.lowering.quant.stored import StoredConstant, stored_constant
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

F32Values = npt.NDArray[np.float32]
Weight = F32Values | StoredConstant
"""The constant operand of a contraction: numbers, or integers that the model gives."""


def shape_of_weight(weight: Weight) -> tuple[int, ...]:
    return weight.shape if isinstance(weight, np.ndarray) else weight.values.shape


def weight_of(value: SSAValue | None, weights: WeightStore) -> Weight | None:
    """A constant weight or bias: as the model stores it in integers, or in f32."""
    stored = stored_constant(value, weights)
    if stored is not None:
        return stored
    array = constant_of(value, weights)
    return None if array is None else array.astype(np.float32)


def float_weight(weight: Weight) -> F32Values:
    """The numbers of a weight or bias."""
    if isinstance(weight, np.ndarray):
        return weight
    shape = [1] * weight.values.ndim
    if weight.axis is not None:
        shape[weight.axis] = -1
    scales, points = weight.scales.reshape(shape), weight.zero_points.reshape(shape)
    return ((weight.values - points).astype(np.float32) * scales).astype(np.float32)


def quantized_weight(
    to: Conversion, x: SSAValue, weight: Weight, bias: Weight | None, axis: int, name: str
) -> tuple[SSAValue, SSAValue | None]:
    """Constants of the weight, S8 or S4 per channel of `axis`, and of the S32 or FP32 bias.

    A weight that the model stores in 4 or 8 bits stays as it is; scales that the operator holds
    (`quant.weight_scales`) are taken as they are, and shifts that it holds (`quant.bias_shifts`)
    added to the bias. `x` is the quantized operand that the weight
    multiplies.
    """
    x_type = element_type(x)
    assert isinstance(x_type, UniformType)
    shifts = given_bias_shifts(to.op, to.weights)
    if shifts is not None:
        bias = shifts if bias is None else float_weight(bias) + shifts
    kept = _kept(to, weight, axis, name)
    if kept is None:
        kept = _quantized_anew(to, float_weight(weight), bias, axis, x_type)
    w = to.constant(kept.array(to.weights), kept.type(to.weights), f"{name}/weight")
    if bias is None:
        return w, None
    if to.bias_type != "S32":
        return w, to.constant(float_weight(bias), f32, f"{name}/bias")
    return w, _quantized_bias(to, bias, bias_scales(x_type.scale, kept.scales), name)


def _kept(to: Conversion, weight: Weight, axis: int, name: str) -> StoredConstant | None:
    """The weight as the model stores it, if a kernel can read it so."""
    if isinstance(weight, np.ndarray):
        if _is_dequantized(to.op.operands[1]):
            logger.warning(
                "node '{}': its weight, whose scales are not one per tensor or channel, is "
                "quantized anew, to S{} along axis {}",
                name,
                to.plan.weight_bits(to.op),
                axis,
            )
        return None
    per_axis = weight.axis is not None
    fits = weight.storage in ("i4", "u4", "i8", "u8") and weight.axis in (None, axis)
    # Only a convolution subtracts a zero point per channel.
    if fits and not (per_axis and axis != 0 and weight.zero_points.any()):
        return weight
    logger.warning(
        "node '{}': its {} weight {} is quantized anew, to S{} along axis {}",
        name,
        weight.storage,
        f"along axis {weight.axis}" if per_axis else "of one scale",
        to.plan.weight_bits(to.op),
        axis,
    )
    return None


def _is_dequantized(value: SSAValue) -> bool:
    """Whether the model gives a constant in integers, of whatever scales."""
    owner = value.owner
    if isinstance(owner, Transpose):
        return _is_dequantized(owner.operands[0])
    return isinstance(owner, OnnxOp) and owner.op_type == "DequantizeLinear"


def _quantized_anew(
    to: Conversion, weight: F32Values, bias: Weight | None, axis: int, x_type: UniformType
) -> StoredConstant:
    bits = to.plan.weight_bits(to.op)
    scales = given_weight_scales(to.op, to.weights)
    if scales is None:
        numbers = None if bias is None else float_weight(bias)
        scales = scales_anew(weight, numbers, axis, bits, x_type.scale, to.weight_options)
    values = quantize_weight(weight, scales, axis, bits)
    return StoredConstant(values, f"i{bits}", scales, np.zeros(scales.size, np.int32), axis)


def _quantized_bias(to: Conversion, bias: Weight, products: F32Array, name: str) -> SSAValue:
    """The S32 bias in units of the products; as the model stores it, if that is in these units."""
    if isinstance(bias, StoredConstant) and _counts_in(bias, products):
        values = bias.values.astype(np.int32)
    else:
        numbers = float_weight(bias)
        saturated = saturated_biases(numbers, products)
        if saturated:
            logger.warning("node '{}': the S32 bias saturates in {} channel(s)", name, saturated)
        values = quantize_bias(numbers, products)
    axis = 0 if products.size > 1 or values.size == 1 else None
    made = StoredConstant(values, "i32", products, np.zeros(products.size, np.int32), axis)
    return to.constant(made.array(to.weights), made.type(to.weights), f"{name}/bias")


def _counts_in(bias: StoredConstant, products: F32Array) -> bool:
    """Whether a stored bias is S32 in units of the products."""
    shape = bias.values.shape
    same = np.broadcast_to(bias.scales, shape) == np.broadcast_to(products, shape)
    return bias.storage == "i32" and bool(same.all()) and not bias.zero_points.any()
