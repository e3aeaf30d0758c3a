"""Residency and tile grids: what stays in OCM, and how each layer is cut.

IR-free. Two decisions, both by cost:

- *Residency*. An activation tensor either lies in OCM as a whole, from the first job that writes
  it to the last that reads it, or in DDR, where tiles are loaded and stored one by one. Tensors are
  put into DDR, cheapest traffic first, until what stays fits beside the working set of every layer.
- *Grid*. Every layer is cut into tiles along its output's dimensions, so that the units of its
  class share it, loads overlap with compute, and its working set fits. Grids are compared by an
  estimate of their time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pulsar2.lowering.analysis.regions import (
    ParamDict,
    Region,
    Shape,
    cut_steps,
    region_shape,
    split,
    tile_of,
)

ON_PARAM = -1
"""`Operand.tensor` of a constant: its bytes are loaded from the parameter segment."""
_IN_OCM, _IN_DDR = 0, 1
_TOLERABLE = 1.5
"""How much slower than at best a layer may get before a tensor is moved out of its way."""
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
class Tensor:
    """One activation tensor: its bytes, and whether it lies in DDR whatever we choose."""

    nbytes: int
    external: bool = False


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
    """Whether the layer's units may write to DDR without a copy by the sdma."""


@dataclass(frozen=True)
class Machine:
    """What the plan has to respect: bytes of OCM, cycles to launch a job, bytes per cycle."""

    ocm_bytes: int
    launch: float
    ddr_rate: float
    """Bytes per cycle between DDR and OCM, all sdmas together."""
    port_rate: float
    """Bytes per cycle between a unit and OCM."""
    lanes_out: int
    alignment: int = 64


@dataclass
class LayerPlan:
    grid: tuple[int, ...]
    order: tuple[int, ...]
    working_set: int
    time: float


@dataclass
class Plan:
    """The outcome: tensors that lie in DDR, and the grid of each layer."""

    spilled: set[int] = field(default_factory=set[int])
    layers: list[LayerPlan] = field(default_factory=list[LayerPlan])
    resident: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """First layer, last layer and bytes of each tensor that lies in OCM."""
    capacity: int = 0

    def room(self, first: int, last: int) -> int:
        """Bytes of OCM that no tensor alive anywhere in layers first..last takes."""
        alive = sum(n for begin, end, n in self.resident if begin <= last and end >= first)
        return self.capacity - alive


class OutOfMemory(Exception):
    """No grid makes the working set of layer number `layer` fit; `need` and `have` are bytes."""

    def __init__(self, layer: int, need: int, have: int):
        super().__init__(f"layer {layer} needs {need} bytes of OCM, there are {have}")
        self.layer, self.need, self.have = layer, need, have


def plan_layers(layers: Sequence[Layer], tensors: Sequence[Tensor], machine: Machine) -> Plan:
    """Decides residency and grids for layers in execution order. Raises `OutOfMemory`."""
    plan = Plan({i for i, t in enumerate(tensors) if t.external})
    lives = _live_ranges(layers, len(tensors))
    options: dict[Layer, list[LayerPlan]] = {}

    def plans(index: int) -> list[LayerPlan]:
        """The layer's possible grids under the present residency."""
        # Equal layers in equal circumstances are planned once; most networks repeat themselves.
        layer = _anonymous(layers[index], plan.spilled)
        if layer not in options:
            options[layer] = _options(layer, machine)
        return options[layer]

    def least(index: int) -> int:
        """The working set below which the layer cannot run, or only much slower."""
        fastest = min(p.time for p in plans(index))
        return min(p.working_set for p in plans(index) if p.time <= _TOLERABLE * fastest)

    # Resident tensors fragment the memory between them; a tenth is kept for that.
    capacity = machine.ocm_bytes * 9 // 10
    stuck: set[int] = set()
    while True:
        live = _live_bytes(lives, tensors, plan.spilled, len(layers), machine.alignment)
        over = {i: live[i] + least(i) - capacity for i in range(len(layers)) if i not in stuck}
        worst = max(over, key=lambda i: over[i], default=-1)
        if worst < 0 or over[worst] <= 0:
            break
        victim = _victim(worst, layers, lives, tensors, plan.spilled)
        if victim is None:
            # Nothing is left to move there: a slow grid has to do.
            stuck.add(worst)
        else:
            plan.spilled.add(victim)
    live = _live_bytes(lives, tensors, plan.spilled, len(layers), machine.alignment)
    plan.capacity = capacity
    plan.resident = [
        (first, last, _align(tensors[t].nbytes, machine.alignment))
        for t, (first, last) in enumerate(lives)
        if t not in plan.spilled and last >= 0
    ]
    for index in range(len(layers)):
        smallest = min(p.working_set for p in plans(index))
        if smallest + live[index] > machine.ocm_bytes:
            raise OutOfMemory(index, smallest + live[index], machine.ocm_bytes)
        budget = max(capacity - live[index], smallest)
        fitting = (p for p in plans(index) if p.working_set <= budget)
        plan.layers.append(min(fitting, key=lambda p: p.time))
    return plan


