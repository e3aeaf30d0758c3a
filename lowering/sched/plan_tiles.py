"""`sched-plan-tiles`: what stays in OCM, and how each layer is cut."""

from __future__ import annotations

from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import BoolAttr, ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import (
    EuKind,
    EuKindAttr,
    Fusion,
    FusionAttr,
    Space,
    Tiling,
    TilingAttr,
    View,
    dense_strides,
)
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.analysis.fuse_plan import Group
from pulsar2.lowering.analysis.grids import ON_PARAM, Layer, Machine, Operand
from pulsar2.lowering.analysis.plan import Fusing, OutOfMemory, Tensor, plan_layers
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.partition import SLICE_MODE, TILE_MODE
from pulsar2.lowering.sched.fused_jobs import describe, inner_columns
from pulsar2.lowering.sched.partial_sums import sum_type
from pulsar2.lowering.sched.same_rows import see_alike
from pulsar2.lowering.sched.tile_jobs import DDR
from pulsar2.lowering.sched.units import preferred_unit, stores_itself, writes_to_ddr
from pulsar2.targets import Target, load_target
from pulsar2.timing import Cost, ddr_rate, work_costs
from pulsar2.weights import WeightStore


@dataclass(frozen=True)
class SchedPlanTiles(AxPass):
    """Decides for every activation whether it lies in OCM or in DDR, and for every layer its grid.

    Buffers in `any` space go to `ocm`, or to `swap` where OCM does not suffice, cheapest traffic
    first. Each layer gets a `tiling`: how many tiles along each dimension of its output, and the
    order of the loops, chosen by an estimate of the time (see `pulsar2.lowering.analysis.plan`). A
    tiling that is there already stays, so a hand-written one is kept.

    Where memory is short, the sums of a convolution or matrix product of integers may be computed
    in parts of the input channels: `part` in the tiling is how many at a time. The sums stay in OCM
    meanwhile (`pulsar2.lowering.analysis.partial_sums`).

    A unit is held until its result is written. Where teng units would write to DDR for longer than
    they compute, they leave the result in OCM and the layer's `store` says that the sdma writes it.

    With `slice-mode`, runs of layers whose tensors would go to DDR between them may be fused: they
    run slice by slice of rows and hand those tensors on in OCM, which then lie in `tile` space.
    Rows are those of images, and those of matrices, as in attention.
    With `tile-mode`, by tiles of rows and columns (`pulsar2.lowering.analysis.fuse_plan`). The
    cheapest by an estimate of the time is taken, segment by segment, a layer at a time being
    one of the choices. The log tells the segments.

    Options: `slice-mode` and `tile-mode`; a program with the attribute `ax.slice_mode` or
    `ax.tile_mode` goes by that.

    Needs: a program of layers. Leaves: no buffer in `any` space, a tiling on every layer.

    ```
    %y = sched.buffer any 401408
    sched.layer "conv"(%x, %w, %y, %m, %b) [..] #sched.params<..>
    // becomes
    %y = sched.buffer ocm 401408
    sched.layer "conv"(%x, %w, %y, %m, %b) [..] #sched.params<..>
      {tiling = #sched.tiling<[1, 1, 4, 1] order [0, 2, 3, 1]>}
    ```
    """

    name = "sched-plan-tiles"

    slice_mode: bool = False
    tile_mode: bool = False

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                slices = _in_force(op, SLICE_MODE, self.slice_mode)
                tiles = _in_force(op, TILE_MODE, self.tile_mode)
                _plan_program(op, slices, tiles, ctx.weights)


def _in_force(program: ProgramOp, name: str, option: bool) -> bool:
    """What the program says of itself, or the option."""
    own = program.attributes.get(name)
    return option if own is None else own == BoolAttr.from_bool(True)


def machine_of(program: ProgramOp, target: Target) -> Machine:
    """The numbers of the program's target that the plan goes by."""
    mode = target.mode(program.npu_mode.data)
    timing = target.timing
    return Machine(
        program.ocm_bytes.value.data,
        timing["conv_launch"],
        min(
            ddr_rate(timing, program.ddr_bytes_per_second),
            timing["sdma_bytes"] * mode.units["sdma"],
        ),
        timing["port_bytes"],
        int(timing["conv_lanes_in"]),
        int(timing["conv_lanes_out"]),
    )


