"""Tilings that cut what the sums of a contraction go over.

IR-free. Where memory is short, the input channels of a tile are taken part by part: the sums of
the output stay in OCM, and each part of the weights and of the input is needed for one job only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pulsar2.lowering.analysis.grids import (
    IN_DDR,
    ON_PARAM,
    Layer,
    LayerPlan,
    Machine,
    align,
    candidates,
    counts,
    finest,
    largest_tile,
    overlapped,
    work_share,
)
from pulsar2.lowering.analysis.regions import part_of, reduction, region_shape, tile_of

_JOBS = 4096
"""Into how many jobs a layer is cut at most, if it need not be."""
_MORE = 2
"""How many finer cuts are looked at beyond the first that fits into all of the OCM."""


def part_options(layer: Layer, machine: Machine) -> list[LayerPlan]:
    """Tilings in parts worth a thought, and those of the least memory; as `grid_options`."""
    return list(_options(layer, machine))


def _options(layer: Layer, machine: Machine) -> Iterator[LayerPlan]:
    size = reduction(layer.kernel, [o.shape for o in layer.operands])
    steps = -(-size // machine.lanes_in)
    if steps < 2:
        return
    # The order of tiles matters little: what one has loaded, the next has to load again.
    for grid in dict.fromkeys(grid for grid, _ in candidates(layer, machine)):
        tile = _Tile(layer, machine, grid)
        left = _MORE
        for count in counts(steps)[1:]:
            part = -(-steps // count) * machine.lanes_in
            if tile.count * -(-size // part) > _JOBS:
                break
            plan = tile.plan(part)
            yield plan
            if plan.working_set <= machine.ocm_bytes:
                left -= 1
                if left < 0:
                    break
    for grid, _ in finest(layer, machine):
        yield _Tile(layer, machine, grid).plan(machine.lanes_in)


class _Tile:
    """What the tiles of a grid take, as far as all cuts of their sums have that in common."""

    def __init__(self, layer: Layer, machine: Machine, grid: tuple[int, ...]):
        self._layer, self._machine, self._grid = layer, machine, grid
        shapes = [o.shape for o in layer.operands]
        self._size = reduction(layer.kernel, shapes)
        self._tile = tile_of(layer.kernel, shapes, layer.params, largest_tile(layer, grid))
        self.count = math.prod(grid)
        out = self._tile.regions[layer.output]
        self._sums = math.prod(region_shape(out)) * layer.sum_bytes
        self._compute = layer.compute * work_share(layer, out, machine)
        whole = [
            operand.nbytes(region_shape(region))
            for operand, region in zip(layer.operands, self._tile.regions, strict=True)
        ]
        self._touched = sum(whole)
        self._moving = [i for i, o in enumerate(layer.operands) if o.tensor in (ON_PARAM, IN_DDR)]
        self._factors = sum(i < 2 for i in self._moving)
        self._traffic = sum(whole[i] for i in self._moving)
        # Held beside the two factors, of which there is only a part at a time.
        self._held = sum(
            align(whole[i], machine.alignment)
            for i in self._moving[self._factors :]
            if i != layer.output or not layer.writes_ddr
        )

    def plan(self, part: int) -> LayerPlan:
        """What it takes with the sums in parts of `part` channels."""
        layer, machine = self._layer, self._machine
        piece = part_of(layer.kernel, self._tile, (0, min(part, self._size)))
        parts = -(-self._size // part)
        factors = self._moving[: self._factors]
        held = self._held + sum(
            align(layer.operands[i].nbytes(region_shape(piece.regions[i])), machine.alignment)
            for i in factors
        )
        sums = align(self._sums, machine.alignment)
        # Each part but the first reads the sums, each but the last writes them.
        touched = self._touched + 2 * (parts - 1) * self._sums
        one = max(self._compute, touched / machine.port_rate) + parts * machine.launch
        compute = -(-self.count // layer.units) * one
        # One load of constants for each part, and one of each factor in DDR.
        loads = parts * (1 + sum(layer.operands[i].tensor != ON_PARAM for i in factors))
        stores = int(layer.output in self._moving)
        move = self._traffic * self.count / machine.ddr_rate
        move += self.count * (loads + stores) * machine.launch
        return LayerPlan(
            self._grid,
            layer.memory_order,
            sums * min(2, self.count) + 2 * held,
            sums + held,
            overlapped(compute, move, self.count * parts),
            part,
        )
