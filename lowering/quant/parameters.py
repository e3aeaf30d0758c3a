"""From ranges and weights to scales, zero points and stored integers. Knows no IR but the types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute

from pulsar2.dialects.quant.types import (
    F32Array,
    I32Array,
    UniformType,
    storage_dtype,
    storage_range,
    storage_type,
)
from pulsar2.weights import AnyArray

STORAGES: Mapping[str, str] = {"U8": "u8", "S8": "i8", "U16": "u16", "S16": "i16"}
"""The storage of each integer data type; FP32 is the one data type beside them."""

SLOPE_STORAGES: Mapping[str, str] = {
    name: name[0].lower().replace("s", "i") + "16" for name in STORAGES
}
"""The storage of the slopes of a PRelu, by the data type of what it reads."""


def weight_max(bits: int) -> int:
    """Greatest magnitude of a symmetric weight of 4 or 8 bits: -8 and -128 are not used."""
    return 2 ** (bits - 1) - 1


_BIAS_LIMIT = 2**30
"""Greatest magnitude of an S32 bias that leaves the accumulator room for the products."""


LEAST_SCALE = 2.0**-80
"""Scales of activations are no smaller: a product of scales must not underflow."""


def activation_type(low: float, high: float, storage: str) -> UniformType:
    """The affine type of that storage whose numbers span [low, high] and hold 0 exactly.

    A tensor of zeros, or one whose scale would be below 2^-80, has scale 1.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    least, greatest = storage_range(storage_type(storage))
    scale = np.float32((high - low) / (greatest - least))
    if scale < LEAST_SCALE:
        return UniformType(storage, 1.0, min(max(0, least), greatest))
    zero_point = round(least - low / float(scale))
    return UniformType(storage, float(scale), min(max(zero_point, least), greatest))


def constant_type(values: AnyArray, storage: str) -> UniformType:
    """The affine type for a constant's values; exact where they are all one number (and zeros)."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    nonzero = values[values != 0]
    if nonzero.size and np.all(nonzero == nonzero.flat[0]):
        least, greatest = storage_range(storage_type(storage))
        zero_point = 0 if least < 0 else (0 if high > 0 else 1)
        return UniformType(storage, abs(float(nonzero.flat[0])), min(zero_point, greatest))
    return activation_type(low, high, storage)


def saturated(values: AnyArray, type_: Attribute) -> AnyArray:
    """The integers or truth values in the numpy dtype of a plain type, within its range."""
    dtype = storage_dtype(type_)
    if dtype.kind == "b":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(values.astype(np.int64), limits.min, limits.max).astype(dtype)


def quantize(values: npt.ArrayLike, type_: UniformType) -> AnyArray:
    """`sat(rne(values / s) + z)` in the storage's numpy dtype: ONNX QuantizeLinear."""
    least, greatest = type_.bounds
    steps = np.rint(np.asarray(values, np.float32) / type_.scale).astype(np.float64)
    return np.clip(steps + type_.zero_point, least, greatest).astype(storage_dtype(type_))


def quantize_number(value: float, type_: UniformType) -> int:
    """`sat(rne(value / s) + z)`, also of an infinity."""
    least, greatest = type_.bounds
    step = float(np.rint(np.float32(value) / type_.scale))
    return int(min(max(step + type_.zero_point, least), greatest))


def weight_scales(
    weight: npt.NDArray[np.float32], axis: int, threshold: float, bits: int = 8
) -> F32Array:
    """Scales of symmetric weights of `bits` bits along `axis`, f32 [size of the axis].

    A channel whose weights are all below `threshold` in magnitude is quantized as if its greatest
    were `threshold`. With a threshold of 0 or less, a channel of zeros has scale 1.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    greatest = np.max(np.abs(weight), axis=others, initial=0.0)
    greatest = np.maximum(greatest, np.float32(max(threshold, 0.0)))
    scales = (greatest / np.float32(weight_max(bits))).astype(np.float32)
    return np.where(scales > 0, scales, np.float32(1))


def widen_for_bias(
    scales: F32Array, bias: npt.NDArray[np.float32], input_scale: np.float32
) -> F32Array:
    """Weight scales [C] made large enough for the S32 bias [C] to hold at f32(s_x * s_w[c])."""
    least = np.abs(bias.astype(np.float64)) / (_BIAS_LIMIT * float(input_scale))
    return np.maximum(scales, least.astype(np.float32))


@dataclass(frozen=True)
class WeightOptions:
    """How weights are quantized: `threshold`, the least magnitude that a channel is quantized for;
    `widens`, whether scales grow where an S32 bias would overflow.
    """

    threshold: float = 1e-6
    widens: bool = True


def scales_anew(
    weight: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32] | None,
    axis: int,
    bits: int,
    input_scale: np.float32,
    options: WeightOptions,
) -> F32Array:
    """Scales along `axis` for weights that none are given for; `bias` [C] is added to products."""
    scales = weight_scales(weight, axis, options.threshold, bits)
    if bias is not None and options.widens:
        scales = widen_for_bias(scales, bias, input_scale)
    return scales


def quantize_weight(
    weight: npt.NDArray[np.float32], scales: F32Array, axis: int, bits: int = 8
) -> npt.NDArray[np.int8]:
    """Weights `rne(weight / scale)`, symmetric in `bits` bits, scales along `axis`."""
    shape = [1] * weight.ndim
    shape[axis] = scales.size
    steps = np.rint(weight / scales.reshape(shape))
    limit = weight_max(bits)
    return np.clip(steps, -limit, limit).astype(np.int8)


def bias_scales(input_scale: np.float32, scales: F32Array) -> F32Array:
    """f32(s_x * s_w[c]), f32 [C]."""
    return np.float32(input_scale) * scales.astype(np.float32)


def quantize_bias(bias: npt.NDArray[np.float32], scales: F32Array) -> I32Array:
    """S32 bias `rne(bias / scale)`, saturated."""
    steps = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    limits = np.iinfo(np.int32)
    return np.clip(steps, limits.min, limits.max).astype(np.int32)


def saturated_biases(bias: npt.NDArray[np.float32], scales: F32Array) -> int:
    """How many biases lie outside what S32 holds at their scales."""
    return int(np.count_nonzero(np.abs(bias.astype(np.float64)) > 2.0**31 * scales))