def _plan_program(program: ProgramOp, slices: bool, tiles: bool, weights: WeightStore) -> None:
    target = load_target(program.target.data)
    mode = target.mode(program.npu_mode.data)
    layers = [op for op in program.body.block.ops if isinstance(op, LayerOp)]
    if slices or tiles:
        see_alike(layers)
    costs = work_costs(layers, [preferred_unit(layer) for layer in layers], target)
    _choose_stores(layers, costs, ddr_rate(target.timing, program.ddr_bytes_per_second))
    index: dict[BufferOp, int] = {}
    tensors: list[Tensor] = []
    for buffer in program.buffers():
        if buffer.where is not Space.PARAM:
            index[buffer] = len(tensors)
            in_ddr = buffer.where in (Space.INPUT, Space.OUTPUT, Space.SWAP)
            tensors.append(Tensor(buffer.nbytes, in_ddr))
    described: list[Layer] = []
    for layer, cost in zip(layers, costs, strict=True):
        unit = preferred_unit(layer)
        out = layer.view(layer.spec.output)
        order = sorted(range(len(out.shape)), key=lambda d, s=out.strides: (-s[d], d))
        described.append(
            Layer(
                layer.kernel.data,
                tuple(
                    Operand(
                        index.get(buffer, ON_PARAM),
                        view.shape,
                        view.element.itemsize,
                        tuple(d for d, s in enumerate(view.strides) if not s),
                    )
                    for buffer, view in zip(layer.buffer_list, layer.view_list, strict=True)
                ),
                dict(layer.params.data),
                layer.spec.output,
                tuple(order),
                cost.compute,
                unit.value,
                mode.units[unit.value],
                stores_itself(layer, unit),
                layer.store is not None,
                0 if layer.sums_kernel is None else sum_type(layer, weights).itemsize,
            )
        )
    columns = inner_columns(layers, index)
    fusing = Fusing(
        [describe(layer, index, columns) for layer in layers],
        {tensor for buffer, tensor in index.items() if _is_sliceable(buffer)},
        {tensor for buffer, tensor in index.items() if not _has_rows(buffer)},
        slices,
        tiles,
    )
    try:
        plan = plan_layers(described, tensors, machine_of(program, target), fusing)
    except OutOfMemory as error:
        raise UserError.of(
            f"the smallest tile needs {error.need} bytes of OCM, there are {error.have}",
            place_of(layers[error.layer]),
            "give more OCM (a larger npu_mode), or a smaller operator",
            layers[error.layer],
        ) from None
    inner = {tensor for group in plan.groups for tensor in group.inner}
    for buffer, tensor in index.items():
        if tensor in inner:
            buffer.move(Space.TILE)
        elif buffer.where is Space.ANY:
            buffer.move(Space.SWAP if tensor in plan.spilled else Space.OCM)
    for layer, chosen in zip(layers, plan.layers, strict=True):
        if layer.tiling is None:
            layer.tiling = TilingAttr(Tiling(chosen.grid, chosen.order, chosen.part))
        if layer.buffer(layer.spec.output).where not in DDR:
            layer.store = None
    for number, group in enumerate(plan.groups):
        for layer in layers[group.first : group.last + 1]:
            layer.fusion = FusionAttr(Fusion(number, group.tiles, group.columns))
    if slices or tiles:
        _tell(layers, plan.groups)


def _choose_stores(layers: list[LayerOp], costs: list[Cost], rate: float) -> None:
    """Leaves the writing to DDR to the sdma where it takes longer than the work itself.

    Units that only move bytes have no work of their own, and write what they move.
    """
    for layer, cost in zip(layers, costs, strict=True):
        nbytes = layer.view(layer.spec.output).nbytes
        if writes_to_ddr(preferred_unit(layer)) and 0 < cost.compute < nbytes / rate:
            layer.store = EuKindAttr(EuKind.SDMA)


def _tell(layers: list[LayerOp], groups: list[Group]) -> None:
    """Logs the strategy of each segment."""
    for group in groups:
        cut = f"{group.tiles} slices of rows"
        if group.columns > 1:
            cut = f"{group.columns} strips of {group.tiles} tiles"
        logger.info(
            "segment [{}] to [{}]: {}, {:,.0f} cycles estimated ({:,.0f} layer by layer)",
            place_of(layers[group.first]),
            place_of(layers[group.last]),
            cut,
            group.time,
            group.alone,
        )
    alone = len(layers) - sum(group.last - group.first + 1 for group in groups)
    logger.info("{} of {} layers run one at a time", alone, len(layers))


def _views(buffer: BufferOp) -> list[View]:
    return [
        use.operation.view(use.index)
        for use in buffer.result.uses
        if isinstance(use.operation, LayerOp)
    ]


def _are_matrices(buffer: BufferOp, views: list[View]) -> bool:
    """Whether all layers see the buffer as the same matrices, one behind the other."""
    first = views[0]
    dense = dense_strides(first.shape, range(4), first.element.itemsize)
    whole = first.offset == 0 and first.shape[0] == 1 and first.nbytes == buffer.nbytes
    return whole and all(v[:3] == (0, first.shape, dense) for v in views)


def _has_rows(buffer: BufferOp) -> bool:
    """Whether every layer sees the buffer as an image of the same rows, or a part of one."""
    views = _views(buffer)
    return (
        all(len(v.shape) == 4 for v in views)
        and len({v.shape[2] for v in views}) <= 1
        and (len({v.strides[2] for v in views}) <= 1)
    )


def _is_sliceable(buffer: BufferOp) -> bool:
    """Whether rows and columns of the buffer can be handed on in a buffer of their own.

    Of an image, channels last, views may take several neighbouring pixels for one, or see a part of
    the channels; matrices behind each other are seen alike by all.
    """
    views = _views(buffer)
    if buffer.where is not Space.ANY or not _has_rows(buffer):
        return False
    if _are_matrices(buffer, views):
        return True
    height, row = views[0].shape[2], views[0].strides[2]
    columns = min(v.shape[3] for v in views)
    if height * row != buffer.nbytes or row % columns:
        return False
    pixel = row // columns
    for view in views:
        in_pixel = view.offset + (view.shape[1] - 1) * view.strides[1] + view.element.itemsize
        if view.shape[0] != 1 or view.strides[1] <= 0 or view.shape[3] % columns:
            return False
        if view.strides[3] * view.shape[3] != row or in_pixel > min(pixel, view.strides[3]):
            return False
    return True
