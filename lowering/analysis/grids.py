"""Tile grids: how one layer is cut, and what that takes.

IR-free. A layer is cut into tiles along its output's dimensions, so that the units of its class
share it, loads overlap with compute, and its working set fits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from pulsar2.lowering.analysis.regions import (
    ParamDict,
    Range,
    Region,
    Shape,
    cut_steps,
    region_shape,
    split,
    tile_of,
)

ON_PARAM = -1
"""`Operand.tensor` of a constant: its bytes are loaded from the parameter segment."""
IN_OCM, IN_DDR = 0, 1
STORE_BYTES = 1 << 15
"""Of a result that is stored in pieces, so many bytes at a time: much more than a launch takes."""
HIDDEN = 0.75
"""What a cycle counts that is hidden behind the other of compute and transfer."""


@dataclass(frozen=True)
class Operand:
    """One operand of a layer: which tensor it is, its shape and bytes per element."""

    tensor: int
    shape: Shape
    itemsize: int
    broadcast: tuple[int, ...] = ()
    """Dimensions along which every element is the same one in memory."""

    def nbytes(self, shape: Shape) -> int:
        """Bytes in memory of a part of the operand."""
        distinct = (1 if d in self.broadcast else n for d, n in enumerate(shape))
        return math.prod(distinct) * self.itemsize


@dataclass(frozen=True)
class Layer:
    """One layer to plan: a kernel over operands, and what its arithmetic takes."""

    kernel: str
    operands: tuple[Operand, ...]
    params: ParamDict = field(hash=False)
    output: int
    memory_order: tuple[int, ...]
    """Output dimensions from the outermost in memory to the innermost."""
    compute: float
    """Cycles of the arithmetic on one unit, uncut."""
    unit: str
    """The class of units that runs the layer, and how many there are of it."""
    units: int
    writes_ddr: bool
    """Whether the layer's units write to DDR without a copy by the sdma."""
    in_pieces: bool = False
    """Whether tiles of the result are cut into pieces of `STORE_BYTES` where they are stored."""
    sum_bytes: int = 0
    """Of a sum that is computed in parts of the input channels (see `partial_sums`); 0: none is."""

    def pieces(self, nbytes: int) -> int:
        """Into how many jobs a fused tile whose result has so many bytes is cut."""
        return -(-nbytes // STORE_BYTES) if self.in_pieces else 1


@dataclass(frozen=True)
class Machine:
    """What the plan has to respect: bytes of OCM, cycles to launch a job, bytes per cycle."""

    ocm_bytes: int
    launch: float
    ddr_rate: float
    """Bytes per cycle between DDR and OCM, all sdmas together."""
    port_rate: float
    """Bytes per cycle between a unit and OCM."""
    lanes_in: int
    lanes_out: int
    alignment: int = 64


@dataclass
class LayerPlan:
    """A grid and the order of its loops; bytes of OCM with the next tile's loads in flight, and of
    one tile alone; cycles; input channels of each part of the sums, 0 for all at once."""

    grid: tuple[int, ...]
    order: tuple[int, ...]
    working_set: int
    smallest: int
    time: float
    part: int = 0


def anonymous(layer: Layer, spilled: Collection[int]) -> Layer:
    """The layer with its tensors told apart only by where they lie."""

    def place(tensor: int) -> int:
        if tensor == ON_PARAM:
            return tensor
        return IN_DDR if tensor in spilled else IN_OCM

    operands = tuple(replace(o, tensor=place(o.tensor)) for o in layer.operands)
    return replace(layer, operands=operands)


def align(nbytes: int, alignment: int) -> int:
    return -(-nbytes // alignment) * alignment


def _cuts(layer: Layer) -> tuple[Shape, Shape, list[int]]:
    """Output shape, cut granularity, and the dimensions that may be cut, outermost first."""
    shapes = [o.shape for o in layer.operands]
    out = shapes[layer.output]
    steps = cut_steps(layer.kernel, shapes, layer.params, layer.output)
    return out, steps, [d for d in layer.memory_order if steps[d]]


def finest(layer: Layer, machine: Machine) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Grids of the smallest tiles: the outer dimensions cut first, then the inner ones too."""
    out, steps, cuttable = _cuts(layer)
    grid = [1] * len(out)
    found = [(tuple(grid), layer.memory_order)]
    for dim in cuttable:
        grid[dim] = -(-out[dim] // steps[dim])
        found.append((tuple(grid), _stationary(layer, grid)))
    return found


def _is_channel(layer: Layer, dim: int) -> bool:
    """Whether `dim` is the dimension along which a contraction's constants are cut."""
    if layer.kernel == "conv":
        return dim == 1
    return layer.kernel == "matmul" and dim == len(layer.operands[layer.output].shape) - 1


def _is_grouped(layer: Layer) -> bool:
    """Whether slices of the output's channels read slices of the input's."""
    return layer.kernel == "conv" and int(layer.params["group"]) > 1


def _stationary(layer: Layer, grid: Sequence[int]) -> tuple[int, ...]:
    """Loop order with the channel dimension outermost, so that each slice of weights loads once."""
    order = list(layer.memory_order)
    channel = next((d for d in order if _is_channel(layer, d)), None)
    if channel is not None and grid[channel] > 1:
        order.remove(channel)
        order.insert(0, channel)
    return tuple(order)


def candidates(layer: Layer, machine: Machine) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    out, steps, cuttable = _cuts(layer)
    choices: list[list[int]] = []
    for dim in range(len(out)):
        if dim not in cuttable:
            choices.append([1])
            continue
        if not _is_channel(layer, dim):
            choices.append(counts(-(-out[dim] // steps[dim])))
            continue
        slices = set(counts(-(-out[dim] // math.lcm(steps[dim], machine.lanes_out))))
        # Slices that leave lanes idle, for where memory is short.
        for idle in (4, 16):
            slices.add(-(-out[dim] // max(steps[dim], machine.lanes_out // idle)))
        choices.append(sorted(slices))
    channel_last = layer.memory_order
    inner = [d for d in cuttable if d != cuttable[0] and not _is_channel(layer, d)]
    seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    for grid in itertools.product(*choices):
        # Inner dimensions are cut only when the outermost one is cut finely already.
        if any(grid[d] > 1 for d in inner) and grid[cuttable[0]] * 2 < out[cuttable[0]]:
            continue
        if math.prod(grid) > 4096:
            continue
        for order in (channel_last, _stationary(layer, grid)):
            if (grid, order) not in seen:
                seen.add((grid, order))
                yield grid, order


def counts(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, ... up to `most`, and `most` itself."""
    found = {1, most}
    power = 2
    while power <= most:
        found.add(power)
        if power * 3 // 2 <= most:
            found.add(power * 3 // 2)
        power *= 2
    return sorted(found)


def largest_tile(layer: Layer, grid: Sequence[int]) -> Region:
    out, steps, _ = _cuts(layer)
    return tuple(
        _largest_range(n, parts, max(1, step))
        for n, parts, step in zip(out, grid, steps, strict=True)
    )


@cache
def _largest_range(size: int, parts: int, step: int) -> Range:
    """The longest of the ranges of a dimension; the middle one if it is among them."""
    ranges = split(size, parts, step)
    middle = ranges[len(ranges) // 2]
    return max(ranges, key=lambda r: (r[1] - r[0], r == middle))


class Estimate(NamedTuple):
    """OCM bytes beside resident tensors, with the next tile's loads in flight, and of one tile
    alone; cycles."""

    working_set: int
    smallest: int
    time: float


def _estimate(
    layer: Layer,
    spilled: Collection[int],
    grid: Sequence[int],
    order: Sequence[int],
    machine: Machine,
) -> Estimate:
    """What the layer takes with this grid, loads and compute overlapped."""
    tile = tile_of(
        layer.kernel,
        [o.shape for o in layer.operands],
        layer.params,
        largest_tile(layer, grid),
    )
    tiles = math.prod(grid)
    channel_outer = bool(order) and _is_channel(layer, order[0])
    channel_parts = math.prod(n for d, n in enumerate(grid) if _is_channel(layer, d))
    working_set, smallest, traffic, transfers, touched = 0, 0, 0.0, channel_parts, 0
    for index, (operand, region) in enumerate(zip(layer.operands, tile.regions, strict=True)):
        nbytes = operand.nbytes(region_shape(region))
        touched += nbytes
        if operand.tensor != ON_PARAM and operand.tensor not in spilled:
            continue
        held = align(nbytes, machine.alignment)
        if operand.tensor == ON_PARAM:
            # Weight slices come one after another when channels are the outer loop; otherwise all
            # of them stay until the last tile.
            total = operand.nbytes(operand.shape)
            slices = min(2, tiles) if channel_outer else tiles
            smallest += held
            working_set += min(align(total, machine.alignment), held * slices)
            traffic += total
            continue
        loads = tiles
        if index != layer.output and not channel_outer and not _is_grouped(layer):
            # Neighbouring channel slices of one tile share what was loaded for the first.
            loads = tiles // channel_parts
        traffic += nbytes * loads
        transfers += loads
        if index != layer.output or not layer.writes_ddr:
            smallest += held
            working_set += held * min(2, tiles)
    rounds = -(-tiles // layer.units)
    share = work_share(layer, tile.regions[layer.output], machine)
    one = max(layer.compute * share, touched / machine.port_rate)
    compute = rounds * (one + machine.launch)
    move = traffic / machine.ddr_rate + transfers * machine.launch
    return Estimate(working_set, smallest, overlapped(compute, move, tiles))


def work_share(layer: Layer, out: Region, machine: Machine) -> float:
    """The share of the layer's arithmetic that a region of its output takes."""
    share = 1.0
    for dim, ((begin, end), n) in enumerate(
        zip(out, layer.operands[layer.output].shape, strict=True)
    ):
        # Channels fill the array by whole steps of its lanes.
        step = machine.lanes_out if _is_channel(layer, dim) else 1
        share *= -(-(end - begin) // step) / -(-n // step)
    return share


def overlapped(compute: float, move: float, steps: int) -> float:
    """Cycles of compute and transfers in so many steps.

    Loads run ahead of compute across layers, so what is not the longer of the two here still delays
    another layer; and nothing overlaps with the first step's load or the last one's compute.
    """
    return max(compute, move) + HIDDEN * min(compute, move) + 0.5 * (compute + move) / steps


def grid_options(layer: Layer, machine: Machine) -> list[LayerPlan]:
    """Every grid worth a thought, with what it takes; tensors are `IN_OCM` or `IN_DDR`."""
    grids = dict.fromkeys(itertools.chain(candidates(layer, machine), finest(layer, machine)))
    return [
        LayerPlan(grid, order, *_estimate(layer, {IN_DDR}, grid, order, machine))
        for grid, order in grids
    ]
