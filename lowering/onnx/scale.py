"""Folds a scale and a shift per output channel into the contraction before them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.ir import Attribute
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.matmul import Gemm
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, joint_location
from pulsar2.weights import AnyArray

_Doubles = npt.NDArray[np.float64]


def output_channels(op: Conv | ConvTranspose | Gemm, weight: AnyArray) -> int:
    """The number of output channels (columns of a Gemm) of a contraction with this weight."""
    if isinstance(op, Conv):
        return weight.shape[0]
    if isinstance(op, ConvTranspose):
        return weight.shape[1] * op.group
    return weight.shape[0 if op.trans_b else 1]


def fold_scale(
    pattern: OnnxPattern,
    rewriter: PatternRewriter,
    source: Conv | ConvTranspose | Gemm,
    last: OnnxOp,
    scale: AnyArray,
    shift: AnyArray,
) -> bool:
    """Replaces `last`, which computes source * scale + shift, by `source` with other constants.

    `scale` and `shift` have one element, or one per output channel. The arithmetic is in double
    precision. False, and nothing done, where the weight or the bias is not a constant.
    """
    old_bias = source.operand(2)
    weight, bias = pattern.constant(source.operands[1]), pattern.constant(old_bias)
    if weight is None or weight.dtype != np.float32 or (old_bias is not None and bias is None):
        return False
    channels = output_channels(source, weight)
    plain = bias is None or bias.ndim <= 1
    if isinstance(source, Gemm) and not (source.alpha == source.beta == 1 and plain):
        return False
    factors = np.broadcast_to(np.asarray(scale, np.float64).reshape(-1), (channels,))
    offset = np.broadcast_to(np.asarray(shift, np.float64).reshape(-1), (channels,))
    new_weight = _scaled(source, weight, factors).astype(np.float32)
    moved = offset if bias is None else np.asarray(bias, np.float64) * factors + offset
    new_bias = moved.astype(np.float32)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        return False
    new = Replacement(pattern, rewriter, last, joint_location(source, last))
    operands = [source.operands[0]]
    unscaled = bool(np.all(factors == 1))
    operands.append(source.operands[1] if unscaled else new.constant(new_weight, "weight"))
    operands.append(new.constant(new_bias, "bias"))
    made = new.builder.op(source.op_type, operands, dict(source.attributes))
    new.finish([made.result])
    return True


def _scaled(source: Conv | ConvTranspose | Gemm, weight: AnyArray, factors: _Doubles) -> _Doubles:
    """The weight with each output channel multiplied by its factor."""
    wide = np.asarray(weight, np.float64)
    if isinstance(source, Conv):
        return wide * factors.reshape((-1,) + (1,) * (weight.ndim - 1))
    if isinstance(source, ConvTranspose):
        groups, inner = source.group, weight.shape[0] // source.group
        grouped = wide.reshape(groups, inner, *weight.shape[1:])
        ones = (1,) * (weight.ndim - 2)
        return (grouped * factors.reshape(groups, 1, -1, *ones)).reshape(weight.shape)
    return wide * (factors.reshape(-1, 1) if source.trans_b else factors.reshape(1, -1))


def per_channel(array: AnyArray, result: TensorType[Attribute], axis: int) -> AnyArray | None:
    """A constant that is broadcast onto `result`, as one element or one per channel of `axis`.

    None when it varies along another axis, or would make the result larger than the other operand.
    """
    if array.size == 1 and array.ndim <= result.get_num_dims():
        return array.reshape(-1)
    shape = result.get_shape()
    if DYNAMIC_INDEX in shape or array.ndim > len(shape):
        return None
    full = (1,) * (len(shape) - array.ndim) + array.shape
    wanted = tuple(shape[axis] if i == axis else 1 for i in range(len(shape)))
    return array.reshape(-1) if full == wanted else None
