"""Which runs of layers to fuse, and into how many slices.

IR-free. Where tensors do not stay in OCM, a run of layers that hands them on slice by slice saves
their way to DDR and back. Groups are found greedily: from each layer on, the run that gains most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pulsar2.lowering.analysis.fuse import ROWS, FusedLayer, Slice, plan_slices
from pulsar2.lowering.analysis.regions import cut_steps

_LONGEST = 12
"""Layers in a group at most: longer ones hold many weights and gain little more."""


@dataclass(frozen=True)
class FusionTensor:
    """An activation: its bytes, whether slices of it may be handed on, and the layers using it."""

    nbytes: int
    sliceable: bool
    users: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Layers [first, last] run in `tiles` slices; `inner` are the tensors that stay in OCM."""

    first: int
    last: int
    tiles: int
    inner: frozenset[int]


def choose_groups(
    layers: Sequence[FusedLayer],
    tensors: Mapping[int, FusionTensor],
    in_ddr: Collection[int],
    itemsizes: Sequence[Sequence[int]],
    room: Callable[[int, int], int],
    gain: Callable[[Group], float],
) -> list[Group]:
    """The groups, in order and apart.

    `in_ddr` are the tensors that would lie in DDR, `itemsizes` the bytes per element of each
    layer's operands, and `room(first, last)` the bytes of OCM that resident tensors leave to a run
    of layers. `gain` tells what a group is worth, in cycles; only what is worth something is taken.
    """
    groups: list[Group] = []
    first = 0
    while first < len(layers):
        best: tuple[float, Group] | None = None
        for last in range(first + 1, min(first + _LONGEST, len(layers))):
            if not _joins(layers[last]) or not _joins(layers[first]):
                break
            inner = _inner(layers, tensors, in_ddr, first, last)
            if _handed_on(layers, first, last) - inner:
                continue
            if not inner:
                continue
            tiles = _fewest_tiles(layers, in_ddr, itemsizes, first, last, inner, room(first, last))
            if not tiles:
                continue
            group = Group(first, last, tiles, inner)
            worth = gain(group)
            if worth > 0 and (best is None or worth > best[0]):
                best = worth, group
        if best is None:
            first += 1
        else:
            groups.append(best[1])
            first = best[1].last + 1
    return groups


def _joins(layer: FusedLayer) -> bool:
    """Whether the layer can be computed row by row."""
    shape = layer.shapes[layer.output]
    if len(shape) != 4:
        return False
    return cut_steps(layer.kernel, layer.shapes, layer.params, layer.output)[ROWS] > 0


def _inner(
    layers: Sequence[FusedLayer],
    tensors: Mapping[int, FusionTensor],
    in_ddr: Collection[int],
    first: int,
    last: int,
) -> frozenset[int]:
    """Tensors in DDR that only layers first..last produce and read."""
    return frozenset(
        layers[i].result
        for i in range(first, last)
        if layers[i].result in in_ddr
        and tensors[layers[i].result].sliceable
        and all(first <= user <= last for user in tensors[layers[i].result].users)
        and sum(1 for k in range(first, last + 1) if layers[k].result == layers[i].result) == 1
        and any(user > i for user in tensors[layers[i].result].users)
    )


def _handed_on(layers: Sequence[FusedLayer], first: int, last: int) -> set[int]:
    """Tensors that one layer of first..last writes and another reads."""
    group = layers[first : last + 1]
    written = {layer.result for layer in group}
    return {
        tensor
        for layer in group
        for operand, tensor in enumerate(layer.tensors)
        if operand != layer.output and tensor in written
    }


def _fewest_tiles(
    layers: Sequence[FusedLayer],
    in_ddr: Collection[int],
    itemsizes: Sequence[Sequence[int]],
    first: int,
    last: int,
    inner: frozenset[int],
    room: int,
) -> int:
    """The fewest slices whose working set fits in `room` bytes; 0 when none does."""
    group = layers[first : last + 1]
    sizes = itemsizes[first : last + 1]
    if _constant_bytes(group, sizes) > room:
        return 0
    height = group[-1].height
    tiles = 2
    while tiles <= height:
        slices = plan_slices(group, inner, tiles)
        if _working_set(group, sizes, in_ddr, inner, slices) <= room:
            return tiles
        tiles = height if tiles < height < tiles * 3 // 2 else max(tiles + 1, tiles * 3 // 2)
    return 0


def _constant_bytes(group: Sequence[FusedLayer], itemsizes: Sequence[Sequence[int]]) -> int:
    """OCM bytes of all constants of the group."""
    return sum(
        math.prod(shape) * item + 64
        for layer, items in zip(group, itemsizes, strict=True)
        for tensor, shape, item in zip(layer.tensors, layer.shapes, items, strict=True)
        if tensor < 0
    )


def _working_set(
    group: Sequence[FusedLayer],
    itemsizes: Sequence[Sequence[int]],
    in_ddr: Collection[int],
    inner: frozenset[int],
    slices: Sequence[Slice],
) -> int:
    """OCM bytes of the group at its fullest: all constants, two windows of each inner tensor, and
    two tiles of each operand in DDR."""
    total = _constant_bytes(group, itemsizes)
    for position, layer in enumerate(group):
        for index, (tensor, shape) in enumerate(zip(layer.tensors, layer.shapes, strict=True)):
            item = itemsizes[position][index]
            if tensor < 0:
                continue
            if tensor in inner and index == layer.output:
                row = math.prod(shape) // shape[ROWS] * item
                total += 2 * row * max(s.held[tensor][1] - s.held[tensor][0] for s in slices)
            elif tensor in in_ddr and tensor not in inner:
                row = math.prod(shape) // max(1, shape[ROWS]) * item
                most = 0
                for each in slices:
                    begin, end = each.computed[position]
                    if begin == end:
                        continue
                    rows = (begin, end)
                    if index != layer.output:
                        rows = layer.input_rows(index, rows)
                    most = max(most, rows[1] - rows[0])
                total += 2 * row * most
    return total
