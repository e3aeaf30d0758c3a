"""Folded convolutions against ones that are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.fold import WIDEST, folded_weights, folded_width, foldings

Ints = npt.NDArray[np.int64]


def convolve(x: Ints, w: Ints, groups: int, stride: int, width: int) -> Ints:
    """[O, width] sums of one row x [C, W] and filters w [O, C / groups, 1, K], zeros behind x."""
    outputs, inputs, _, kernel = w.shape
    padded = np.pad(x, ((0, 0), (0, width * stride + kernel)))
    each = outputs // groups
    return np.array(
        [
            [
                np.sum(w[o, :, 0] * padded[o // each * inputs :, at : at + kernel][:inputs])
                for at in range(0, width * stride, stride)
            ]
            for o in range(outputs)
        ]
    )


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_folded_weights_compute_the_same(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 3))
    inputs, each = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel, stride = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    columns = data.draw(st.integers(2, 4))
    width = columns * data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.integers(-9, 9, (groups * inputs, width * stride + kernel - 1))
    nothing = rng.integers(-2, 3, groups * each)
    w = rng.integers(-9, 9, (groups * each, inputs, 1, kernel))
    wide = folded_weights(w, groups, stride, columns, nothing)
    points = nothing.reshape(-1, 1, 1, 1)
    expected = convolve(x, w - points, groups, stride, width)
    got = convolve(
        x, wide - np.tile(points, (columns, 1, 1, 1)), 1, stride * columns, width // columns
    )
    side_by_side = got.reshape(columns, groups * each, -1).transpose(1, 2, 0)
    np.testing.assert_array_equal(side_by_side.reshape(groups * each, width), expected)


@given(st.integers(1, 64), st.integers(1, 15), st.integers(1, 4))
def test_rows_are_cut_into_whole_pixels(width: int, kernel: int, stride: int) -> None:
    for columns in foldings(width, kernel, stride):
        assert width % columns == 0
        assert folded_width(kernel, stride, columns) <= WIDEST
