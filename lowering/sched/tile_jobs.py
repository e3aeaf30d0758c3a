"""The jobs of one tile: its operands fetched, its kernel called, its result stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from xdsl.dialects.builtin import StringAttr, TensorType, i8

from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import ElementType, EuKind, Params, Space, View, dense_strides
from pulsar2.dialects.sched.job import JobOp, LayerOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp
from pulsar2.lowering.analysis.regions import Region, Tile, region_shape, tile_of
from pulsar2.lowering.sched.units import preferred_unit, stores_itself
from pulsar2.weights import AnyArray, WeightStore

DDR = (Space.INPUT, Space.OUTPUT, Space.SWAP)

Use = tuple[BufferOp, View]
"""An operand of a job: a buffer, and the view of it."""


@dataclass
class JobBuilder:
    """Collects the jobs of a program, and the buffers of their tiles."""

    weights: WeightStore
    buffers: list[BufferOp] = field(default_factory=list[BufferOp])
    jobs: list[JobOp] = field(default_factory=list[JobOp])

    def job(
        self, layer: LayerOp, kernel: str, unit: EuKind, uses: Sequence[Use], params: Params = ()
    ) -> None:
        job = JobOp(kernel, unit, [b for b, _ in uses], [v for _, v in uses], params)
        job.location = layer.location
        self.jobs.append(job)

    def buffer(
        self, layer: LayerOp, space: Space, size: int, data: WeightAttr | None = None
    ) -> BufferOp:
        buffer = BufferOp(space, size, data=data)
        buffer.location = layer.location
        self.buffers.append(buffer)
        return buffer

    def tile_buffer(self, layer: LayerOp, view: View, part: View) -> Use:
        """A new packed OCM buffer for one tile, its dimensions in the tensor's memory order."""
        shape = tuple(1 if s == 0 else n for n, s in zip(part.shape, part.strides, strict=True))
        order = sorted(range(len(shape)), key=lambda d: (-view.strides[d], d))
        strides = dense_strides(shape, order, view.element.itemsize)
        dense = part._replace(offset=0, shape=shape, strides=strides)
        return self.buffer(layer, Space.OCM, dense.nbytes), dense

    def load(self, layer: LayerOp, buffer: BufferOp, view: View, part: View) -> Use:
        """Copies a part of a tensor in DDR into a new tile buffer."""
        held, dense = self.tile_buffer(layer, view, part)
        source = part._replace(shape=dense.shape)
        self.job(layer, "copy", EuKind.SDMA, [(buffer, source), (held, dense)])
        return held, dense

    def load_constants(
        self, layer: LayerOp, parts: Sequence[tuple[BufferOp, View, Region]]
    ) -> list[Use]:
        """Packs the constants of a tile into one blob and loads it; where each lies in OCM."""
        blobs: list[AnyArray] = []
        places: list[View] = []
        size = 0
        for buffer, view, region in parts:
            assert buffer.data is not None
            array = self.weights.get(buffer.data.key.data)
            distinct = tuple(
                (0, 1) if s == 0 else r for r, s in zip(region, view.strides, strict=True)
            )
            part = subview(view, distinct)
            order = sorted(range(len(part.shape)), key=lambda d, s=view.strides: (-s[d], d))
            strides = dense_strides(part.shape, order, view.element.itemsize)
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            taken = _gather(flat, part, order)
            place = part._replace(offset=size, strides=strides)
            places.append(rebroadcast(place, subview(view, region)))
            pad = -len(taken) % OCM_ALIGNMENT
            blobs += [taken, np.zeros(pad, np.uint8)]
            size += len(taken) + pad
        blob = np.concatenate(blobs).view(np.int8)
        handle = WeightAttr(StringAttr(self.weights.add(blob)), TensorType(i8, [size]))
        source = self.buffer(layer, Space.PARAM, size, handle)
        held = self.buffer(layer, Space.OCM, size)
        run = View(0, (size,), (1,), ElementType.S8)
        self.job(layer, "copy", EuKind.SDMA, [(source, run), (held, run)])
        return [(held, place) for place in places]


