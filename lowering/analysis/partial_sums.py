"""Tilings that cut what the sums of a contraction go over.

IR-free. Where memory is short, the input channels of a tile are taken part by part: the sums of
the output stay in OCM, and each part of the weights and of the input is needed for one job only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from pulsar2.lowering.analysis.grids import (
    IN_DDR,
    ON_PARAM,
    Estimate,
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
        left = _MORE
        for count in counts(steps)[1:]:
            part = -(-steps // count) * machine.lanes_in
            if math.prod(grid) * -(-size // part) > _JOBS:
                break
            plan = _plan(layer, grid, part, machine)
            yield plan
            if plan.working_set <= machine.ocm_bytes:
                left -= 1
                if left < 0:
                    break
    for grid, _ in finest(layer, machine):
        yield _plan(layer, grid, machine.lanes_in, machine)


def _plan(layer: Layer, grid: tuple[int, ...], part: int, machine: Machine) -> LayerPlan:
    estimate = _estimate(layer, {IN_DDR}, grid, part, machine)
    return LayerPlan(grid, layer.memory_order, *estimate, part=part)


def _estimate(
    layer: Layer, spilled: Collection[int], grid: Sequence[int], part: int, machine: Machine
) -> Estimate:
    """What the layer takes with this grid, its sums in parts of `part` channels."""
    shapes = [o.shape for o in layer.operands]
    tile = tile_of(layer.kernel, shapes, layer.params, largest_tile(layer, grid))
    piece = part_of(layer.kernel, tile, (0, part))
    parts = -(-reduction(layer.kernel, shapes) // part)
    tiles = math.prod(grid)
    out = tile.regions[layer.output]
    sums = math.prod(region_shape(out)) * layer.sum_bytes
    # Each part but the first reads the sums, each but the last writes them.
    touched = 2 * (parts - 1) * sums
    smallest = align(sums, machine.alignment)
    working_set, traffic, transfers = smallest * min(2, tiles), 0, tiles * parts
    for index, operand in enumerate(layer.operands):
        nbytes = operand.nbytes(region_shape(tile.regions[index]))
        touched += nbytes
        if operand.tensor != ON_PARAM and operand.tensor not in spilled:
            continue
        traffic += nbytes * tiles
        if operand.tensor != ON_PARAM:
            transfers += tiles if index == layer.output else tiles * parts
        if index != layer.output or not layer.writes_ddr:
            shape = region_shape(piece.regions[index])
            held = align(operand.nbytes(shape), machine.alignment)
            smallest += held
            working_set += 2 * held
    share = work_share(layer, out, machine)
    one = max(layer.compute * share, touched / machine.port_rate) + parts * machine.launch
    compute = -(-tiles // layer.units) * one
    move = traffic / machine.ddr_rate + transfers * machine.launch
    return Estimate(working_set, smallest, overlapped(compute, move, tiles * parts))