def _anonymous(layer: Layer, spilled: Collection[int]) -> Layer:
    """The layer with its tensors told apart only by where they lie."""

    def place(tensor: int) -> int:
        if tensor == ON_PARAM:
            return tensor
        return _IN_DDR if tensor in spilled else _IN_OCM

    operands = tuple(replace(o, tensor=place(o.tensor)) for o in layer.operands)
    return replace(layer, operands=operands)


def _live_ranges(layers: Sequence[Layer], count: int) -> list[tuple[int, int]]:
    first, last = [len(layers)] * count, [-1] * count
    for index, layer in enumerate(layers):
        for operand in layer.operands:
            if operand.tensor != ON_PARAM:
                first[operand.tensor] = min(first[operand.tensor], index)
                last[operand.tensor] = max(last[operand.tensor], index)
    return list(zip(first, last, strict=True))


def _live_bytes(
    lives: Sequence[tuple[int, int]],
    tensors: Sequence[Tensor],
    spilled: set[int],
    steps: int,
    alignment: int,
) -> list[int]:
    change = [0] * (steps + 1)
    for index, (first, last) in enumerate(lives):
        if index not in spilled and last >= 0:
            change[first] += _align(tensors[index].nbytes, alignment)
            change[last + 1] -= _align(tensors[index].nbytes, alignment)
    return list(itertools.accumulate(change))[:steps]


def _victim(
    at: int,
    layers: Sequence[Layer],
    lives: Sequence[tuple[int, int]],
    tensors: Sequence[Tensor],
    spilled: set[int],
) -> int | None:
    """The resident tensor alive at layer `at` whose move to DDR costs least for what it frees.

    A tensor that the layer does not touch frees all its bytes there; one that it does is tiled, so
    it frees almost all. Traffic is one store and a load by each layer that reads it.
    """
    touched = {o.tensor for o in layers[at].operands}
    best: tuple[float, int] | None = None
    for index, (first, last) in enumerate(lives):
        if index in spilled or not first <= at <= last:
            continue
        uses = sum(
            1 for i in range(first, last + 1) for o in layers[i].operands if o.tensor == index
        )
        cost = uses * (1.5 if index in touched else 1.0) / math.sqrt(tensors[index].nbytes)
        if best is None or cost < best[0]:
            best = (cost, index)
    return None if best is None else best[1]


