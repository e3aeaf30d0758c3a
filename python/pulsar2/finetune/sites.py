"""Constant weights that fine-tuning may learn, and how they stand in the IR before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.quant.types import F32Array, UniformType
from pulsar2.locations import node_name
from pulsar2.lowering.quant.parameters import WeightOptions, quantize_weight, scales_anew
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import constant_of, is_constant_op, shape_of
from pulsar2.lowering.quant.rules.weight_scales import given_weight_scales, write_weight_scales
from pulsar2.lowering.quant.stored import stored_constant
from pulsar2.weights import AnyArray, WeightStore

WEIGHT = 1
"""Which operand of a sum of products holds the weights."""


@dataclass(frozen=True)
class Integers:
    """Weights as they were learned: integers [channels, ..], and f32 scales [channels]."""

    values: AnyArray
    scales: F32Array

    @property
    def numbers(self) -> F32Array:
        """What they stand for, f32 [channels, ..]."""
        scales = self.scales.reshape(-1, *(1,) * (self.values.ndim - 1))
        return (self.values.astype(np.float32) * scales).astype(np.float32)


@dataclass(frozen=True)
class Site:
    """The constant weights of one operator.

    `weight` is f32 with the axis of the output channels, which have a scale each, in front; the
    numbers of a Gemm are those times its alpha. `scales` [channels] are those that conversion will
    take, `least` those below which an S32 bias would overflow.
    """

    op: OnnxOp
    bits: int
    weight: F32Array
    scales: F32Array
    least: F32Array

    @staticmethod
    def of(plan: QuantPlan, op: OnnxOp, x_type: Attribute, options: WeightOptions) -> Site | None:
        """The weights of `op`, which multiply numbers of `x_type`.

        None where these are no integers, or it has no weights, or the model gives them in integers.
        """
        if not isinstance(op, Conv | ConvTranspose | Gemm | MatMul):
            return None
        value = op.operands[WEIGHT]
        array = constant_of(value, plan.weights)
        if array is None or stored_constant(value, plan.weights) is not None:
            return None
        if not isinstance(x_type, UniformType):
            return None
        alpha = np.float32(op.alpha if isinstance(op, Gemm) else 1)
        weight = np.ascontiguousarray(channels_first(op, array.astype(np.float32)) * alpha)
        bits = plan.weight_bits(op)
        bias = _bias(plan, op)
        anew = scales_anew(weight, bias, 0, bits, x_type.scale, options)
        none = scales_anew(np.zeros_like(weight), bias, 0, bits, x_type.scale, options)
        least = none if bias is not None and options.widens else np.zeros_like(none)
        given = given_weight_scales(op, plan.weights)
        return Site(op, bits, weight, anew if given is None else given, least)

    def nearest(self) -> Integers:
        """The weights as conversion quantizes them."""
        return Integers(quantize_weight(self.weight, self.scales, 0, self.bits), self.scales)


def channels_first(op: OnnxOp, weight: Any) -> Any:
    """Weights of `op` (an array, or a tensor of torch) with the output channels in front."""
    if isinstance(op, ConvTranspose):
        inputs, outputs, *kernel = weight.shape
        parts = weight.reshape(op.group, inputs // op.group, outputs, *kernel).swapaxes(1, 2)
        return parts.reshape(op.group * outputs, inputs // op.group, *kernel)
    if isinstance(op, MatMul) or (isinstance(op, Gemm) and not op.trans_b):
        return weight.swapaxes(0, -1)
    return weight


def as_operand(op: OnnxOp, weight: Any) -> Any:
    """The reverse of `channels_first`: weights as `op` has them for its operand."""
    if isinstance(op, ConvTranspose):
        outputs, inputs, *kernel = weight.shape
        parts = weight.reshape(op.group, outputs // op.group, inputs, *kernel).swapaxes(1, 2)
        return parts.reshape(op.group * inputs, outputs // op.group, *kernel)
    return channels_first(op, weight)


def write_integers(
    func: FuncOp, learned: Mapping[str, Integers], weights: WeightStore
) -> list[str]:
    """Gives the nodes of `func` the weights that were learned for them; the nodes it lacks.

    A node keeps a float constant of exactly the numbers of the integers, and their scales, so that
    conversion makes the integers of it again.
    """
    found: set[str] = set()
    for op in list(func.body.block.ops):
        name = node_name(op)
        if name not in learned or not isinstance(op, Conv | ConvTranspose | Gemm | MatMul):
            continue
        found.add(name)
        made = learned[name]
        alpha = np.float32(op.alpha if isinstance(op, Gemm) else 1)
        numbers = np.ascontiguousarray(as_operand(op, made.numbers) / alpha, np.float32)
        before = op.operands[WEIGHT]
        assert isinstance(before.owner, Operation)
        constant = Constant.of(numbers, weights, before.owner.location)
        constant.result.name_hint = before.name_hint
        func.body.block.insert_op_before(constant, op)
        op.operands[WEIGHT] = constant.result
        _erase_unused(before)
        write_weight_scales(op, made.scales, weights)
    return sorted(set(learned) - found)


def _erase_unused(value: SSAValue) -> None:
    """Erases what computes a constant that nothing uses any more."""
    op = value.owner
    if not isinstance(op, Operation) or not is_constant_op(op) or value.first_use is not None:
        return
    operands = tuple(op.operands)
    op.detach()
    op.erase()
    for operand in operands:
        _erase_unused(operand)


def _bias(plan: QuantPlan, op: OnnxOp) -> F32Array | None:
    """The bias [channels] that is added to the products, or None."""
    channels = shape_of(op.result)[-1 if isinstance(op, Gemm | MatMul) else 1]
    value, factor = op.operand(2), np.float32(1)
    if isinstance(op, Gemm):
        factor = np.float32(op.beta)
    add = plan.fusion(op).bias
    if add is not None:
        value = add.b if add.a is op.result else add.a
    row = constant_of(value, plan.weights)
    if row is None:
        return None
    return np.broadcast_to(row.reshape(-1).astype(np.float32) * factor, (channels,))
