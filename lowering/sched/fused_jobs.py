"""The jobs of fused layers: tile by tile, inner tensors in OCM only as far as they are needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from pulsar2.dialects.sched.attrs import ElementType, EuKind, Fusion, Space, View
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp
from pulsar2.lowering.analysis.fuse import (
    CHANNELS,
    COLUMNS,
    ROWS,
    FusedLayer,
    Slice,
    Strip,
    plan_slices,
    plan_strips,
)
from pulsar2.lowering.analysis.grids import STORE_BYTES
from pulsar2.lowering.analysis.regions import Range, Region, cut_steps, pieces, region_shape
from pulsar2.lowering.sched.tile_jobs import JobBuilder, LayerJobs, Use, subview
from pulsar2.targets import load_target
from pulsar2.timing import ddr_rate, work_costs


def build_group(
    builder: JobBuilder, layers: Sequence[LayerOp], fusion: Fusion, program: ProgramOp
) -> None:
    """Appends the jobs of a group, in strips of columns and slices of rows of its results.

    A tensor in `tile` space is handed on in OCM: for each slice a buffer of the rows that are held
    then, those that the previous slice computed copied over, the new ones written by the layer.
    Jobs of neighbouring tiles are interleaved, as they will run, so that buffers in use at the same
    time do not get the same bytes.
    """
    numbers: dict[BufferOp, int] = {}
    for layer in layers:
        for buffer in layer.buffer_list:
            if buffer.where is not Space.PARAM:
                numbers.setdefault(buffer, len(numbers))
    columns = inner_columns(layers, numbers)
    group = _Group(
        builder,
        layers,
        [describe(layer, numbers, columns) for layer in layers],
        [LayerJobs(builder, layer) for layer in layers],
        frozenset(n for buffer, n in numbers.items() if buffer.where is Space.TILE),
        first=len(builder.jobs),
    )
    slices = plan_slices(group.facts, group.inner, fusion.tiles)
    for strip in plan_strips(group.facts, group.inner, fusion.columns):
        group.windows.clear()
        for each in slices:
            group.build(strip, each)
    jobs, steps = builder.jobs[group.first :], group.steps
    target = load_target(program.target.data)
    kinds = [job.eu.data for job in jobs]
    costs = work_costs(jobs, kinds, target)
    units = {EuKind(k): n for k, n in target.mode(program.npu_mode.data).units.items()}
    rate = ddr_rate(target.timing, program.ddr_bytes_per_second)
    durations = [max(cost.cycles, cost.ddr_bytes / rate) for cost in costs]
    starts = _starts(steps, kinds, durations, units)
    ordered = sorted(range(len(steps)), key=lambda i: starts[i])
    builder.jobs[group.first :] = [
        job for i in ordered for job in jobs[steps[i].begin : steps[i].end]
    ]


@dataclass(frozen=True)
class _Step:
    """The jobs [begin, end) of one layer for one tile, and the earlier steps that they follow."""

    tile: int
    begin: int
    end: int
    after: tuple[int, ...]


def _starts(
    steps: Sequence[_Step],
    kinds: Sequence[EuKind],
    durations: Sequence[float],
    units: Mapping[EuKind, int],
) -> list[float]:
    """When each step would start if tiles began at the pace of the busiest class of units."""
    busy: dict[EuKind, float] = {}
    for kind, duration in zip(kinds, durations, strict=True):
        busy[kind] = busy.get(kind, 0.0) + duration / units[kind]
    pace = max(busy.values()) / (steps[-1].tile + 1)
    starts: list[float] = []
    ends: list[float] = []
    for step in steps:
        start = max([step.tile * pace, *(ends[i] for i in step.after)])
        # Loads run ahead.
        taken = sum(durations[i] for i in range(step.begin, step.end) if kinds[i] != EuKind.SDMA)
        starts.append(start)
        ends.append(start + taken)
    return starts


@dataclass
class _Group:
    """The layers of a group while their jobs are built, tile by tile in the layers' order."""

    builder: JobBuilder
    layers: Sequence[LayerOp]
    facts: Sequence[FusedLayer]
    emitters: Sequence[LayerJobs]
    inner: Collection[int]
    windows: dict[int, _Window] = field(default_factory=dict[int, "_Window"])
    steps: list[_Step] = field(default_factory=list[_Step])
    latest: dict[int, int] = field(default_factory=dict[int, int])
    """The last step of each layer."""
    tiles: int = 0
    first: int = 0
    """How many jobs there were before the group's."""

    def build(self, strip: Strip, each: Slice) -> None:
        """Appends the jobs of one tile."""
        advanced: set[int] = set()
        writers = self._writers
        for index, (layer, facts) in enumerate(zip(self.layers, self.facts, strict=True)):
            rows = each.computed[index]
            if rows[0] == rows[1]:
                continue
            begin = len(self.builder.jobs) - self.first
            # It may read another part of the tensor that it writes to.
            read = [t for operand, t in enumerate(facts.tensors) if operand != facts.output]
            after = {index, *(w for t in read for w in writers(t))}
            if facts.result in self.inner and facts.result not in advanced:
                advanced.add(facts.result)
                after.update(writers(facts.result))
                self._advance(index, strip, each)
            region = facts.region(rows, strip.computed[index])
            for piece in _pieces(layer, facts, region) if layer.store is not None else [region]:
                needed = self.emitters[index].tile(piece).regions
                given: dict[int, Use] = {
                    operand: self.windows[tensor].use(
                        layer.view(operand), facts.ratio(operand), needed[operand]
                    )
                    for operand, tensor in enumerate(facts.tensors)
                    if tensor in self.inner
                }
                self.emitters[index].emit(piece, given)
            follows = tuple(sorted(self.latest[i] for i in after if i in self.latest))
            self.latest[index] = len(self.steps)
            end = len(self.builder.jobs) - self.first
            self.steps.append(_Step(self.tiles, begin, end, follows))
        self.tiles += 1

    def _writers(self, tensor: int) -> list[int]:
        return [i for i, facts in enumerate(self.facts) if facts.result == tensor]

    def _advance(self, index: int, strip: Strip, each: Slice) -> None:
        """A new window of a layer's result, what is held of the last one copied over."""
        facts, tensor = self.facts[index], self.facts[index].result
        view = self.layers[index].view(facts.output)
        pixel = view.strides[COLUMNS] * facts.ratio(facts.output)
        rows, columns = each.held[tensor], strip.held[tensor]
        planes = view.shape[CHANNELS] if view.strides[CHANNELS] > view.strides[ROWS] else 1
        size = planes * (rows[1] - rows[0]) * (columns[1] - columns[0]) * pixel
        buffer = self.builder.buffer(self.layers[index], Space.OCM, size)
        previous, window = self.windows.get(tensor), _Window(rows, columns, pixel, planes, buffer)
        self.windows[tensor] = window
        if previous is None:
            return
        writers = self._writers(tensor)
        ends = {(each.computed[i][0], strip.computed[i]) for i in writers}
        for i in writers if len(ends) > 1 else writers[:1]:
            layer, wrote = self.layers[i], self.facts[i]
            kept = rows[0], each.computed[i][0]
            if kept[0] >= kept[1]:
                continue
            if len(ends) == 1 and planes == 1:
                uses = [w.whole_rows(kept) for w in (previous, window)]
            else:
                view, ratio = layer.view(wrote.output), wrote.ratio(wrote.output)
                region = wrote.region(kept, strip.computed[i])
                uses = [w.use(view, ratio, region) for w in (previous, window)]
            self.builder.job(layer, "copy", EuKind.CV, uses)


