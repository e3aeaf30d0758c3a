"""Fused layers: which part of each tensor a tile of the last layers' results needs.

IR-free. A group is a run of layers, each reading tensors that earlier ones of the group produce.
Its image is cut into strips of columns, and each strip into slices of rows. In slice t of a strip
every layer computes the rows that the later layers need for t and that were not computed before. Of
each inner tensor, memory holds only the rows that are still needed. Columns that two strips need
are computed in both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pulsar2.lowering.analysis.regions import (
    ParamDict,
    Range,
    Region,
    Shape,
    Tile,
    split,
    tile_of,
    whole,
)

CHANNELS, ROWS, COLUMNS = 1, 2, 3
"""Dimensions of a [N, C, H, W] tensor, or of N * C matrices; rows and columns are what is cut."""


@dataclass(frozen=True)
class FusedLayer:
    """A layer of a group: its kernel, its operands' shapes and which tensors they are.

    `tensors` has one entry per operand; a tensor of -1 is a constant. Layers may see a tensor with
    more and narrower columns than it has: `ratios` tells, per operand, how many make one of its.
    """

    kernel: str
    shapes: tuple[Shape, ...]
    tensors: tuple[int, ...]
    params: ParamDict
    output: int
    ratios: tuple[int, ...] = ()

    @property
    def result(self) -> int:
        return self.tensors[self.output]

    @property
    def height(self) -> int:
        return self.shapes[self.output][ROWS]

    @property
    def width(self) -> int:
        """Columns of the result, as this layer sees it."""
        return self.shapes[self.output][COLUMNS]

    def ratio(self, operand: int) -> int:
        return self.ratios[operand] if self.ratios else 1

    def region(self, rows: Range, columns: Range | None = None) -> Region:
        """The region of the output with these rows and columns, and all of its other dimensions."""
        out = list(whole(self.shapes[self.output]))
        out[ROWS] = rows
        if columns is not None:
            out[COLUMNS] = columns
        return tuple(out)

    def tile(self, rows: Range, columns: Range | None = None) -> Tile:
        return tile_of(self.kernel, self.shapes, self.params, self.region(rows, columns))

    def input_rows(self, operand: int, rows: Range) -> Range:
        """The rows of an operand that rows of the output need."""
        return self.tile(rows).regions[operand][ROWS]

    def input_columns(self, operand: int, columns: Range) -> Range:
        """The columns of an operand's tensor that columns of the output need."""
        return self.of_tensor(operand, self.tile((0, 1), columns).regions[operand][COLUMNS])

    def of_tensor(self, operand: int, columns: Range) -> Range:
        """Columns of the tensor that hold those of an operand."""
        ratio = self.ratio(operand)
        return columns[0] // ratio, -(-columns[1] // ratio)

    def of_view(self, operand: int, columns: Range) -> Range:
        """The operand's columns in columns of its tensor."""
        ratio = self.ratio(operand)
        return columns[0] * ratio, columns[1] * ratio


@dataclass(frozen=True)
class Slice:
    """What happens for one slice: the new rows of each layer, and the rows held of each tensor."""

    computed: tuple[Range, ...]
    held: dict[int, Range]


@dataclass(frozen=True)
class Strip:
    """What one strip takes: the columns of each layer's output, and those held of each tensor."""

    computed: tuple[Range, ...]
    held: dict[int, Range]


Readers = Mapping[int, Sequence[tuple[int, int]]]
"""Of each tensor that the group writes: which operands of which layers read it."""


def readers_of(layers: Sequence[FusedLayer]) -> dict[int, list[tuple[int, int]]]:
    readers: dict[int, list[tuple[int, int]]] = {layer.result: [] for layer in layers}
    for index, layer in enumerate(layers):
        for operand, tensor in enumerate(layer.tensors):
            if tensor in readers and operand != layer.output:
                readers[tensor].append((index, operand))
    return readers


def plan_slices(layers: Sequence[FusedLayer], inner: Collection[int], tiles: int) -> list[Slice]:
    """The slices of a group. `inner` are the tensors that exist only slice by slice."""
    readers = readers_of(layers)
    done = [0] * len(layers)
    slices: list[Slice] = []
    for number in range(tiles):
        ends = list(done)
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            if layer.result not in inner:
                ends[index] = max(done[index], split_end(layer.height, tiles, number))
            for reader, operand in readers[layer.result]:
                if reader > index and ends[reader] > done[reader]:
                    rows = layers[reader].input_rows(operand, (done[reader], ends[reader]))
                    ends[index] = max(ends[index], rows[1])
        held: dict[int, Range] = {}
        for index, layer in enumerate(layers):
            if layer.result in inner:
                # What a reader needs next it needs from the first row that it has not computed.
                begins = [
                    layers[r].input_rows(o, (done[r], done[r] + 1))[0]
                    for r, o in readers[layer.result]
                    if done[r] < layers[r].height
                ]
                _, end = held.get(layer.result, (0, 0))
                end = max(end, ends[index])
                held[layer.result] = (min([*begins, end]), end)
        computed = tuple((begin, end) for begin, end in zip(done, ends, strict=True))
        slices.append(Slice(computed, held))
        done = ends
    return slices


def plan_strips(layers: Sequence[FusedLayer], inner: Collection[int], strips: int) -> list[Strip]:
    """The strips of a group. Results that exist as a whole are cut into equal ones."""
    readers = readers_of(layers)
    planned: list[Strip] = []
    for number in range(strips):
        computed: list[Range] = [(0, 0)] * len(layers)
        held: dict[int, Range] = {}
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            wanted = [
                layers[reader].input_columns(operand, computed[reader])
                for reader, operand in readers[layer.result]
                if reader > index
            ]
            if layer.result not in inner or not wanted:
                width = layer.width // layer.ratio(layer.output)
                wanted.append(
                    (
                        split_end(width, strips, number - 1) if number else 0,
                        split_end(width, strips, number),
                    )
                )
            columns = hull(wanted)
            computed[index] = layer.of_view(layer.output, columns)
            if layer.result in inner:
                held[layer.result] = hull([columns, held.get(layer.result, columns)])
        planned.append(Strip(tuple(computed), held))
    return planned


def hull(ranges: Sequence[Range]) -> Range:
    """The least range that covers all of `ranges`."""
    return min(begin for begin, _ in ranges), max(end for _, end in ranges)


def split_end(size: int, tiles: int, number: int) -> int:
    """Where slice `number` of `tiles` ends."""
    ranges = split(size, tiles)
    return ranges[min(number, len(ranges) - 1)][1]
