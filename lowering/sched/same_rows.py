"""Views of elementwise layers turned so that layers see a tensor alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr

from pulsar2.dialects.sched.attrs import ParamsAttr, View, ViewAttr
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp

_TURNABLE = {"lut", "unary", "eltwise", "convert", "copy"}
"""Kernels to which the order of the dimensions means nothing but the number of an `axis`."""
_IMAGES = {"conv", "pool", "resize"}
"""Kernels that want channels, rows and columns where they are."""


def see_alike(layers: Sequence[LayerOp]) -> None:
    """Turns elementwise layers on images so that rows are rows to all layers of a tensor.

    An image that lies channels-last may be [N, H, W, C] to a layer and [N, C, H, W] to the next;
    fusing cuts the third dimension, so it has to be the rows in both.
    """
    seen: dict[BufferOp, View] = {}
    for layer in layers:
        if layer.kernel.data in _IMAGES:
            for buffer, view in zip(layer.buffer_list, layer.view_list, strict=True):
                if len(view.shape) == 4:
                    seen.setdefault(buffer, view)
    for layer in layers:
        if layer.kernel.data in _TURNABLE:
            _turn(layer, seen)


def _turn(layer: LayerOp, seen: dict[BufferOp, View]) -> None:
    views = layer.view_list
    for buffer, view in zip(layer.buffer_list, views, strict=True):
        if buffer not in seen or len(view.shape) != 4:
            continue
        other = seen[buffer]
        for dims in itertools.permutations(range(4)):
            if _turned(view, dims)[:3] == other[:3]:
                if dims != (0, 1, 2, 3):
                    _apply(layer, dims)
                return


def _turned(view: View, dims: Sequence[int]) -> View:
    shape, strides = (tuple(values[d] for d in dims) for values in (view.shape, view.strides))
    return view._replace(shape=shape, strides=strides)


def _apply(layer: LayerOp, dims: Sequence[int]) -> None:
    whole = layer.view(layer.spec.output).shape
    layer.views = ArrayAttr(
        [ViewAttr(_turned(v, dims) if v.shape == whole else v) for v in layer.view_list]
    )
    layer.params = ParamsAttr(
        tuple(
            (name, dims.index(int(value)) if name == "axis" and value >= 0 else value)
            for name, value in layer.params.data
        )
    )
