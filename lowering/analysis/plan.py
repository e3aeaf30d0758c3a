"""Residency and tile grids: what stays in OCM, and how each layer is cut.

IR-free. Three decisions, both by cost:

- *Residency*. An activation tensor either lies in OCM as a whole, from the first job that writes
  it to the last that reads it, or in DDR, where tiles are loaded and stored one by one. Tensors are
  put into DDR, cheapest traffic first, until what stays fits beside the working set of every layer.
- *Groups*. Runs of layers may be fused, so that tensors between them go to DDR no more (see
  `fuse_plan`).
- *Grid*. Every other layer is cut into tiles (see `grids`), and where memory is short its sums into
  parts (see `partial_sums`). Grids are compared by an estimate of their time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pulsar2.lowering.analysis.fuse import FusedLayer
from pulsar2.lowering.analysis.fuse_plan import Group, Segments, choose_groups, group_of
from pulsar2.lowering.analysis.grids import (
    ON_PARAM,
    Layer,
    LayerPlan,
    Machine,
    align,
    anonymous,
    grid_options,
)
from pulsar2.lowering.analysis.partial_sums import part_options

_TOLERABLE = 1.5
"""How much slower than at best a layer may get before a tensor is moved out of its way."""


_ROOMY = 0.5
"""Of the OCM, a share that a layer may take before tensors move out of the way of whole sums."""
_WORTH = 0.9
"""What sums in parts have to leave of the time at most, to be chosen: more jobs wait for others."""


@dataclass(frozen=True)
class Tensor:
    """One activation tensor: its bytes, and whether it lies in DDR whatever we choose."""

    nbytes: int
    external: bool = False


class OutOfMemory(Exception):
    """No grid makes the working set of layer number `layer` fit; `need` and `have` are bytes."""

    def __init__(self, layer: int, need: int, have: int):
        super().__init__(f"layer {layer} needs {need} bytes of OCM, there are {have}")
        self.layer, self.need, self.have = layer, need, have


@dataclass
class Plan:
    """The outcome: tensors that lie in DDR, groups of fused layers, and the grid of each layer."""

    spilled: set[int] = field(default_factory=set[int])
    groups: list[Group] = field(default_factory=list[Group])
    layers: list[LayerPlan] = field(default_factory=list[LayerPlan])


@dataclass(frozen=True)
class Fusing:
    """Which layers may be fused, and what they look like to fusion.

    Of `sliceable` tensors tiles may be handed on; `unlike` ones are not seen with the same rows by
    all of their layers.
    """

    layers: Sequence[FusedLayer]
    sliceable: Collection[int]
    unlike: Collection[int]
    slices: bool
    tiles: bool


def plan_layers(
    layers: Sequence[Layer],
    tensors: Sequence[Tensor],
    machine: Machine,
    fusing: Fusing | None = None,
) -> Plan:
    """Decides residency, groups and grids for layers in execution order. Raises `OutOfMemory`."""
    planner = _Planner(layers, tensors, machine)
    planner.spill()
    planner.restore()
    if fusing is not None:
        planner.fuse(fusing)
        planner.restore()
    return planner.plan()


class _Planner:
    def __init__(self, layers: Sequence[Layer], tensors: Sequence[Tensor], machine: Machine):
        self._layers = layers
        self._sizes = [align(t.nbytes, machine.alignment) for t in tensors]
        self._external = {i for i, t in enumerate(tensors) if t.external}
        self._machine = machine
        self._spilled = set(self._external)
        self._groups: list[Group] = []
        self._group_of: Mapping[int, Group] = {}
        self._lives = _live_ranges(layers, len(tensors))
        self._users: list[list[int]] = [[] for _ in tensors]
        for index, layer in enumerate(layers):
            for operand in layer.operands:
                if operand.tensor != ON_PARAM:
                    self._users[operand.tensor].append(index)
        self._current: dict[int, list[LayerPlan]] = {}
        self._needs: dict[int, int] = {}
        self._options: dict[Layer, list[LayerPlan]] = {}
        self._in_parts: dict[Layer, list[LayerPlan]] = {}
        # Resident tensors fragment the memory between them; a tenth is kept for that.
        self._capacity = machine.ocm_bytes * 9 // 10

    def _plans(self, index: int) -> list[LayerPlan]:
        """The layer's possible grids under the present residency."""
        if index not in self._current:
            # Equal layers in equal circumstances are planned once; most networks repeat themselves.
            layer = anonymous(self._layers[index], self._spilled)
            if layer not in self._options:
                self._options[layer] = grid_options(layer, self._machine)
            self._current[index] = self._options[layer]
        return self._current[index]

    def _plans_in_parts(self, index: int) -> list[LayerPlan]:
        """The same with the layer's sums in parts; none where they cannot be."""
        layer = anonymous(self._layers[index], self._spilled)
        if layer not in self._in_parts:
            options = part_options(layer, self._machine) if layer.sum_bytes else []
            self._in_parts[layer] = options
        return self._in_parts[layer]

    def _moved(self, tensor: int) -> None:
        """Forgets what depends on where a tensor lies."""
        for index in self._users[tensor]:
            self._current.pop(index, None)
            self._needs.pop(index, None)

    def _least(self, index: int) -> int:
        """The working set below which the layer cannot run, or only much slower."""
        group = self._group_of.get(index)
        if group is not None:
            return group.working_set
        if index not in self._needs:
            plans = self._plans(index)
            slowest = _TOLERABLE * min(p.time for p in plans)
            least = min(p.working_set for p in plans if p.time <= slowest)
            if least > _ROOMY * self._capacity:
                parts = self._plans_in_parts(index)
                least = min([least, *(p.working_set for p in parts if p.time <= slowest)])
            self._needs[index] = least
        return self._needs[index]

    def _live(self) -> list[int]:
        """Bytes of the tensors that lie in OCM as a whole, at each layer."""
        change = [0] * (len(self._layers) + 1)
        inner = {tensor for group in self._groups for tensor in group.inner}
        for tensor, (first, last) in enumerate(self._lives):
            if tensor not in self._spilled and tensor not in inner and last >= 0:
                change[first] += self._sizes[tensor]
                change[last + 1] -= self._sizes[tensor]
        return list(itertools.accumulate(change))[: len(self._layers)]

    def spill(self) -> None:
        """Moves tensors to DDR until what stays fits beside the working set of every layer."""
        stuck: set[int] = set()
        live = self._live()
        over = [live[i] + self._least(i) - self._capacity for i in range(len(self._layers))]
        while True:
            worst = max(
                (i for i in range(len(over)) if i not in stuck), key=lambda i: over[i], default=-1
            )
            if worst < 0 or over[worst] <= 0:
                break
            victim = self._victim(worst)
            if victim is None:
                # Nothing is left to move there: a slow grid has to do.
                stuck.add(worst)
                continue
            self._spilled.add(victim)
            self._moved(victim)
            live = self._live()
            over = [live[i] + self._least(i) - self._capacity for i in range(len(self._layers))]

    def _victim(self, at: int) -> int | None:
        """The resident tensor alive at layer `at` whose move to DDR costs least for what it frees.

        A tensor that the layer does not touch frees all its bytes there; one that it does is tiled,
        so it frees almost all. Traffic is one store and a load by each layer that reads it.
        """
        touched = {o.tensor for o in self._layers[at].operands}
        best: tuple[float, int] | None = None
        for tensor, (first, last) in enumerate(self._lives):
            if tensor in self._spilled or not first <= at <= last:
                continue
            uses = len(self._users[tensor]) * (1.5 if tensor in touched else 1.0)
            cost = uses / math.sqrt(self._sizes[tensor])
            if best is None or cost < best[0]:
                best = (cost, tensor)
        return None if best is None else best[1]

    def restore(self) -> None:
        """Takes tensors back to OCM for which there is room after all, most traffic first."""
        inner = {tensor for group in self._groups for tensor in group.inner}
        candidates = sorted(
            self._spilled - self._external - inner,
            key=lambda t: (-len(self._users[t]) * self._sizes[t], t),
        )
        live = self._live()
        for tensor in candidates:
            first, last = self._lives[tensor]
            self._spilled.discard(tensor)
            self._moved(tensor)
            size = self._sizes[tensor]
            if all(
                live[i] + size + self._least(i) <= self._capacity for i in range(first, last + 1)
            ):
                for i in range(first, last + 1):
                    live[i] += size
            else:
                self._spilled.add(tensor)
                self._moved(tensor)

    def fuse(self, fusing: Fusing) -> None:
        """Chooses runs of layers to fuse; what is alive somewhere in one is so all along it."""
        live = self._live()
        segments = Segments(
            self._layers,
            fusing.layers,
            self._lives,
            self._sizes,
            self._spilled,
            fusing.sliceable,
            fusing.unlike,
            [self._choose(i, live[i]).time for i in range(len(self._layers))],
            self._capacity,
            self._machine,
            fusing.slices,
            fusing.tiles,
        )
        self._groups = choose_groups(segments)
        self._group_of = group_of(self._groups)
        for group in self._groups:
            for tensor in sorted(group.inner & self._spilled):
                self._spilled.discard(tensor)
                self._moved(tensor)
            for tensor, (first, last) in enumerate(self._lives):
                if first <= group.last and last >= group.first:
                    self._lives[tensor] = min(first, group.first), max(last, group.last)

    def _choose(self, index: int, live: int) -> LayerPlan:
        """The fastest grid of a layer beside `live` bytes of tensors."""
        plans = self._plans(index)
        best = self._fastest(plans, live)
        if best is None or min(p.time for p in plans) < _WORTH * best.time:
            cut = self._fastest(self._plans_in_parts(index), live)
            if cut is not None and (best is None or cut.time < _WORTH * best.time):
                return cut
        return self._one_by_one(index) if best is None else best

    def _fastest(self, plans: Sequence[LayerPlan], live: int) -> LayerPlan | None:
        """The fastest of the plans beside `live` bytes of tensors, if any fits there."""
        smallest = min((p.working_set for p in plans), default=self._machine.ocm_bytes + 1)
        if smallest + live > self._machine.ocm_bytes:
            return None
        budget = max(self._capacity - live, smallest)
        return min((p for p in plans if p.working_set <= budget), key=lambda p: p.time)

    def _one_by_one(self, index: int) -> LayerPlan:
        """The grid of the smallest tiles, for one at a time: all else may leave OCM meanwhile."""
        own = {o.tensor for o in self._layers[index].operands} - {ON_PARAM} - self._spilled
        plans = [*self._plans(index), *self._plans_in_parts(index)]
        least = min(plans, key=lambda p: (p.smallest, p.time))
        need = least.smallest + sum(self._sizes[tensor] for tensor in own)
        if need > self._machine.ocm_bytes and index not in self._group_of:
            raise OutOfMemory(index, need, self._machine.ocm_bytes)
        return least

    def plan(self) -> Plan:
        live = self._live()
        grids = [self._choose(i, live[i]) for i in range(len(self._layers))]
        return Plan(self._spilled, self._groups, grids)


def _live_ranges(layers: Sequence[Layer], count: int) -> list[tuple[int, int]]:
    first, last = [len(layers)] * count, [-1] * count
    for index, layer in enumerate(layers):
        for operand in layer.operands:
            if operand.tensor != ON_PARAM:
                first[operand.tensor] = min(first[operand.tensor], index)
                last[operand.tensor] = max(last[operand.tensor], index)
    return list(zip(first, last, strict=True))