def _pieces(layer: LayerOp, facts: FusedLayer, region: Region) -> list[Region]:
    """The parts of a tile that the sdma stores one after another, so that little waits for it."""
    view = layer.view(facts.output)
    nbytes = prod(region_shape(region)) * view.element.itemsize
    steps = cut_steps(facts.kernel, facts.shapes, facts.params, facts.output)
    order = sorted(range(len(region)), key=lambda d: (-view.strides[d], d))
    return pieces(region, steps, order, -(-nbytes // STORE_BYTES))


def inner_columns(layers: Sequence[LayerOp], numbers: Mapping[BufferOp, int]) -> dict[int, int]:
    """The columns of each tensor of images: the fewest that a layer sees."""
    columns: dict[int, int] = {}
    for layer in layers:
        for buffer, view in zip(layer.buffer_list, layer.view_list, strict=True):
            if buffer in numbers and len(view.shape) > COLUMNS:
                tensor = numbers[buffer]
                columns[tensor] = min(columns.get(tensor, view.shape[COLUMNS]), view.shape[COLUMNS])
    return columns


def describe(
    layer: LayerOp, numbers: Mapping[BufferOp, int], columns: Mapping[int, int]
) -> FusedLayer:
    """The facts of a layer that fusion goes by; `numbers` tells tensors apart."""
    tensors = tuple(numbers.get(b, -1) for b in layer.buffer_list)
    ratios = tuple(
        max(1, view.shape[COLUMNS] // columns[tensor])
        if tensor in columns and len(view.shape) > COLUMNS
        else 1
        for tensor, view in zip(tensors, layer.view_list, strict=True)
    )
    return FusedLayer(
        layer.kernel.data,
        tuple(v.shape for v in layer.view_list),
        tensors,
        dict(layer.params.data),
        layer.spec.output,
        ratios,
    )


class _Window:
    """Rows and columns of a tensor, in an OCM buffer of their own.

    Pixels of `pixel` bytes hold all channels, or there is a plane of pixels for each of `planes`
    channels.
    """

    def __init__(self, rows: Range, columns: Range, pixel: int, planes: int, buffer: BufferOp):
        self.rows = rows
        self.columns = columns
        self.pixel = pixel
        self.planes = planes
        self.buffer = buffer

    @property
    def pitch(self) -> int:
        """Bytes of a row."""
        return (self.columns[1] - self.columns[0]) * self.pixel

    def use(self, view: View, ratio: int, region: Sequence[Range]) -> Use:
        """The part of the window that a region of a view of the tensor covers."""
        moved = list(region)
        for dim, begin in ((ROWS, self.rows[0]), (COLUMNS, self.columns[0] * ratio)):
            moved[dim] = (region[dim][0] - begin, region[dim][1] - begin)
        strides = list(view.strides)
        strides[ROWS] = self.pitch
        if self.planes > 1:
            strides[CHANNELS] = self.pitch * (self.rows[1] - self.rows[0])
        return self.buffer, subview(view._replace(strides=tuple(strides)), tuple(moved))

    def whole_rows(self, rows: Range) -> Use:
        """All bytes of some rows, which have their channels in their pixels."""
        begin = (rows[0] - self.rows[0]) * self.pitch
        size = (rows[1] - rows[0]) * self.pitch
        return self.buffer, View(begin, (size,), (1,), ElementType.S8)
