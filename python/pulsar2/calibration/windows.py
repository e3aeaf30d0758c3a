"""What a sum of products with constant weights reads for each of its results: rows of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.conv import Conv
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.onnx.window import Window
from pulsar2.lowering.quant.rules.base import constant_of, is_constant, shape_of
from pulsar2.weights import WeightStore

F32Array = npt.NDArray[np.float32]
_I64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """How to cut the rows of an operator out of the tensor that it reads.

    A row is [groups, depth]; `weight` is f32 [outputs, depth], and outputs / groups of them belong
    to each group. `bias` is f32 [outputs], or None.
    """

    op: OnnxOp
    groups: int
    weight: F32Array
    bias: F32Array | None
    window: Window | None
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    transposed: bool = False

    @property
    def depth(self) -> int:
        return self.weight.shape[1]

    @property
    def count(self) -> int:
        """How many rows one sample has."""
        spatial = self.output_shape[2:] if self.window is not None else self.output_shape[1:-1]
        return self.output_shape[0] * prod(spatial)

    def cut(self, tensor: F32Array, chosen: _I64Array) -> F32Array:
        """The rows with these numbers out of the tensor: f32 [rows, groups, depth]."""
        if self.window is None:
            columns = tensor.T if self.transposed else tensor
            rows = columns.reshape(-1, self.depth)[chosen]
            return rows.reshape(len(chosen), 1, self.depth)
        spatial = self.output_shape[2:]
        image, *places = np.unravel_index(chosen, (self.output_shape[0], *spatial))
        axes = len(spatial)
        indices: list[_I64Array] = []
        inside = np.ones((len(chosen), *self.window.kernel), bool)
        for axis in range(axes):
            taps = np.arange(self.window.kernel[axis]) * self.window.dilations[axis]
            at = places[axis][:, None] * self.window.strides[axis] - self.window.pads[axis] + taps
            size = self.input_shape[2 + axis]
            shape = [len(chosen), *(1,) * axes]
            shape[1 + axis] = len(taps)
            inside &= ((at >= 0) & (at < size)).reshape(shape)
            indices.append(np.clip(at, 0, size - 1).reshape(shape))
        first = image.reshape(len(chosen), *(1,) * axes)
        # [rows, kernel.., channels]: the channels are what is left whole.
        found = np.moveaxis(tensor, 1, -1)[(first, *indices)] * inside[..., None]
        return np.moveaxis(found, -1, 1).reshape(len(chosen), self.groups, self.depth)


def rows_of(op: OnnxOp, weights: WeightStore) -> Rows | None:
    """The rows of a Conv, Gemm or MatMul with a constant weight; None for any other operator."""
    if isinstance(op, Conv) and is_constant(op.weight):
        weight = _f32(constant_of(op.weight, weights))
        return Rows(
            op,
            op.group,
            weight.reshape(weight.shape[0], -1),
            _row(constant_of(op.bias, weights), weight.shape[0]),
            op.window,
            shape_of(op.x),
            shape_of(op.result),
        )
    if isinstance(op, Gemm) and is_constant(op.b):
        weight = _f32(constant_of(op.b, weights)) * np.float32(op.alpha)
        bias = _row(constant_of(op.c, weights), shape_of(op.result)[1])
        return Rows(
            op,
            1,
            np.ascontiguousarray(weight if op.trans_b else weight.T),
            None if bias is None else bias * np.float32(op.beta),
            None,
            shape_of(op.a),
            shape_of(op.result),
            bool(op.trans_a),
        )
    if isinstance(op, MatMul) and is_constant(op.b) and len(shape_of(op.b)) == 2:
        weight = _f32(constant_of(op.b, weights))
        columns = np.ascontiguousarray(weight.T)
        return Rows(op, 1, columns, None, None, shape_of(op.a), shape_of(op.result))
    return None


def _f32(array: npt.NDArray[np.generic] | None) -> F32Array:
    assert array is not None
    return np.ascontiguousarray(array, np.float32)


def _row(array: npt.NDArray[np.generic] | None, size: int) -> F32Array | None:
    if array is None:
        return None
    return np.broadcast_to(array.reshape(-1), (size,)).astype(np.float32)


def chosen_rows(count: int, wanted: int, seed: Sequence[int]) -> _I64Array:
    """Up to `wanted` different numbers below `count`, the same ones for the same seed; sorted."""
    if count <= wanted:
        return np.arange(count)
    random = np.random.default_rng(list(seed))
    return np.sort(random.choice(count, wanted, replace=False))
