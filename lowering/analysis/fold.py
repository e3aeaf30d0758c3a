"""Convolutions that compute neighbouring columns side by side.

IR-free. With few output channels much of the multiplier array idles. Where the pixels of a row
follow one another in memory, several columns of the output are one pixel of that many times the
channels: a convolution with a wider kernel and stride, each copy of the filters at its own column
and zero elsewhere, computes the same sums. Columns of the input may be taken together as well,
where their channels leave input lanes idle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pulsar2.weights import AnyArray

WIDEST = 15
"""Columns of a kernel at most: what one job of a conv unit takes."""
_BLOCKS = 4
"""Times the output lanes that columns of a merged input fill at most: more only repeat it."""


@dataclass(frozen=True)
class Fold:
    """How many columns of the output, and how many of the input, are one pixel.

    With `apart`, each column of the output reads only the part of one input pixel that is its own:
    the columns are groups of the convolution.
    """

    columns: int = 1
    merged: int = 1
    apart: bool = False


PLAIN = Fold()
"""Pixels as they are."""


@dataclass(frozen=True)
class Rows:
    """What folding goes by of a convolution.

    Columns of its input and output, kernel, stride and left padding along them; channels of its
    input and output, and their groups.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    pad: int
    channels_in: int
    channels_out: int
    groups: int

    def lead(self, fold: Fold) -> int:
        """Columns of zeros before the filters, which bring them to a whole input pixel."""
        return -self.pad % fold.merged

    def width(self, fold: Fold) -> int:
        """Columns of the folded kernel."""
        taken = self.kernel + (fold.columns - 1) * self.stride + self.lead(fold)
        return 1 if fold.apart else -(-taken // fold.merged)

    def folded_pad(self, fold: Fold) -> int:
        """The left padding in input pixels."""
        return -(-self.pad // fold.merged)

    def folded_stride(self, fold: Fold) -> int:
        """Input pixels from one output pixel to the next."""
        return fold.columns * self.stride // fold.merged


def foldings(rows: Rows, lanes_in: int, lanes_out: int, *, merges: bool) -> Iterator[Fold]:
    """The folds to think of; those of several input columns only where the input `merges`."""
    filled = _filled(rows.channels_in // rows.groups, lanes_in)
    for columns in range(2, rows.outputs + 1):
        plain = Fold(columns)
        narrow = rows.width(plain) <= WIDEST
        few = columns * rows.channels_out <= _BLOCKS * lanes_out
        if not narrow and not (merges and few):
            return
        if rows.outputs % columns:
            continue
        if narrow:
            yield plain
        if not merges or not few:
            continue
        for merged in range(2, columns * rows.stride + 1):
            if columns * rows.stride % merged or rows.inputs % merged:
                continue
            fold = Fold(columns, merged)
            fuller = _filled(merged * rows.channels_in, lanes_in) > filled
            if fuller and rows.width(fold) <= WIDEST:
                yield fold
            if merged == columns * rows.stride and _are_apart(rows):
                yield Fold(columns, merged, apart=True)


def _are_apart(rows: Rows) -> bool:
    """Whether no column of the input is read for two columns of the output."""
    return rows.pad == 0 and rows.kernel <= rows.stride and (rows.groups == 1 or rows.stride == 1)


def _filled(channels: int, lanes: int) -> float:
    """Input lanes that are busy in one step, on average."""
    return lanes // channels * channels if channels <= lanes else channels / -(-channels // lanes)


def folded_weights(weights: AnyArray, rows: Rows, fold: Fold, nothing: AnyArray) -> AnyArray:
    """The filters [columns * O, C', KH, KW'] of filters [O, C / groups, KH, KW].

    Channel `q * O + o` is channel o of the q-th column. They are of one group, whose C' channels
    are those of `merged` columns, or, `apart`, of so many times the groups. `nothing` [O] are the
    weights that add nothing: the zero points.
    """
    if fold.apart:
        if rows.groups == 1:
            weights = folded_weights(weights, rows, Fold(1, rows.stride), nothing)
        return np.tile(weights, (fold.columns, 1, 1, 1))
    outputs, inputs, height, kernel = weights.shape
    width = rows.width(fold) * fold.merged
    wide = np.empty(
        (fold.columns, outputs, inputs * rows.groups, height, width),
        weights.dtype,
    )
    wide[:] = nothing.astype(weights.dtype).reshape(1, -1, 1, 1, 1)
    each = outputs // rows.groups
    for column in range(fold.columns):
        at = rows.lead(fold) + column * rows.stride
        for group in range(rows.groups):
            of, to = group * each, group * inputs
            wide[column, of : of + each, to : to + inputs, :, at : at + kernel] = weights[
                of : of + each
            ]
    # A pixel of several columns has the channels of the first one first.
    split = wide.reshape(fold.columns * outputs, -1, height, rows.width(fold), fold.merged)
    return split.transpose(0, 4, 1, 2, 3).reshape(split.shape[0], -1, height, rows.width(fold))
