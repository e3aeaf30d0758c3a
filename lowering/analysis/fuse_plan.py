"""Which runs of layers to fuse, and into what tiles.

IR-free. A layer at a time, tensors that do not stay in OCM go to DDR and come back; a run of layers
that hands them on tile by tile saves that way. For every run of layers and some tilings the time is
estimated, and the segments of least time in sum are taken: fused runs, and layers by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pulsar2.lowering.analysis.fuse import COLUMNS, ROWS, FusedLayer, hull, split_end
from pulsar2.lowering.analysis.grids import HIDDEN, ON_PARAM, Layer, Machine, align
from pulsar2.lowering.analysis.regions import Range, Tile, cut_steps, region_shape

_LONGEST = 48
"""Layers in a group at most: longer ones hold many weights and gain little more."""
_TILES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_STRIPS = (1, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class Group:
    """Layers [first, last], run in `tiles` slices of rows of each of `columns` strips of columns.

    `inner` are the tensors that are handed on in OCM. `working_set` are the bytes of OCM beside the
    tensors that lie there as a whole; `time` is the estimate in cycles, `alone` that of the same
    layers one at a time.
    """

    first: int
    last: int
    tiles: int
    columns: int
    inner: frozenset[int]
    working_set: int
    time: float
    alone: float


@dataclass(frozen=True)
class Segments:
    """What the choice goes by.

    `fused` describes each layer for fusing; `lives` are the first and last layers that use each
    tensor, `sizes` its bytes in OCM; `spilled` lie in DDR if nothing is fused, `times` are the
    cycles of the layers then. Of `sliceable` tensors any tile may be handed on; `unlike` ones
    cannot be handed on within a group, since their layers do not see the same rows.
    """

    layers: Sequence[Layer]
    fused: Sequence[FusedLayer]
    lives: Sequence[Range]
    sizes: Sequence[int]
    spilled: Collection[int]
    sliceable: Collection[int]
    unlike: Collection[int]
    times: Sequence[float]
    capacity: int
    machine: Machine
    slices: bool
    """Whether layers may be fused by slices of rows, and by tiles in two dimensions."""
    tiles: bool


def choose_groups(segments: Segments) -> list[Group]:
    """The groups, in order and apart."""
    best: list[tuple[float, Group | None]] = [(0.0, None)]
    for last in range(len(segments.layers)):
        time, group = best[last][0] + segments.times[last], None
        for tried in _groups_to(segments, last):
            fused = best[tried.first][0] + tried.time
            if fused < time:
                time, group = fused, tried
        best.append((time, group))
    groups: list[Group] = []
    at = len(segments.layers)
    while at:
        group = best[at][1]
        at -= 1
        if group is not None:
            groups.append(group)
            at = group.first
    return groups[::-1]


def _joins(segments: Segments, index: int) -> bool:
    """Whether the layer can be computed row by row."""
    layer = segments.fused[index]
    if len(layer.shapes[layer.output]) != 4:
        return False
    return cut_steps(layer.kernel, layer.shapes, layer.params, layer.output)[ROWS] > 0


def _groups_to(segments: Segments, last: int) -> Iterator[Group]:
    """Every group worth a thought that ends with layer `last`."""
    if not (segments.slices or segments.tiles) or not _joins(segments, last):
        return
    first = last
    while first and last - first + 1 < _LONGEST and _joins(segments, first - 1):
        first -= 1
    if not any(
        first <= begin and end <= last and tensor in segments.spilled
        for tensor, (begin, end) in enumerate(segments.lives)
        if tensor in segments.sliceable
    ):
        return
    layer = segments.fused[last]
    width = layer.width // layer.ratio(layer.output)
    for strips in _STRIPS:
        if strips > width or not (segments.tiles if strips > 1 else True):
            break
        if strips > 1 and not _splits_columns(segments, last):
            break
        for tiles in _TILES:
            if tiles <= layer.height:
                yield from _Sweep(segments, first, last, tiles, strips).groups()


def _splits_columns(segments: Segments, index: int) -> bool:
    layer = segments.fused[index]
    return cut_steps(layer.kernel, layer.shapes, layer.params, layer.output)[COLUMNS] > 0


@dataclass
class _Use:
    """What a group needs of one tensor: rows until before and after a slice, first row, columns."""

    before: int
    after: int
    begin: int
    columns: Range


@dataclass
class _Traffic:
    """What a tensor costs that lies in DDR: OCM for its tiles, bytes moved, copies."""

    held: int = 0
    moved: float = 0.0
    transfers: int = 0


@dataclass
class _Sweep:
    """The groups that end with one layer, in one tiling: grown layer by layer towards the front.

    What a slice in the middle of the image takes stands for all.
    """

    segments: Segments
    least: int
    last: int
    tiles: int
    strips: int
    uses: dict[int, _Use] = field(default_factory=dict[int, _Use])
    windows: dict[int, int] = field(default_factory=dict[int, int])
    kept: dict[int, float] = field(default_factory=dict[int, float])
    traffic: dict[int, _Traffic] = field(default_factory=dict[int, _Traffic])
    constants: int = 0
    busy: dict[str, float] = field(default_factory=dict[str, float])
    moved: float = 0.0
    transfers: int = 0
    first_tile: float = 0.0
    alone: float = 0.0

    def groups(self) -> Iterator[Group]:
        lives, spilled = self.segments.lives, self.segments.spilled
        for first in range(self.last, self.least - 1, -1):
            if self.strips > 1 and not _splits_columns(self.segments, first):
                return
            if self.segments.fused[first].result in self.segments.unlike and (
                self.segments.fused[first].result in self.uses
            ):
                return
            self._add(first)
            if self.constants > self.segments.capacity:
                return
            inner = frozenset(
                tensor
                for tensor in self.windows
                if lives[tensor][0] >= first
                and lives[tensor][1] <= self.last
                and tensor in self.segments.sliceable
                and tensor in self.uses
            )
            if first == self.last or not inner & frozenset(spilled):
                continue
            working_set = self._working_set(inner)
            if working_set > self.segments.capacity - self._resident(first, inner):
                continue
            time = self._time(inner)
            yield Group(
                first,
                self.last,
                self.tiles,
                self.strips,
                inner,
                working_set,
                time,
                self.alone,
            )

    def _resident(self, first: int, inner: Collection[int]) -> int:
        """Bytes of the tensors that lie in OCM as a whole while the group runs."""
        spilled = self.segments.spilled
        return sum(
            self.segments.sizes[tensor]
            for tensor, (begin, end) in enumerate(self.segments.lives)
            if begin <= self.last and end >= first and tensor not in spilled and tensor not in inner
        )

    def _working_set(self, inner: Collection[int]) -> int:
        """All constants, two windows of each inner tensor, two tiles of each operand in DDR."""
        total = self.constants + sum(2 * self.windows[tensor] for tensor in inner)
        for tensor, each in self.traffic.items():
            if tensor in self.segments.spilled and tensor not in inner:
                total += each.held
        return total

    def _time(self, inner: Collection[int]) -> float:
        """The busiest class of units sets the pace, behind the first tile's way to the end."""
        machine = self.segments.machine
        count = self.tiles * self.strips
        copies = sum(
            count * (machine.launch + self.kept[tensor] / machine.port_rate)
            for tensor in inner
            if self.kept[tensor]
        )
        moved, transfers = self.moved, self.transfers
        for tensor, each in self.traffic.items():
            if tensor in self.segments.spilled and tensor not in inner:
                moved += each.moved
                transfers += each.transfers
        compute = max(copies, *self.busy.values()) + self.first_tile
        move = moved / machine.ddr_rate + transfers * machine.launch
        return max(compute, move) + HIDDEN * min(compute, move)

    def _add(self, index: int) -> None:
        segments = self.segments
        layer, fused = segments.layers[index], segments.fused[index]
        machine = segments.machine
        rows, columns = self._computed(index)
        tile = fused.tile(rows, columns)
        count = self.tiles * self.strips
        touched, jobs = 0, 1
        for number, (operand, region) in enumerate(zip(layer.operands, tile.regions, strict=True)):
            nbytes = operand.nbytes(region_shape(region))
            if operand.tensor == ON_PARAM:
                self.constants += align(operand.nbytes(operand.shape), machine.alignment)
                self.moved += operand.nbytes(operand.shape)
                touched += nbytes
                continue
            touched += nbytes
            each = self.traffic.setdefault(operand.tensor, _Traffic())
            each.moved += nbytes * count
            parts = layer.pieces(nbytes) if number == layer.output else 1
            jobs = max(jobs, parts if operand.tensor in segments.spilled else 1)
            each.transfers += parts * count
            if number != layer.output or not layer.writes_ddr:
                each.held += 2 * align(-(-nbytes // parts), machine.alignment)
        self._hold(index, rows, columns)
        self._need(index, tile, rows)
        self.transfers += 1
        share = (rows[1] - rows[0]) * (columns[1] - columns[0]) / (fused.height * fused.width)
        work = max(layer.compute * share, touched / machine.port_rate) + jobs * machine.launch
        self.busy[layer.unit] = self.busy.get(layer.unit, 0.0) + work * count / layer.units
        self.first_tile += work
        self.alone += segments.times[index]

    def _computed(self, index: int) -> tuple[Range, Range]:
        """Rows and columns of its result that the layer computes for the slice."""
        fused = self.segments.fused[index]
        tensor, middle = fused.result, self.tiles // 2
        before = after = 0
        wanted: list[Range] = []
        use = self.uses.get(tensor)
        if use is not None:
            before, after = use.before, use.after
            wanted.append(use.columns)
        if use is None or self.segments.lives[tensor][1] > self.last:
            before = max(before, split_end(fused.height, self.tiles, middle - 1))
            after = max(after, split_end(fused.height, self.tiles, middle))
            wanted.append(_strip(fused.width // fused.ratio(fused.output), self.strips))
        before = min(before, fused.height - 1)
        rows = before, max(after, before + 1)
        return rows, fused.of_view(fused.output, hull(wanted))

    def _hold(self, index: int, rows: Range, columns: Range) -> None:
        """Notes what a window of the layer's result takes."""
        fused, tensor = self.segments.fused[index], self.segments.fused[index].result
        use = self.uses.get(tensor)
        begin = rows[0] if use is None else min(rows[0], use.begin)
        pixels = fused.height * fused.width
        share = (columns[1] - columns[0]) / pixels * self.segments.sizes[tensor]
        window = align(int((rows[1] - begin) * share), self.segments.machine.alignment)
        self.windows[tensor] = max(self.windows.get(tensor, 0), window)
        self.kept[tensor] = max(self.kept.get(tensor, 0.0), (rows[0] - begin) * share)

    def _need(self, index: int, tile: Tile, rows: Range) -> None:
        """Notes what the layer reads, for those that write it."""
        fused = self.segments.fused[index]
        earlier = fused.tile((max(0, rows[0] - 1), max(1, rows[0])))
        for operand, tensor in enumerate(fused.tensors):
            if tensor < 0 or operand == fused.output or len(fused.shapes[operand]) <= COLUMNS:
                continue
            region = tile.regions[operand]
            before = earlier.regions[operand][ROWS][1] if rows[0] else 0
            columns = fused.of_tensor(operand, region[COLUMNS])
            use = self.uses.get(tensor)
            if use is None:
                self.uses[tensor] = _Use(before, region[ROWS][1], region[ROWS][0], columns)
                continue
            use.before = max(use.before, before)
            use.after = max(use.after, region[ROWS][1])
            use.begin = min(use.begin, region[ROWS][0])
            use.columns = hull([use.columns, columns])


def _strip(width: int, strips: int) -> Range:
    middle = strips // 2
    return (split_end(width, strips, middle - 1) if middle else 0, split_end(width, strips, middle))


def group_of(groups: Sequence[Group]) -> Mapping[int, Group]:
    """The group of each layer that is in one."""
    return {index: each for each in groups for index in range(each.first, each.last + 1)}
