"""`sched-build-jobs`: layers are cut into jobs, with the loads and stores of what lies in DDR."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import Fusion, Space, Tiling
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.analysis.regions import Region, cut_steps, in_order, split
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.fused_jobs import build_group
from pulsar2.lowering.sched.tile_jobs import JobBuilder, LayerJobs
from pulsar2.weights import WeightStore


@dataclass(frozen=True)
class SchedBuildJobs(AxPass):
    """Cuts every layer along its tiling into `sched.job`s, in a legal order.

    An operand in OCM is used in place. Of one in DDR, each tile's region is loaded into a buffer of
    its own (once for neighbouring tiles that need the same), and a result in DDR is stored from
    one, except that units which may write to DDR do so. The constants that a tile needs are packed
    into one blob and loaded together; slices that several tiles use are loaded once. Fused layers
    run slice by slice of rows, and hand their inner tensors on in OCM.

    With a `part` in the tiling, a tile is computed by several jobs, each over some of the input
    channels: the first writes its sums to OCM, in S32 or S64, the next add to them, and the last
    adds them to its own and makes the result. Each loads what it needs for itself.

    Needs: a tiling on every layer, no buffer in `any` space. Leaves: jobs only, each on its class
    of units, the order of the block being legal; no waits yet.

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
    kept = {b for b in program.buffers() if b.where is not Space.PARAM}
    for buffer in program.buffers():
        if buffer.where is Space.ANY:
            raise UserError.of(
                "a buffer's space is not decided: run sched-plan-tiles first", source=buffer
            )
    builder = JobBuilder(weights)
    layers = [op for op in block.ops if isinstance(op, LayerOp)]
    for group, members in itertools.groupby(layers, key=_group):
        fused = list(members)
        if group is not None:
            build_group(builder, fused, group, program)
            continue
        for layer in fused:
            tiling = _tiling(layer)
            jobs = LayerJobs(builder, layer, tiling.part)
            for region in _tiles(layer, tiling):
                jobs.emit(region)
    for layer in layers:
        layer.detach()
        layer.erase()
    for buffer in list(program.buffers()):
        if buffer not in kept or buffer.where is Space.TILE:
            buffer.detach()
            buffer.erase()
    block.add_ops(builder.buffers)
    block.add_ops(builder.jobs)


def _group(layer: LayerOp) -> Fusion | None:
    return layer.fusion.data if layer.fusion is not None else None


def _tiling(layer: LayerOp) -> Tiling:
    if layer.tiling is None:
        raise UserError.of(
            "a layer has no tiling: run sched-plan-tiles first", place_of(layer), source=layer
        )
    return layer.tiling.data


def _tiles(layer: LayerOp, tiling: Tiling) -> Iterator[Region]:
    """The regions of the output, in the order of the layer's loops."""
    shapes = [v.shape for v in layer.view_list]
    out = shapes[layer.spec.output]
    steps = cut_steps(layer.kernel.data, shapes, dict(layer.params.data), layer.spec.output)
    ranges = [
        split(n, parts, step) if step else [(0, n)]
        for n, parts, step in zip(out, tiling.grid, steps, strict=True)
    ]
    return in_order(ranges, tiling.order)
