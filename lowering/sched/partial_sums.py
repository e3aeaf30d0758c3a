"""The type in which the sums of a layer are kept between parts of what they go over."""

from __future__ import annotations

from math import prod

import numpy as np

from pulsar2.dialects.sched.attrs import ElementType, Space, View
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.lowering.sched.folded_conv import constant_content
from pulsar2.weights import WeightStore

_MOST = ElementType.S32.bounds[1]


def sum_type(layer: LayerOp, weights: WeightStore) -> ElementType:
    """S32 where it holds all sums of a `conv` in one group or `matmul` of integers, else S64.

    Those of any input, of any part: the farthest that an element can be from its zero point, times
    the magnitudes of the weights of a channel, or the most that these can be.
    """
    x, w = layer.view(0), layer.view(1)
    is_conv = layer.kernel.data == "conv"
    has_zero_points = is_conv and bool(dict(layer.params.data)["has_wzp"])
    low, high = w.element.bounds
    farthest = high - low if has_zero_points else _farthest(w)
    terms = prod(w.shape[1:]) if is_conv else w.shape[-2]
    if _farthest(x) * farthest * terms <= _MOST:
        return ElementType.S32
    if layer.buffer(1).where is not Space.PARAM:
        return ElementType.S64
    zero_points = np.array(w.zero_point, np.int32)
    if has_zero_points:
        last = len(layer.view_list) - 1
        zero_points = constant_content(layer, last, weights).astype(np.int32).reshape(-1, 1, 1, 1)
    magnitudes = np.abs(constant_content(layer, 1, weights).astype(np.int32) - zero_points)
    sums = magnitudes.sum(axis=(1, 2, 3) if is_conv else -2, dtype=np.int64)
    return ElementType.S32 if _farthest(x) * int(sums.max()) <= _MOST else ElementType.S64


def _farthest(view: View) -> int:
    """How far an element of the view can be from its zero point."""
    low, high = view.element.bounds
    return max(high - view.zero_point, view.zero_point - low)