class LayerJobs:
    """Emits the jobs of one layer's tiles, sharing what neighbouring tiles load."""

    def __init__(self, builder: JobBuilder, layer: LayerOp):
        self._builder = builder
        self._layer = layer
        self._views = layer.view_list
        self._operands = layer.buffer_list
        self._params = dict(layer.params.data)
        self._constant_at = [i for i, b in enumerate(self._operands) if b.where is Space.PARAM]
        self._constants: dict[tuple[Region, ...], list[Use]] = {}
        # Of each operand only the latest region is kept: more would hold their OCM for too long.
        self._loaded: dict[int, tuple[Region, Use]] = {}

    def tile(self, out: Region) -> Tile:
        """What each operand contributes to the region `out` of the result."""
        shapes = [v.shape for v in self._views]
        return tile_of(self._layer.kernel.data, shapes, self._params, out)

    def emit(self, out: Region, given: Mapping[int, Use] | None = None) -> None:
        """Appends the jobs of the tile `out`; `given` are operands that are in place already."""
        layer, builder = self._layer, self._builder
        tile = self.tile(out)
        unit = preferred_unit(layer)
        uses: dict[int, Use] = dict(given or {})
        uses.update(zip(self._constant_at, self._tile_constants(tile), strict=True))
        store: View | None = None
        output = layer.spec.output
        for index, (buffer, view) in enumerate(zip(self._operands, self._views, strict=True)):
            if index in uses:
                continue
            part = subview(view, tile.regions[index])
            if buffer.where not in DDR or (index == output and stores_itself(layer, unit)):
                uses[index] = buffer, part
            elif index == output:
                uses[index], store = builder.tile_buffer(layer, view, part), part
            else:
                held, dense = self._load(index, tile.regions[index], part)
                uses[index] = held, rebroadcast(dense, part)
        params: Params = tuple((name, tile.params[name]) for name, _ in layer.params.data)
        ordered = [uses[i] for i in range(len(self._operands))]
        builder.job(layer, layer.kernel.data, unit, ordered, params)
        if store is not None:
            target = self._operands[output], store
            builder.job(layer, "copy", EuKind.SDMA, [uses[output], target])

    def _tile_constants(self, tile: Tile) -> list[Use]:
        regions = tuple(tile.regions[i] for i in self._constant_at)
        if regions and regions not in self._constants:
            parts = [
                (self._operands[i], self._views[i], region)
                for i, region in zip(self._constant_at, regions, strict=True)
            ]
            self._constants[regions] = self._builder.load_constants(self._layer, parts)
        return self._constants.get(regions, [])

    def _load(self, index: int, region: Region, part: View) -> Use:
        held = self._loaded.get(index)
        if held is None or held[0] != region:
            loaded = self._builder.load(
                self._layer, self._operands[index], self._views[index], part
            )
            held = self._loaded[index] = region, loaded
        return held[1]


def subview(view: View, region: Region) -> View:
    """The part of a view that a region covers."""
    offset = view.offset + sum(r[0] * s for r, s in zip(region, view.strides, strict=True))
    return view._replace(offset=offset, shape=region_shape(region))


def rebroadcast(dense: View, part: View) -> View:
    """The packed tile seen in the shape of `part`, with strides of 0 where that repeats."""
    strides = tuple(0 if s == 0 else d for d, s in zip(dense.strides, part.strides, strict=True))
    return dense._replace(shape=part.shape, strides=strides)


def _gather(flat: AnyArray, part: View, order: Sequence[int]) -> AnyArray:
    """The bytes of a view, packed with its dimensions in `order`."""
    item = part.element.itemsize
    shape = [part.shape[d] for d in order]
    strides = [part.strides[d] for d in order]
    if prod(shape) == 0:
        return np.zeros(0, np.uint8)
    window = np.lib.stride_tricks.as_strided(
        flat[part.offset :], (*shape, item), (*strides, 1), writeable=False
    )
    return np.ascontiguousarray(window).reshape(-1)
