"""The jobs of one tile: its operands fetched, its kernel called, its result stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import StringAttr, TensorType, i8

from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import ElementType, EuKind, Params, Space, View, dense_strides
from pulsar2.dialects.sched.job import JobOp, LayerOp
from pulsar2.dialects.sched.kernels import Kernel
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp
from pulsar2.lowering.analysis.regions import (
    ParamDict,
    Region,
    Tile,
    part_of,
    parts_of,
    reduction,
    region_shape,
    tile_of,
)
from pulsar2.lowering.sched.partial_sums import sum_type
from pulsar2.lowering.sched.units import preferred_unit, stores_itself
from pulsar2.weights import AnyArray, WeightStore

DDR = (Space.INPUT, Space.OUTPUT, Space.SWAP)

Use = tuple[BufferOp, View]
"""An operand of a job: a buffer, and the view of it."""


class Blob(NamedTuple):
    """Constants that are loaded together: their bytes in the parameter segment, and where each lies
    in them."""

    source: BufferOp
    places: Sequence[View]


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

    def pack_constants(
        self, layer: LayerOp, parts: Sequence[tuple[BufferOp, View, Region]]
    ) -> Blob:
        """Packs the constants of a tile into one blob."""
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
        return Blob(self.buffer(layer, Space.PARAM, size, handle), places)

    def load_blob(self, layer: LayerOp, blob: Blob) -> list[Use]:
        """Loads constants into a new buffer; where each lies in OCM."""
        held = self.buffer(layer, Space.OCM, blob.source.nbytes)
        run = View(0, (held.nbytes,), (1,), ElementType.S8)
        self.job(layer, "copy", EuKind.SDMA, [(blob.source, run), (held, run)])
        return [(held, place) for place in blob.places]


class LayerJobs:
    """Emits the jobs of one layer's tiles, sharing what neighbouring tiles load.

    With `part`, the sums of a tile are computed in parts of so many input channels. Each part loads
    what it needs for itself: where sums are cut, there is no room to hold it for another tile.
    """

    def __init__(self, builder: JobBuilder, layer: LayerOp, part: int = 0):
        self._builder = builder
        self._layer = layer
        self._views = layer.view_list
        self._operands = layer.buffer_list
        self._params = dict(layer.params.data)
        self._inputs = [i for i in range(len(self._operands)) if i != layer.spec.output]
        self._blobs: dict[tuple[tuple[int, Region], ...], Blob] = {}
        self._constants: dict[BufferOp, list[Use]] = {}
        # Of each operand only the latest region is kept: more would hold their OCM for too long.
        self._loaded: dict[int, tuple[Region, Use]] = {}
        self._part = part

    def tile(self, out: Region) -> Tile:
        """What each operand contributes to the region `out` of the result."""
        shapes = [v.shape for v in self._views]
        return tile_of(self._layer.kernel.data, shapes, self._params, out)

    def emit(self, out: Region, given: Mapping[int, Use] | None = None) -> None:
        """Appends the jobs of the tile `out`; `given` are operands that are in place already."""
        tile, layer = self.tile(out), self._layer
        if self._part:
            parts = parts_of(
                reduction(layer.kernel.data, [v.shape for v in self._views]), self._part
            )
            if len(parts) > 1:
                self._emit_parts([part_of(layer.kernel.data, tile, part) for part in parts])
                return
        uses = self._fetch(tile, self._inputs, given or {})
        store: View | None = None
        output = layer.spec.output
        if output not in uses:
            uses[output], store = self._target(tile)
        self._call(layer.spec, [uses[i] for i in sorted(uses)], tile.params)
        self._store(uses[output], store)

    def _emit_parts(self, parts: Sequence[Tile]) -> None:
        """The jobs of a tile whose sums lie in OCM between its parts."""
        layer, output = self._layer, self._layer.spec.output
        spec = layer.sums_kernel
        assert spec is not None, "a layer in parts is a contraction of integers"
        last = parts[-1]
        view = self._views[output]._replace(element=self._sum_type, scale=1.0, zero_point=0)
        sums = self._builder.tile_buffer(layer, view, subview(view, last.regions[output]))
        # Factors and zero points of the weights; the rest is for the whole sums.
        needed = [0, 1]
        if self._params.get("has_wzp"):
            needed.append(len(self._operands) - 1)
        earlier: list[Use] = []
        for part in parts[:-1]:
            uses = self._fetch(part, needed, {})
            factors, rest = [uses[i] for i in needed[:2]], [uses[i] for i in needed[2:]]
            params = part.params | {"has_sums": len(earlier)}
            self._call(spec, [*factors, sums, *rest, *earlier], params)
            earlier = [sums]
        uses = self._fetch(last, self._inputs, {})
        uses[output], store = self._target(last)
        ordered = [uses[i] for i in range(len(self._operands))]
        self._call(layer.spec, [*ordered, sums], last.params | {"has_sums": 1})
        self._store(uses[output], store)

    @cached_property
    def _sum_type(self) -> ElementType:
        return sum_type(self._layer, self._builder.weights)

    def _call(self, spec: Kernel, uses: Sequence[Use], values: ParamDict) -> None:
        params: Params = tuple((name, values[name]) for name in spec.params)
        self._builder.job(self._layer, spec.name, preferred_unit(self._layer), uses, params)

    def _fetch(
        self, tile: Tile, operands: Sequence[int], given: Mapping[int, Use]
    ) -> dict[int, Use]:
        """These operands of the tile where units can read them, beside those given."""
        uses = dict(given)
        constant = [i for i in operands if self._operands[i].where is Space.PARAM]
        uses.update(zip(constant, self._tile_constants(tile, constant), strict=True))
        for index in operands:
            if index in uses:
                continue
            buffer, part = self._operands[index], subview(self._views[index], tile.regions[index])
            if buffer.where in DDR:
                held, dense = self._load(index, tile.regions[index], part)
                uses[index] = held, rebroadcast(dense, part)
            else:
                uses[index] = buffer, part
        return uses

    def _target(self, tile: Tile) -> tuple[Use, View | None]:
        """Where the job writes the tile's result, and where that is to be stored then."""
        output = self._layer.spec.output
        buffer, view = self._operands[output], self._views[output]
        part = subview(view, tile.regions[output])
        if buffer.where in DDR and not stores_itself(self._layer, preferred_unit(self._layer)):
            return self._builder.tile_buffer(self._layer, view, part), part
        return (buffer, part), None

    def _store(self, result: Use, store: View | None) -> None:
        if store is not None:
            target = self._operands[self._layer.spec.output], store
            self._builder.job(self._layer, "copy", EuKind.SDMA, [result, target])

    def _tile_constants(self, tile: Tile, operands: Sequence[int]) -> list[Use]:
        if not operands:
            return []
        key = tuple((i, tile.regions[i]) for i in operands)
        if key not in self._blobs:
            parts = [(self._operands[i], self._views[i], tile.regions[i]) for i in operands]
            self._blobs[key] = self._builder.pack_constants(self._layer, parts)
        blob = self._blobs[key]
        if self._part or blob.source not in self._constants:
            self._constants[blob.source] = self._builder.load_blob(self._layer, blob)
        return self._constants[blob.source]

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
