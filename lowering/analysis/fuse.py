"""Fused layers: which rows of each tensor a slice of the last layer's rows needs.

IR-free. A group is a run of layers, each reading tensors that earlier ones of the group produce. It
runs in slices of rows: for slice t every layer computes the rows that the later layers need for t
and that were not computed before. Of each inner tensor, memory holds only the rows that are still
needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulsar2.lowering.analysis.regions import (
    ParamDict,
    Range,
    Region,
    Shape,
    split,
    tile_of,
    whole,
)

ROWS = 2
"""The dimension that is sliced: the rows of a [N, C, H, W] tensor."""


@dataclass(frozen=True)
class FusedLayer:
    """A layer of a group: its kernel, its operands' shapes and which tensors they are.

    `tensors` has one entry per operand; a tensor of -1 is a constant.
    """

    kernel: str
    shapes: tuple[Shape, ...]
    tensors: tuple[int, ...]
    params: ParamDict
    output: int

    @property
    def result(self) -> int:
        return self.tensors[self.output]

    @property
    def height(self) -> int:
        return self.shapes[self.output][ROWS]

    def region(self, rows: Range) -> Region:
        """The region of the output with these rows, and all of its other dimensions."""
        out = list(whole(self.shapes[self.output]))
        out[ROWS] = rows
        return tuple(out)

    def input_rows(self, operand: int, rows: Range) -> Range:
        """The rows of an operand that rows of the output need."""
        tile = tile_of(self.kernel, self.shapes, self.params, self.region(rows))
        return tile.regions[operand][ROWS]


@dataclass(frozen=True)
class Slice:
    """What happens for one slice: the new rows of each layer, and the rows held of each tensor."""

    computed: tuple[Range, ...]
    held: dict[int, Range]


def plan_slices(layers: Sequence[FusedLayer], inner: frozenset[int], tiles: int) -> list[Slice]:
    """The slices of a group. `inner` are the tensors that exist only slice by slice."""
    readers = {
        t: [
            (index, operand)
            for index, layer in enumerate(layers)
            for operand, tensor in enumerate(layer.tensors)
            if tensor == t and operand != layer.output
        ]
        for t in inner
    }
    done = [0] * len(layers)
    slices: list[Slice] = []
    for number in range(tiles):
        ends = list(done)
        for index in range(len(layers) - 1, -1, -1):
            layer = layers[index]
            if layer.result not in inner:
                ends[index] = max(done[index], split_end(layer.height, tiles, number))
                continue
            for reader, operand in readers[layer.result]:
                if ends[reader] > done[reader]:
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
                held[layer.result] = (min(begins, default=ends[index]), ends[index])
        computed = tuple((begin, end) for begin, end in zip(done, ends, strict=True))
        slices.append(Slice(computed, held))
        done = ends
    return slices


def split_end(height: int, tiles: int, number: int) -> int:
    """Where slice `number` of `tiles` ends."""
    ranges = split(height, tiles)
    return ranges[min(number, len(ranges) - 1)][1]
