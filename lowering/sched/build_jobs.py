"""`sched-build-jobs`: layers are cut into jobs, with the loads and stores of what lies in DDR."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, i8

from pulsar2.context import AxContext
from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import ElementType, EuKind, Params, Space, View, dense_strides
from pulsar2.dialects.sched.job import JobOp, LayerOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp, ProgramOp
from pulsar2.locations import node_name
from pulsar2.lowering.analysis.regions import (
    Region,
    cut_steps,
    region_shape,
    split,
    tile_of,
    whole,
)
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.plan_tiles import preferred_unit, writes_to_ddr
from pulsar2.weights import AnyArray, WeightStore

_DDR = (Space.INPUT, Space.OUTPUT, Space.SWAP)


@dataclass(frozen=True)
class SchedBuildJobs(AxPass):
    """Cuts every layer along its tiling into `sched.job`s, in a legal order.

    An operand in OCM is used in place. Of one in DDR, each tile's region is loaded into a buffer of its
    own (once for neighbouring tiles that need the same), and a result in DDR is stored from one, except
    that units which may write to DDR do so. The constants that a tile needs are packed into one blob
    and loaded together; slices that several tiles use are loaded once.

    Needs: a tiling on every layer, no buffer in `any` space. Leaves: jobs only, each on its class of
    units, the order of the block being legal; no waits yet.

    ```
    sched.layer "conv"(%x, %w, %y, %m, %b) [..] .. {tiling = #sched.tiling<[1, 1, 2, 1] ..>}
    // becomes
    %p = sched.buffer param 928 {data = ..}
    %q = sched.buffer ocm 928
    %t0 = sched.job "copy" on sdma(%p, %q) [..] #sched.params<>
    %t1 = sched.job "conv" on conv(%x, %q, %y, %q, %q) [..] #sched.params<..>
    %t2 = sched.job "conv" on conv(%x, %q, %y, %q, %q) [..] #sched.params<..>
    ```
    """

    name = "sched-build-jobs"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _build_program(op, ctx.weights)


def _build_program(program: ProgramOp, weights: WeightStore) -> None:
    block = program.body.block
    kept = [b for b in program.buffers() if b.where is not Space.PARAM]
    builder = _JobBuilder(weights)
    layers = [op for op in block.ops if isinstance(op, LayerOp)]
    for layer in layers:
        builder.build(layer)
    for layer in layers:
        layer.detach()
        layer.erase()
    for buffer in list(program.buffers()):
        if buffer not in kept:
            buffer.detach()
            buffer.erase()
    block.add_ops(builder.buffers)
    block.add_ops(builder.jobs)


@dataclass
class _JobBuilder:
    weights: WeightStore
    buffers: list[BufferOp] = field(default_factory=list[BufferOp])
    jobs: list[JobOp] = field(default_factory=list[JobOp])

    def build(self, layer: LayerOp) -> None:
        """Appends the jobs of one layer."""
        loaded: dict[tuple[int, Region], tuple[BufferOp, View]] = {}
        constants: dict[tuple[Region, ...], list[tuple[BufferOp, View]]] = {}
        views = layer.view_list
        shapes = [v.shape for v in views]
        operands = layer.buffer_list
        on_param = [i for i, b in enumerate(operands) if b.where is Space.PARAM]
        output = layer.spec.output
        last: dict[int, Region] = {}
        for out in _tiles(layer):
            tile = tile_of(layer.kernel.data, shapes, dict(layer.params.data), out)
            uses: list[tuple[BufferOp, View]] = [(b, v) for b, v in zip(operands, views, strict=True)]
            key = tuple(tile.regions[i] for i in on_param)
            if on_param and key not in constants:
                constants[key] = self._load_constants(
                    layer, [(operands[i], views[i], tile.regions[i]) for i in on_param]
                )
            for position, index in enumerate(on_param):
                uses[index] = constants[key][position]
            store: View | None = None
            unit = preferred_unit(layer)
            for index, (buffer, view) in enumerate(zip(operands, views, strict=True)):
                if index in on_param:
                    continue
                part = _subview(view, tile.regions[index])
                if buffer.where not in _DDR:
                    uses[index] = (buffer, part)
                elif index == output:
                    if writes_to_ddr(unit):
                        uses[index] = (buffer, part)
                    else:
                        uses[index], store = self._tile_buffer(layer, view, part), part
                else:
                    # Only the latest region is kept: an older one would hold its OCM for too long.
                    if last.get(index) != tile.regions[index]:
                        last[index] = tile.regions[index]
                        loaded[index, tile.regions[index]] = self._load(layer, buffer, view, part)
                    held, dense = loaded[index, tile.regions[index]]
                    uses[index] = (held, _rebroadcast(dense, part))
            params: Params = tuple((name, tile.params[name]) for name, _ in layer.params.data)
            self._job(layer, layer.kernel.data, unit, uses, params)
            if store is not None:
                held, dense = uses[output]
                self._job(
                    layer, "copy", EuKind.SDMA, [(held, dense), (operands[output], store)], ()
                )

    def _job(
        self,
        layer: LayerOp,
        kernel: str,
        unit: EuKind,
        uses: Sequence[tuple[BufferOp, View]],
        params: Params,
    ) -> None:
        job = JobOp(kernel, unit, [b for b, _ in uses], [v for _, v in uses], params)
        job.location = layer.location
        self.jobs.append(job)

    def _buffer(self, layer: LayerOp, space: Space, size: int, data: WeightAttr | None) -> BufferOp:
        buffer = BufferOp(space, size, data=data)
        buffer.location = layer.location
        self.buffers.append(buffer)
        return buffer

    def _tile_buffer(self, layer: LayerOp, view: View, part: View) -> tuple[BufferOp, View]:
        """A new packed OCM buffer for one tile, its dimensions in the tensor's memory order."""
        shape = tuple(1 if s == 0 else n for n, s in zip(part.shape, part.strides, strict=True))
        order = sorted(range(len(shape)), key=lambda d: (-view.strides[d], d))
        strides = dense_strides(shape, order, view.element.itemsize)
        dense = part._replace(offset=0, shape=shape, strides=strides)
        return self._buffer(layer, Space.OCM, dense.nbytes, None), dense

    def _load(
        self, layer: LayerOp, buffer: BufferOp, view: View, part: View
    ) -> tuple[BufferOp, View]:
        held, dense = self._tile_buffer(layer, view, part)
        source = part._replace(shape=dense.shape)
        self._job(layer, "copy", EuKind.SDMA, [(buffer, source), (held, dense)], ())
        return held, dense

    def _load_constants(
        self, layer: LayerOp, parts: Sequence[tuple[BufferOp, View, Region]]
    ) -> list[tuple[BufferOp, View]]:
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
            part = _subview(view, distinct)
            order = sorted(range(len(part.shape)), key=lambda d, s=view.strides: (-s[d], d))
            strides = dense_strides(part.shape, order, view.element.itemsize)
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            taken = _gather(flat, part, order)
            place = part._replace(offset=size, strides=strides)
            places.append(_rebroadcast(place, _subview(view, region)))
            pad = -len(taken) % OCM_ALIGNMENT
            blobs += [taken, np.zeros(pad, np.uint8)]
            size += len(taken) + pad
        blob = np.concatenate(blobs).view(np.int8)
        handle = WeightAttr(StringAttr(self.weights.add(blob)), TensorType(i8, [size]))
        source = self._buffer(layer, Space.PARAM, size, handle)
        held = self._buffer(layer, Space.OCM, size, None)
        run = View(0, (size,), (1,), ElementType.S8)
        self._job(layer, "copy", EuKind.SDMA, [(source, run), (held, run)], ())
        return [(held, place) for place in places]


def _tiles(layer: LayerOp) -> Iterator[Region]:
    """The regions of the output, in the order of the layer's loops."""
    assert layer.tiling is not None, f"'{node_name(layer)}' has no tiling"
    tiling = layer.tiling.data
    shapes = [v.shape for v in layer.view_list]
    out = shapes[layer.spec.output]
    steps = cut_steps(layer.kernel.data, shapes, dict(layer.params.data), layer.spec.output)
    ranges = [
        split(n, parts, step) if step else [(0, n)]
        for n, parts, step in zip(out, tiling.grid, steps, strict=True)
    ]
    for choice in itertools.product(*(ranges[d] for d in tiling.order)):
        region = list(whole(out))
        for dim, span in zip(tiling.order, choice, strict=True):
            region[dim] = span
        yield tuple(region)


def _subview(view: View, region: Region) -> View:
    offset = view.offset + sum(r[0] * s for r, s in zip(region, view.strides, strict=True))
    return view._replace(offset=offset, shape=region_shape(region))


def _rebroadcast(dense: View, part: View) -> View:
    """The packed tile seen in the shape of `part`, with strides of 0 where that repeats."""
    strides = tuple(
        0 if s == 0 else d for d, s in zip(dense.strides, part.strides, strict=True)
    )
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
