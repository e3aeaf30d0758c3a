"""`sched-fold-columns`: convolutions of few channels compute several columns at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import EuKind, Space, View, dense_strides
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp
from pulsar2.lowering.analysis.fold import folded_weights, folded_width, foldings
from pulsar2.lowering.analysis.layouts import CHANNELS_LAST
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.plan_tiles import machine_of
from pulsar2.targets import Target, load_target
from pulsar2.timing import work_costs
from pulsar2.weights import AnyArray, WeightStore

_WORTH = 0.95
"""What folding has to leave of the time at most, to be done."""


@dataclass(frozen=True)
class SchedFoldColumns(AxPass):
    """Lets convolutions of few channels compute neighbouring columns of the output side by side.

    The pixels of a row lie one after another, channel by channel, so p of them are one pixel of p
    times the channels. A convolution with p copies of the filters, each at its own column of a
    wider kernel and zero elsewhere, computes the same sums, and fills more of the multiplier array.
    The p of least time is taken, the loading of the larger weights counted in. The number of groups
    becomes one. Where other bytes lie between the pixels, as in the operand of a concatenation, the
    convolution writes a buffer of its own, and a copy brings it there.

    Needs: layers whose places are not decided. Leaves: the same, over fewer and deeper pixels.

    ```
    sched.layer "conv"(%x, %w, %y, ..) [.., <ui8 [1, 8, 64, 64] : ..>, ..] <stride_w = 1, ..>
    // becomes
    sched.layer "conv"(%x, %w4, %y, ..) [.., <ui8 [1, 32, 64, 16] : ..>, ..] <stride_w = 4, ..>
    ```
    """

    name = "sched-fold-columns"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _fold_program(op, ctx.weights)


def _fold_program(program: ProgramOp, weights: WeightStore) -> None:
    target = load_target(program.target.data)
    layers = [op for op in program.body.block.ops if isinstance(op, LayerOp) and _may_fold(op)]
    options = {layer: _options(layer) for layer in layers}
    tried = [each for layer in layers for each in (layer, *options[layer].values())]
    cycles = iter(_cycles(tried, program, target))
    copies = iter(_copy_cycles(layers, program, target))
    chosen: list[tuple[LayerOp, int]] = []
    for layer in layers:
        least, best = next(cycles) * _WORTH - next(copies), 1
        for columns in options[layer]:
            time = next(cycles)
            if time < least:
                least, best = time, columns
        if best > 1:
            chosen.append((layer, best))
    for layer, columns in chosen:
        _fold(layer, columns, weights)
    for buffer in list(program.buffers()):
        if buffer.where is Space.PARAM and buffer.result.first_use is None:
            buffer.detach()
            buffer.erase()


def _may_fold(layer: LayerOp) -> bool:
    """Whether the layer is a convolution whose output's channels lie side by side."""
    if layer.kernel.data != "conv" or layer.tiling is not None:
        return False
    y = layer.view(2)
    item = y.element.itemsize
    return (
        layer.buffer(1).where is Space.PARAM
        and dict(layer.params.data)["dil_w"] == 1
        and y.shape[3] > 1
        and y.strides[1] == item
        and y.strides[3] >= y.shape[1] * item
    )


def _is_packed(y: View) -> bool:
    """Whether no bytes of others belong to an image's rows."""
    return y.strides[3] == y.shape[1] * y.element.itemsize


def _packed(y: View) -> View:
    """An image in a buffer of its own."""
    return y._replace(offset=0, strides=dense_strides(y.shape, CHANNELS_LAST, y.element.itemsize))


def _options(layer: LayerOp) -> dict[int, LayerOp]:
    """The layer at each number of columns that it may be folded by, over buffers of no content."""
    params = dict(layer.params.data)
    w, y = layer.view(1), layer.view(2)
    found: dict[int, LayerOp] = {}
    for columns in foldings(y.shape[3], w.shape[3], int(params["stride_w"])):
        views = _folded_views(layer, columns)
        buffers = [BufferOp(Space.OCM, max(1, view.nbytes)) for view in views]
        found[columns] = LayerOp("conv", buffers, views, _folded_params(layer, columns))
    return found


def _folded_params(layer: LayerOp, columns: int) -> tuple[tuple[str, int | float], ...]:
    changed = {"stride_w": dict(layer.params.data)["stride_w"] * columns, "group": 1}
    return tuple((name, changed.get(name, value)) for name, value in layer.params.data)


