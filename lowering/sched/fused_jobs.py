"""The jobs of fused layers: slice by slice, inner tensors in OCM only as far as they are needed."""

from __future__ import annotations

from collections.abc import Sequence

from pulsar2.dialects.sched.attrs import EuKind, Space, View
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp
from pulsar2.lowering.analysis.fuse import ROWS, FusedLayer, plan_slices
from pulsar2.lowering.analysis.regions import Range
from pulsar2.lowering.sched.tile_jobs import JobBuilder, LayerJobs, Use, subview


def build_group(builder: JobBuilder, layers: Sequence[LayerOp], tiles: int) -> None:
    """Appends the jobs of a group, in `tiles` slices of the rows of its results.

    A tensor in `tile` space is handed on in OCM: for each slice a buffer of the rows that are held
    then, those that the previous slice computed copied over, the new ones written by the layer.
    """
    numbers: dict[BufferOp, int] = {}
    for layer in layers:
        for buffer in layer.buffer_list:
            if buffer.where is not Space.PARAM:
                numbers.setdefault(buffer, len(numbers))
    inner = frozenset(n for buffer, n in numbers.items() if buffer.where is Space.TILE)
    described = [describe(layer, numbers) for layer in layers]
    emitters = [LayerJobs(builder, layer) for layer in layers]
    windows: dict[int, _Window] = {}
    for each in plan_slices(described, inner, tiles):
        for layer, facts, emitter, rows in zip(
            layers, described, emitters, each.computed, strict=True
        ):
            if rows[0] == rows[1]:
                continue
            given: dict[int, Use] = {}
            region = facts.region(rows)
            needed = emitter.tile(region).regions
            for index, tensor in enumerate(facts.tensors):
                if tensor not in inner:
                    continue
                if index == facts.output:
                    view = layer.view(index)
                    windows[tensor] = _advance(
                        builder, layer, view, windows.get(tensor), each.held[tensor], rows
                    )
                given[index] = windows[tensor].use(needed[index])
            emitter.emit(region, given)


def describe(layer: LayerOp, numbers: dict[BufferOp, int]) -> FusedLayer:
    """The facts of a layer that slicing goes by; `numbers` tells tensors apart."""
    return FusedLayer(
        layer.kernel.data,
        tuple(v.shape for v in layer.view_list),
        tuple(numbers.get(b, -1) for b in layer.buffer_list),
        dict(layer.params.data),
        layer.spec.output,
    )


class _Window:
    """Rows [begin, end) of a tensor, in an OCM buffer of their own."""

    def __init__(self, rows: Range, buffer: BufferOp, view: View):
        self.rows = rows
        self.buffer = buffer
        self.view = view

    def use(self, region: Sequence[Range]) -> Use:
        """The part of the window that a region of the tensor covers."""
        begin = self.rows[0]
        moved = list(region)
        moved[ROWS] = (region[ROWS][0] - begin, region[ROWS][1] - begin)
        return self.buffer, subview(self.view, tuple(moved))


def _advance(
    builder: JobBuilder,
    layer: LayerOp,
    view: View,
    previous: _Window | None,
    held: Range,
    fresh: Range,
) -> _Window:
    """A new window of the rows `held`, those before `fresh` taken over from the previous one."""
    shape = list(view.shape)
    shape[ROWS] = held[1] - held[0]
    buffer, dense = builder.tile_buffer(layer, view, view._replace(offset=0, shape=tuple(shape)))
    window = _Window(held, buffer, dense)
    if held[0] < fresh[0]:
        assert previous is not None, "rows that were computed before are held somewhere"
        kept = [(0, n) for n in view.shape]
        kept[ROWS] = (held[0], fresh[0])
        builder.job(layer, "copy", EuKind.CV, [previous.use(kept), window.use(kept)])
    return window
