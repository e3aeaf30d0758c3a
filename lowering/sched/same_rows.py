"""Views of layers turned and flattened so that layers see a tensor alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence

from xdsl.dialects.builtin import ArrayAttr

from pulsar2.dialects.sched.attrs import ParamsAttr, Space, View, ViewAttr
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp

_TURNABLE = {"lut", "unary", "eltwise", "convert", "copy"}
"""Kernels to which the order of the dimensions means nothing but the number of an `axis`."""
_ROWWISE = _TURNABLE | {"norm", "softmax", "log_softmax"}
"""Kernels to which only the last dimension may mean more than a number of elements."""
_IMAGES = {"conv", "pool", "resize"}
"""Kernels that want channels, rows and columns where they are."""
_ROW = 3
"""The dimension along which a row lies in [1, 1, rows, row]."""


def see_alike(layers: Sequence[LayerOp]) -> None:
    """Turns and flattens layers so that rows are rows to all layers of a tensor.

    An image that lies channels-last may be [N, H, W, C] to a layer and [N, C, H, W] to the next;
    fusing cuts the third dimension, so it has to be the rows in both. What products of matrices
    read and write, [M, K] to them, may be [N, H, W, K] to layers that go through it row by row:
    [1, 1, M, K] is the same to all.
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
    _flatten(layers, seen)


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


def _flatten(layers: Sequence[LayerOp], images: Collection[BufferOp]) -> None:
    """Makes matrices of what products see as such, and of all that is handed on from there."""
    readers: dict[BufferOp, list[LayerOp]] = {}
    for layer in layers:
        if layer.kernel.data in _ROWWISE and not any(b in images for b in layer.buffer_list):
            for buffer in layer.buffer_list:
                readers.setdefault(buffer, []).append(layer)
    found: list[BufferOp] = []
    for layer in layers:
        views = layer.view_list
        if layer.kernel.data == "matmul" and len(views[layer.spec.output].shape) == 2:
            flat = [_matrix(view) if len(view.shape) == 2 else view for view in views]
            layer.views = ArrayAttr([ViewAttr(view) for view in flat if view is not None])
            found += layer.buffer_list
    while found:
        buffer = found.pop()
        if buffer.where is Space.PARAM:
            continue
        for layer in readers.pop(buffer, ()):
            if _flatten_rows(layer):
                found += layer.buffer_list


def _matrix(view: View) -> View | None:
    """The view as [1, 1, rows, row]; None where its rows are not equally far apart."""
    *lead, row = view.shape
    pitches = [(n, stride) for n, stride in zip(lead, view.strides[:-1], strict=True) if n > 1] or [
        (1, row * view.element.itemsize)
    ]
    if any(a[1] != b[0] * b[1] for a, b in itertools.pairwise(pitches)):
        return None
    rows, pitch = math.prod(lead), pitches[-1][1]
    return view._replace(
        shape=(1, 1, rows, row), strides=(rows * pitch, rows * pitch, pitch, view.strides[-1])
    )


def _flatten_rows(layer: LayerOp) -> bool:
    """Whether the layer goes through matrices row by row, as which it sees them from now on."""
    whole = layer.view(layer.spec.output).shape
    last = len(whole) - 1
    if last < 1:
        return False
    params: list[tuple[str, int | float]] = []
    for name, value in layer.params.data:
        if name == "axis" and value >= 0:
            if value != last:
                return False
            value = _ROW
        elif name == "axes_mask":
            if value != 1 << last:
                return False
            value = 1 << _ROW
        params.append((name, value))
    views: list[View] = []
    for view in layer.view_list:
        flat = _matrix(view) if view.shape == whole else view
        if flat is None:
            return False
        views.append(flat)
    layer.views = ArrayAttr([ViewAttr(view) for view in views])
    layer.params = ParamsAttr(tuple(params))
    return True
