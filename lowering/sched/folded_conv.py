"""A convolution, or some of its output channels, in folded columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.dialects.builtin import StringAttr, TensorType
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import Params, Space, View, dense_strides
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp
from pulsar2.lowering.analysis.fold import PLAIN, Fold, Rows, folded_weights
from pulsar2.lowering.analysis.layouts import CHANNELS_LAST
from pulsar2.lowering.analysis.regions import Range
from pulsar2.weights import AnyArray, WeightStore


@dataclass(frozen=True)
class Part:
    """Output channels [begin, end) of a convolution, in folded columns."""

    layer: LayerOp
    channels: Range
    fold: Fold = PLAIN

    @property
    def rows(self) -> Rows:
        params = dict(self.layer.params.data)
        x, w, y = self.layer.view_list[:3]
        return Rows(
            x.shape[3],
            y.shape[3],
            w.shape[3],
            int(params["stride_w"]),
            int(params["pad_left"]),
            x.shape[1],
            self.channels[1] - self.channels[0],
            int(params["group"]),
        )

    @property
    def merges(self) -> bool:
        """Whether columns of the input may be taken together: nothing lies between its pixels."""
        x = self.layer.view(0)
        return x.strides[3] == x.shape[1] * x.element.itemsize

    @property
    def target(self) -> View:
        """Where the channels go."""
        y = self.layer.view(2)
        begin, end = self.channels
        shape = (y.shape[0], end - begin, *y.shape[2:])
        return y._replace(offset=y.offset + begin * y.strides[1], shape=shape)

    @property
    def is_copied(self) -> bool:
        """Whether the part writes a buffer of its own, as other bytes lie between the pixels."""
        y = self.target
        packed = y.strides[3] == y.shape[1] * y.element.itemsize
        return self.fold.columns > 1 and not packed

    @property
    def own(self) -> View:
        """The channels in a buffer of their own."""
        y = self.target
        strides = dense_strides(y.shape, CHANNELS_LAST, y.element.itemsize)
        return y._replace(offset=0, strides=strides)

    @property
    def params(self) -> Params:
        params = dict(self.layer.params.data)
        if self.fold != PLAIN:
            groups = int(params["group"]) * self.fold.columns if self.fold.apart else 1
            params |= {
                "stride_w": self.rows.folded_stride(self.fold),
                "pad_left": self.rows.folded_pad(self.fold),
                "group": groups,
            }
        return tuple(params.items())

    def views(self) -> list[View]:
        """Views of x and y in fewer and deeper pixels, of the wider weights, and of the rest."""
        x, w, _, *rest = self.layer.view_list
        begin, end = self.channels
        columns, merged = self.fold.columns, self.fold.merged
        if self.fold == PLAIN:
            sliced = [
                v._replace(
                    offset=v.offset + begin * v.strides[0], shape=(end - begin, *v.shape[1:])
                )
                for v in (w, *rest)
            ]
            return [x, sliced[0], self.target, *sliced[1:]]
        item = x.element.itemsize
        deep = x._replace(
            shape=(x.shape[0], merged * x.shape[1], x.shape[2], x.shape[3] // merged),
            strides=(
                x.strides[0],
                x.strides[1] if merged == 1 else item,
                x.strides[2],
                x.strides[3] * merged,
            ),
        )
        shape = (
            columns * (end - begin),
            deep.shape[1] // int(dict(self.params)["group"]),
            w.shape[2],
            self.rows.width(self.fold),
        )
        strides = dense_strides(shape, CHANNELS_LAST, w.element.itemsize)
        wide = w._replace(offset=0, shape=shape, strides=strides)
        y = self.own if self.is_copied else self.target
        out = y._replace(
            shape=(y.shape[0], shape[0], y.shape[2], y.shape[3] // columns),
            strides=(*y.strides[:3], y.strides[3] * columns),
        )
        repeated = [
            v._replace(offset=0, shape=shape[:1], strides=(v.element.itemsize,)) for v in rest
        ]
        return [deep, wide, out, *repeated]

    def _arrays(self, weights: WeightStore) -> dict[int, AnyArray]:
        """The constants by operand, in their order in memory."""
        view = self.layer.view(1)
        begin, end = self.channels
        zero_points = np.full(end - begin, view.zero_point)
        last = len(self.layer.view_list) - 1
        if dict(self.layer.params.data)["has_wzp"]:
            zero_points = constant_content(self.layer, last, weights)[begin:end]
        filters = constant_content(self.layer, 1, weights)[begin:end]
        wide = folded_weights(filters, self.rows, self.fold, zero_points)
        arrays: dict[int, AnyArray] = {1: np.ascontiguousarray(wide.transpose(CHANNELS_LAST))}
        for index in range(3, last + 1):
            constant = constant_content(self.layer, index, weights)[begin:end]
            arrays[index] = np.tile(constant, self.fold.columns)
        return arrays

    def build(self, weights: WeightStore) -> list[LayerOp]:
        """The layers: the convolution, and the copy of its result if there is to be one.

        New buffers are put before the old ones.
        """
        buffers = self.layer.buffer_list
        if self.fold != PLAIN:
            for index, array in self._arrays(weights).items():
                buffers[index] = _new_constant(buffers[index], array, weights)
        made: list[LayerOp] = []
        if self.is_copied:
            own = BufferOp(Space.ANY, prod(self.own.shape) * self.own.element.itemsize)
            own.location = buffers[2].location
            Rewriter.insert_op(own, InsertPoint.before(buffers[2]))
            made.append(LayerOp("copy", [own, buffers[2]], [self.own, self.target]))
            buffers[2] = own
        made.insert(0, LayerOp("conv", buffers, self.views(), self.params))
        for each in made:
            each.location = self.layer.location
        return made


def _new_constant(old: BufferOp, array: AnyArray, weights: WeightStore) -> BufferOp:
    data = old.data
    assert data is not None
    type_ = TensorType(data.type.element_type, list(array.shape))
    handle = WeightAttr(StringAttr(weights.add(array)), type_)
    fresh = BufferOp(Space.PARAM, array.nbytes, data=handle)
    fresh.location = old.location
    Rewriter.insert_op(fresh, InsertPoint.before(old))
    return fresh


def constant_content(layer: LayerOp, index: int, weights: WeightStore) -> AnyArray:
    """A constant operand in the shape of its view."""
    buffer, view = layer.buffer(index), layer.view(index)
    assert buffer.data is not None
    array = np.ascontiguousarray(weights.get(buffer.data.key.data)).reshape(-1)
    item = view.element.itemsize
    window = np.lib.stride_tricks.as_strided(array[view.offset // item :], view.shape, view.strides)
    return window.copy()
