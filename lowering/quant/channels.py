"""What calibration saw of the channels that products with constant weights read.

An operation that multiplies a tensor by constant weights (MatMul, Gemm, Conv) holds
`quant.channel_maxima`: the greatest magnitude of each channel of the tensor, f32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue
from xdsl.utils.hints import isa

from pulsar2.dialects.ax import WeightAttr, make_constant, read_constant
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.conv import Conv
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules.base import is_float
from pulsar2.weights import AnyArray, WeightStore

CHANNEL_MAXIMA = "quant.channel_maxima"

F32Array = npt.NDArray[np.float32]
Factors = npt.NDArray[np.float64]

LEVELS = (3, 4, 5, 6)
"""The levels of outliers that are told: by how many powers of two a channel is below the tensor."""


@dataclass(frozen=True)
class WeightedRead:
    """A product of the tensor `x`, whose channels lie along `axis`, with constant weights."""

    op: MatMul | Gemm | Conv
    axis: int

    @property
    def x(self) -> SSAValue:
        return self.op.operands[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of x."""
        shape = static_shape_of(self.x.type)
        assert shape is not None
        return shape

    @property
    def channels(self) -> int:
        return self.shape[self.axis]

    @property
    def inner(self) -> int:
        """How many numbers of x lie side by side in one channel."""
        return int(np.prod(self.shape[self.axis + 1 :], dtype=np.int64))


def weighted_reads(func: FuncOp) -> Iterator[WeightedRead]:
    """The products with constant f32 weights of tensors that are no constants, in order."""
    for op in func.body.block.ops:
        if not isinstance(op, OnnxOp) or is_on_cpu(op):
            continue
        found = _read(op)
        if found is not None and static_shape_of(found.x.type) is not None:
            yield found


def _read(op: OnnxOp) -> WeightedRead | None:
    if not isinstance(op, MatMul | Gemm | Conv):
        return None
    x, weight = op.operands[0], op.operands[1]
    if isinstance(x.owner, Constant) or not isinstance(weight.owner, Constant):
        return None
    if not (is_float(x) and is_float(weight)):
        return None
    rank = len(static_shape_of(x.type) or ())
    if isinstance(op, Conv):
        return WeightedRead(op, 1) if op.group == 1 else None
    if isinstance(op, Gemm):
        return None if op.trans_a else WeightedRead(op, 1)
    return WeightedRead(op, rank - 1) if rank >= 2 else None


def input_channels(op: MatMul | Gemm | Conv, weight: AnyArray) -> F32Array:
    """The greatest magnitude of the weights that each input channel is multiplied by."""
    axis = _input_axis(op, weight.ndim)
    others = tuple(i for i in range(weight.ndim) if i != axis)
    return np.abs(weight).max(axis=others).astype(np.float32)


def scaled_inputs(op: MatMul | Gemm | Conv, weight: AnyArray, factors: Factors) -> F32Array:
    """The weight for an input whose channels are divided by `factors`."""
    shape = [1] * weight.ndim
    shape[_input_axis(op, weight.ndim)] = -1
    return (weight.astype(np.float64) * factors.reshape(shape)).astype(np.float32)


def _input_axis(op: MatMul | Gemm | Conv, rank: int) -> int:
    if isinstance(op, Conv) or (isinstance(op, Gemm) and op.trans_b):
        return 1
    return rank - 2


def maxima_of(op: OnnxOp, weights: WeightStore) -> F32Array | None:
    """What calibration saw of the channels that `op` reads, None where it saw nothing."""
    found = op.attributes.get(CHANNEL_MAXIMA)
    if isinstance(found, WeightAttr) or isa(found, DenseIntOrFPElementsAttr):
        return read_constant(found, weights).astype(np.float32)
    return None


def write_maxima(maxima: Mapping[OnnxOp, F32Array], weights: WeightStore) -> None:
    """Writes what calibration saw into the IR."""
    for op, values in maxima.items():
        op.attributes[CHANNEL_MAXIMA] = make_constant(np.asarray(values, np.float32), weights)


def evenness(maxima: F32Array) -> float:
    """How much of a tensor's range its channels use: the median of max per channel / max, 0 to 1.

    Channels that were always 0 do not count. At 0.25 half of the channels have lost two bits of
    what a quantization of their own would give them.
    """
    used = maxima[maxima > 0]
    return float(np.median(used / used.max())) if used.size else 1.0


def outlier_shares(maxima: F32Array) -> tuple[float, ...]:
    """The share of channels at level >= 3, 4, 5 and 6, and that of sparse channels.

    A channel's level is log2(max per tensor / max per channel); a sparse channel was always 0, and
    has no level.
    """
    used = maxima[maxima > 0]
    levels = np.log2(used.max() / used) if used.size else used
    count = max(maxima.size, 1)
    shares = [float(np.count_nonzero(levels >= level)) / count for level in LEVELS]
    return (*shares, 1 - used.size / count)
