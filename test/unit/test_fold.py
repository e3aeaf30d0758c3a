"""Folded convolutions against ones that are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pulsar2.lowering.analysis.fold import WIDEST, Fold, Rows, folded_weights, foldings

Ints = npt.NDArray[np.int64]


def convolve(x: Ints, w: Ints, groups: int, stride: int, pad: int, width: int) -> Ints:
    """[O, width] sums of one row x [C, W] and filters w [O, C / groups, 1, K], zeros around x."""
    outputs, inputs, _, kernel = w.shape
    padded = np.pad(x, ((0, 0), (pad, width * stride + kernel)))
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


def folded(x: Ints, w: Ints, rows: Rows, fold: Fold, nothing: Ints) -> Ints:
    """[O, width] sums by the folded convolution, of pixels that lie one after another."""
    points = nothing.reshape(-1, 1, 1, 1)
    wide = folded_weights(w, rows, fold, nothing) - np.tile(points, (fold.columns, 1, 1, 1))
    deep = x.T.reshape(rows.inputs // fold.merged, -1).T
    groups = rows.groups * fold.columns if fold.apart else 1
    stride, pad = rows.folded_stride(fold), rows.folded_pad(fold)
    got = convolve(deep, wide, groups, stride, pad, rows.outputs // fold.columns)
    assert wide.shape[3] == rows.width(fold)
    return got.T.reshape(rows.outputs, -1).T


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_folded_weights_compute_the_same(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 3))
    inputs, each = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel, stride = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    pad = data.draw(st.integers(0, kernel - 1))
    columns = data.draw(st.integers(1, 4))
    merged = data.draw(st.sampled_from([j for j in range(1, 13) if columns * stride % j == 0]))
    outputs = columns * data.draw(st.integers(1, 3))
    # As many columns as there are, not those alone that the kernel reads.
    width = -(-(outputs * stride + kernel - pad) // merged) * merged
    rows = Rows(width, outputs, kernel, stride, pad, groups * inputs, groups * each, groups)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.integers(-9, 9, (groups * inputs, width))
    nothing = rng.integers(-2, 3, groups * each)
    w = rng.integers(-9, 9, (groups * each, inputs, 1, kernel))
    expected = convolve(x, w - nothing.reshape(-1, 1, 1, 1), groups, stride, pad, outputs)
    got = folded(x, w, rows, Fold(columns, merged), nothing)
    np.testing.assert_array_equal(got, expected)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_columns_apart_compute_the_same(data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, 3))
    groups = data.draw(st.integers(1, 3)) if stride == 1 else 1
    inputs, each = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    kernel = data.draw(st.integers(1, stride))
    columns = data.draw(st.integers(2, 4))
    outputs = columns * data.draw(st.integers(1, 3))
    rows = Rows(
        outputs * stride, outputs, kernel, stride, 0, groups * inputs, groups * each, groups
    )
    found = foldings(rows, 32, 64, merges=True)
    fold = Fold(columns, columns * stride, apart=True)
    assume(fold.merged > 1)
    assert fold in list(found)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.integers(-9, 9, (groups * inputs, rows.inputs))
    nothing = rng.integers(-2, 3, groups * each)
    w = rng.integers(-9, 9, (groups * each, inputs, 1, kernel))
    expected = convolve(x, w - nothing.reshape(-1, 1, 1, 1), groups, stride, 0, outputs)
    np.testing.assert_array_equal(folded(x, w, rows, fold, nothing), expected)


@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 15),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 100),
    st.booleans(),
)
def test_rows_are_cut_into_whole_pixels(
    inputs: int, outputs: int, kernel: int, stride: int, pad: int, channels: int, merges: bool
) -> None:
    rows = Rows(inputs, outputs, kernel, stride, pad, channels, channels, 1)
    for fold in foldings(rows, 32, 64, merges=merges):
        assert outputs % fold.columns == 0
        assert inputs % fold.merged == 0
        assert fold.columns * stride % fold.merged == 0
        assert rows.width(fold) <= WIDEST
        assert merges or fold == Fold(fold.columns)


def test_input_columns_are_merged_where_lanes_would_idle() -> None:
    # 40 channels take two steps of 32 lanes, 160 take five.
    rows = Rows(64, 64, 1, 1, 0, 40, 16, 1)
    assert Fold(4, 4) in list(foldings(rows, 32, 64, merges=True))
    full = Rows(64, 64, 1, 1, 0, 32, 16, 1)
    assert {fold.merged for fold in foldings(full, 32, 64, merges=True) if not fold.apart} == {1}


def test_columns_that_share_inputs_are_not_apart() -> None:
    for kernel, stride, pad in ((3, 1, 1), (3, 2, 0), (2, 2, 1)):
        rows = Rows(64, 16, kernel, stride, pad, 8, 8, 1)
        assert not any(fold.apart for fold in foldings(rows, 32, 64, merges=True))
