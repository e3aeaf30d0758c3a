"""Convolutions that compute neighbouring columns side by side.

IR-free. With few output channels much of the multiplier array idles. Where the pixels of a row
follow one another in memory, `columns` of them are one pixel of that many times the channels: a
convolution with a wider kernel and stride, each copy of the filters at its own column and zero
elsewhere, computes the same sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pulsar2.weights import AnyArray

WIDEST = 15
"""Columns of a kernel at most: what one job of a conv unit takes."""


def foldings(width: int, kernel: int, stride: int) -> Iterator[int]:
    """How many columns of an output `width` may be folded into one, for this kernel and stride."""
    for columns in range(2, width + 1):
        if folded_width(kernel, stride, columns) > WIDEST:
            return
        if width % columns == 0:
            yield columns


def folded_width(kernel: int, stride: int, columns: int) -> int:
    """Columns of the wider kernel."""
    return kernel + (columns - 1) * stride


def folded_weights(
    weights: AnyArray, groups: int, stride: int, columns: int, nothing: AnyArray
) -> AnyArray:
    """The filters [columns * O, C, KH, wider KW] of one group, of filters [O, C / groups, KH, KW].

    Channel `q * O + o` is channel o of the q-th column. `nothing` [O] are the weights that add
    nothing: the zero points.
    """
    outputs, inputs, height, kernel = weights.shape
    wide = np.empty(
        (columns, outputs, inputs * groups, height, folded_width(kernel, stride, columns)),
        weights.dtype,
    )
    wide[:] = nothing.astype(weights.dtype).reshape(1, -1, 1, 1, 1)
    each = outputs // groups
    for column in range(columns):
        at = column * stride
        for group in range(groups):
            of, to = group * each, group * inputs
            wide[column, of : of + each, to : to + inputs, :, at : at + kernel] = weights[
                of : of + each
            ]
    return wide.reshape(columns * outputs, *wide.shape[2:])