def _align(nbytes: int, alignment: int) -> int:
    return -(-nbytes // alignment) * alignment


def _cuts(layer: Layer) -> tuple[Shape, Shape, list[int]]:
    """Output shape, cut granularity, and the dimensions that may be cut, outermost first."""
    shapes = [o.shape for o in layer.operands]
    out = shapes[layer.output]
    steps = cut_steps(layer.kernel, shapes, layer.params, layer.output)
    return out, steps, [d for d in layer.memory_order if steps[d]]


def _finest(layer: Layer, machine: Machine) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
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


def _stationary(layer: Layer, grid: Sequence[int]) -> tuple[int, ...]:
    """Loop order with the channel dimension outermost, so that each slice of weights loads once."""
    order = list(layer.memory_order)
    channel = next((d for d in order if _is_channel(layer, d)), None)
    if channel is not None and grid[channel] > 1:
        order.remove(channel)
        order.insert(0, channel)
    return tuple(order)


def _candidates(
    layer: Layer, machine: Machine
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    out, steps, cuttable = _cuts(layer)
    choices: list[list[int]] = []
    for dim in range(len(out)):
        if dim not in cuttable:
            choices.append([1])
            continue
        if not _is_channel(layer, dim):
            choices.append(_counts(-(-out[dim] // steps[dim])))
            continue
        counts = set(_counts(-(-out[dim] // math.lcm(steps[dim], machine.lanes_out))))
        # Slices that leave lanes idle, for where memory is short.
        for idle in (4, 16):
            counts.add(-(-out[dim] // max(steps[dim], machine.lanes_out // idle)))
        choices.append(sorted(counts))
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


def _counts(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, ... up to `most`, and `most` itself."""
    counts = {1, most}
    power = 2
    while power <= most:
        counts.add(power)
        if power * 3 // 2 <= most:
            counts.add(power * 3 // 2)
        power *= 2
    return sorted(counts)


def _largest_tile(layer: Layer, grid: Sequence[int]) -> Region:
    out, steps, _ = _cuts(layer)
    region: list[tuple[int, int]] = []
    for dim, parts in enumerate(grid):
        ranges = split(out[dim], parts, max(1, steps[dim]))
        middle = ranges[len(ranges) // 2]
        region.append(max(ranges, key=lambda r: (r[1] - r[0], r == middle)))
    return tuple(region)


class _Estimate(NamedTuple):
    """OCM bytes beside resident tensors, with the next tile's loads in flight; cycles."""

    working_set: int
    time: float


def _estimate(
    layer: Layer,
    spilled: Collection[int],
    grid: Sequence[int],
    order: Sequence[int],
    machine: Machine,
) -> _Estimate:
    """What the layer takes with this grid, loads and compute overlapped."""
    tile = tile_of(
        layer.kernel,
        [o.shape for o in layer.operands],
        layer.params,
        _largest_tile(layer, grid),
    )
    tiles = math.prod(grid)
    channel_outer = bool(order) and _is_channel(layer, order[0])
    channel_parts = math.prod(n for d, n in enumerate(grid) if _is_channel(layer, d))
    working_set, traffic, transfers, touched = 0, 0.0, channel_parts, 0
    for index, (operand, region) in enumerate(zip(layer.operands, tile.regions, strict=True)):
        nbytes = operand.nbytes(region_shape(region))
        touched += nbytes
        if operand.tensor != ON_PARAM and operand.tensor not in spilled:
            continue
        held = _align(nbytes, machine.alignment)
        if operand.tensor == ON_PARAM:
            # Weight slices come one after another when channels are the outer loop; otherwise all
            # of them stay until the last tile.
            total = operand.nbytes(operand.shape)
            slices = min(2, tiles) if channel_outer else tiles
            working_set += min(_align(total, machine.alignment), held * slices)
            traffic += total
            continue
        loads = tiles
        if index != layer.output and not channel_outer:
            # Neighbouring channel slices of one tile share what was loaded for the first.
            loads = tiles // channel_parts
        traffic += nbytes * loads
        transfers += loads
        if index != layer.output or not layer.writes_ddr:
            working_set += held * min(2, tiles)
    share = 1.0
    for dim, ((begin, end), n) in enumerate(
        zip(tile.regions[layer.output], layer.operands[layer.output].shape, strict=True)
    ):
        # Channels fill the array by whole steps of its lanes.
        step = machine.lanes_out if _is_channel(layer, dim) else 1
        share *= -(-(end - begin) // step) / -(-n // step)
    rounds = -(-tiles // layer.units)
    one = max(layer.compute * share, touched / machine.port_rate)
    compute = rounds * (one + machine.launch)
    move = traffic / machine.ddr_rate + transfers * machine.launch
    # Loads run ahead of compute across layers, so what is not the longer of the two here still
    # delays another layer; and nothing overlaps with the first tile's load or the last one's
    # compute.
    time = max(compute, move) + HIDDEN * min(compute, move) + 0.5 * (compute + move) / tiles
    return _Estimate(working_set, time)


def _options(layer: Layer, machine: Machine) -> list[LayerPlan]:
    """Every grid worth a thought, with what it takes; tensors are `_IN_OCM` or `_IN_DDR`."""
    grids = dict.fromkeys(itertools.chain(_candidates(layer, machine), _finest(layer, machine)))
    return [
        LayerPlan(grid, order, *_estimate(layer, {_IN_DDR}, grid, order, machine))
        for grid, order in grids
    ]