def _folded_views(layer: LayerOp, columns: int) -> list[View]:
    """Views of x, the wider weights, the output in fewer and deeper pixels, and the rest."""
    params = dict(layer.params.data)
    x, w, y, *rest = layer.view_list
    if not _is_packed(y):
        y = _packed(y)
    channels = y.shape[1]
    shape = (
        columns * channels,
        w.shape[1] * int(params["group"]),
        w.shape[2],
        folded_width(w.shape[3], int(params["stride_w"]), columns),
    )
    strides = dense_strides(shape, (0, 2, 3, 1), w.element.itemsize)
    wide = w._replace(offset=0, shape=shape, strides=strides)
    out = y._replace(
        shape=(y.shape[0], columns * channels, y.shape[2], y.shape[3] // columns),
        strides=(*y.strides[:3], y.strides[3] * columns),
    )
    repeated = [
        v._replace(offset=0, shape=(columns * channels,), strides=(v.element.itemsize,))
        for v in rest
    ]
    return [x, wide, out, *repeated]


def _cycles(layers: list[LayerOp], program: ProgramOp, target: Target) -> list[float]:
    """Cycles of each convolution on all conv units, and of the way of its weights from DDR."""
    units = target.mode(program.npu_mode.data).units
    rate = machine_of(program, target).ddr_rate
    costs = work_costs(layers, [EuKind.CONV] * len(layers), target)
    return [
        cost.compute / units["conv"] + layer.view(1).nbytes / rate
        for layer, cost in zip(layers, costs, strict=True)
    ]


def _copy_cycles(layers: list[LayerOp], program: ProgramOp, target: Target) -> list[float]:
    """Cycles of the copies that folding asks for, on all cv units; 0 where there is none."""
    spread = [layer for layer in layers if not _is_packed(layer.view(2))]
    copies = [
        LayerOp("copy", [layer.buffer(2)] * 2, [_packed(layer.view(2)), layer.view(2)])
        for layer in spread
    ]
    units = target.mode(program.npu_mode.data).units
    costs = work_costs(copies, [EuKind.CV] * len(copies), target)
    cycles = {layer: cost.cycles / units["cv"] for layer, cost in zip(spread, costs, strict=True)}
    for copy in copies:
        copy.erase()
    return [cycles.get(layer, 0.0) for layer in layers]


def _fold(layer: LayerOp, columns: int, weights: WeightStore) -> None:
    params = dict(layer.params.data)
    w = layer.view(1)
    zero_points = np.full(w.shape[0], w.zero_point)
    if params["has_wzp"]:
        zero_points = _content(layer, len(layer.view_list) - 1, weights)
    wide = folded_weights(
        _content(layer, 1, weights),
        int(params["group"]),
        int(params["stride_w"]),
        columns,
        zero_points,
    )
    views = _folded_views(layer, columns)
    arrays: dict[int, AnyArray] = {1: np.ascontiguousarray(wide.transpose(0, 2, 3, 1))}
    for index in range(3, len(views)):
        arrays[index] = np.tile(_content(layer, index, weights), columns)
    buffers = layer.buffer_list
    for index, array in arrays.items():
        data = buffers[index].data
        assert data is not None
        type_ = TensorType(data.type.element_type, list(array.shape))
        handle = WeightAttr(StringAttr(weights.add(array)), type_)
        fresh = BufferOp(Space.PARAM, array.nbytes, data=handle)
        fresh.location = buffers[index].location
        Rewriter.insert_op(fresh, InsertPoint.before(buffers[index]))
        buffers[index] = fresh
    y, target = layer.view(2), buffers[2]
    made: list[LayerOp] = []
    if not _is_packed(y):
        own = BufferOp(Space.ANY, prod(y.shape) * y.element.itemsize)
        own.location = target.location
        Rewriter.insert_op(own, InsertPoint.before(target))
        buffers[2] = own
        made.append(LayerOp("copy", [own, target], [_packed(y), y]))
    made.insert(0, LayerOp("conv", buffers, views, _folded_params(layer, columns)))
    for each in made:
        each.location = layer.location
    Rewriter.replace_op(layer, made, [])


def _content(layer: LayerOp, index: int, weights: WeightStore) -> AnyArray:
    """A constant operand in the shape of its view."""
    buffer, view = layer.buffer(index), layer.view(index)
    assert buffer.data is not None
    array = np.ascontiguousarray(weights.get(buffer.data.key.data)).reshape(-1)
    item = view.element.itemsize
    window = np.lib.stride_tricks.as_strided(array[view.offset // item :], view.shape, view.strides)
    return window.copy()
