"""`sched-plan-tiles`: what stays in OCM, and how each layer is cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import BoolAttr, ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import Fusion, FusionAttr, Space, Tiling, TilingAttr
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.analysis.fuse_plan import FusionTensor, Group, choose_groups
from pulsar2.lowering.analysis.plan import (
    ON_PARAM,
    Layer,
    Machine,
    Operand,
    OutOfMemory,
    Plan,
    Tensor,
    plan_layers,
)
from pulsar2.lowering.analysis.strategy import layered_time, sliced_time
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.partition import SLICE_MODE
from pulsar2.lowering.sched.fused_jobs import describe
from pulsar2.lowering.sched.units import preferred_unit, writes_to_ddr
from pulsar2.targets import Target, load_target
from pulsar2.timing import ddr_rate, work_costs


@dataclass(frozen=True)
class SchedPlanTiles(AxPass):
    """Decides for every activation whether it lies in OCM or in DDR, and for every layer its grid.

    Buffers in `any` space go to `ocm`, or to `swap` where OCM does not suffice, cheapest traffic
    first. Each layer gets a `tiling`: how many tiles along each dimension of its output, and the
    order of the loops, chosen by an estimate of the time (see `pulsar2.lowering.analysis.plan`). A
    tiling that is there already stays, so a hand-written one is kept.

    With `slice-mode`, runs of layers whose tensors would go to DDR between them are fused instead,
    where that fits and is estimated to be faster: they run slice by slice of rows and hand those
    tensors on in OCM, which then lie in `tile` space (see `pulsar2.lowering.analysis.fuse` and
    `strategy`). The log tells the segments.

    Options: `slice-mode`; a program with the attribute `ax.slice_mode` goes by that.

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

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                own = op.attributes.get(SLICE_MODE)
                _plan_program(
                    op, self.slice_mode if own is None else own == BoolAttr.from_bool(True)
                )


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
        int(timing["conv_lanes_out"]),
    )


def _plan_program(program: ProgramOp, slice_mode: bool) -> None:
    target = load_target(program.target.data)
    mode = target.mode(program.npu_mode.data)
    layers = [op for op in program.body.block.ops if isinstance(op, LayerOp)]
    costs = work_costs(layers, [preferred_unit(layer) for layer in layers], target)
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
                writes_to_ddr(unit),
            )
        )
    try:
        plan = plan_layers(described, tensors, machine_of(program, target))
    except OutOfMemory as error:
        raise UserError.of(
            f"the smallest tile needs {error.need} bytes of OCM, there are {error.have}",
            place_of(layers[error.layer]),
            "give more OCM (a larger npu_mode), or a smaller operator",
            layers[error.layer],
        ) from None
    for buffer, tensor in index.items():
        if buffer.where is Space.ANY:
            buffer.move(Space.SWAP if tensor in plan.spilled else Space.OCM)
    for layer, chosen in zip(layers, plan.layers, strict=True):
        if layer.tiling is None:
            layer.tiling = TilingAttr(Tiling(chosen.grid, chosen.order))
    if slice_mode:
        machine = machine_of(program, target)

        def compare(group: Group) -> tuple[float, float]:
            """Cycles of the group in slices, and a layer at a time."""
            run = described[group.first : group.last + 1]
            sliced = sliced_time(run, group.inner, plan.spilled, group.tiles, machine)
            return sliced, layered_time(plan, group.first, group.last)

        _fuse(layers, index, plan, compare)


def _fuse(
    layers: list[LayerOp],
    index: dict[BufferOp, int],
    plan: Plan,
    compare: Callable[[Group], tuple[float, float]],
) -> None:
    """Marks the groups of layers that run slice by slice, and what they hand on.

    `compare` estimates the cycles of a group in slices, and a layer at a time.
    """
    described = [describe(layer, index) for layer in layers]
    users: dict[int, list[int]] = {}
    for number, each in enumerate(described):
        for tensor in each.tensors:
            users.setdefault(tensor, []).append(number)
    tensors = {
        tensor: FusionTensor(
            buffer.nbytes,
            buffer.where is Space.SWAP and _seen_whole(buffer),
            tuple(users.get(tensor, ())),
        )
        for buffer, tensor in index.items()
    }
    itemsizes = [[v.element.itemsize for v in layer.view_list] for layer in layers]
    buffers = {tensor: buffer for buffer, tensor in index.items()}

    def gain(group: Group) -> float:
        sliced, layered = compare(group)
        return layered - sliced

    groups = choose_groups(described, tensors, plan.spilled, itemsizes, plan.room, gain)
    _tell(layers, groups, compare)
    for number, group in enumerate(groups):
        for layer in layers[group.first : group.last + 1]:
            layer.fusion = FusionAttr(Fusion(number, group.tiles))
        for tensor in group.inner:
            buffers[tensor].move(Space.TILE)


def _tell(
    layers: list[LayerOp],
    groups: list[Group],
    compare: Callable[[Group], tuple[float, float]],
) -> None:
    """Logs the strategy of each segment."""
    for group in groups:
        sliced, layered = compare(group)
        logger.info(
            "segment [{}] to [{}]: {} slices of rows, {:,.0f} cycles estimated ({:,.0f} layer by "
            "layer)",
            place_of(layers[group.first]),
            place_of(layers[group.last]),
            group.tiles,
            sliced,
            layered,
        )
    alone = len(layers) - sum(group.last - group.first + 1 for group in groups)
    logger.info("{} of {} layers run one at a time", alone, len(layers))


def _seen_whole(buffer: BufferOp) -> bool:
    """Whether every layer sees the buffer as one and the same tensor that fills it."""
    views: set[tuple[object, ...]] = set()
    for use in buffer.result.uses:
        layer = use.operation
        if isinstance(layer, LayerOp):
            view = layer.view(use.index)
            views.add((view.offset, view.shape, view.strides))
            if view.offset or view.nbytes != buffer.nbytes:
                return False
    return len(views) == 1
