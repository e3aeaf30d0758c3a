"""grid_sample and roi_align against their golden."""

from __future__ import annotations

import numpy as np
import pytest
from golden import Operand
from harness import (
    F32,
    I8,
    I16,
    U8,
    U16,
    call,
    channels_last,
    check,
    fill_random,
    quantized,
    random_operand,
    seeds,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

TYPES = [U8, I8, U16, I16, F32]
extents = st.integers(1, 6)


@given(
    params=st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 1)),
    channels=st.sampled_from([1, 3, 16, 600]),
    sizes=st.tuples(extents, extents),
    outs=st.tuples(extents, extents),
    types=st.tuples(*[st.sampled_from(TYPES)] * 3),
    fast=st.booleans(),
    seed=seeds,
)
def test_grid_sample(params, channels, sizes, outs, types, fast, seed):
    rng = np.random.default_rng(seed)
    layout = channels_last if fast else strided
    x = quantized(rng, fill_random(rng, layout(rng, (2, channels, *sizes), types[0])))
    grid = random_operand(rng, (2, *outs, 2), types[1])
    if types[1] == F32:
        grid.array[...] = rng.uniform(-2, 2, grid.array.shape)
    else:
        # Places beyond the image, but not far.
        grid.scale = float(np.float32(4 / (256 if types[1].itemsize == 1 else 65536)))
    y = quantized(rng, layout(rng, (2, channels, *outs), types[2]))
    check("grid_sample", [x, grid, y], params, seed)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
@pytest.mark.parametrize("params", [(k, p, a) for k in (0, 1) for p in (0, 1, 2) for a in (0, 1)])
def test_grid_sample_stays_inside_wherever_a_place_is(value, params):
    x = Operand(np.ones((1, 2, 3, 3), np.uint8))
    grid = Operand(np.full((1, 1, 1, 2), value, np.float32))
    y = Operand(np.full((1, 2, 1, 1), 77, np.uint8))
    call("grid_sample", [x, grid, y], params)
    assert (y.array <= 1).all()


@pytest.mark.parametrize(
    ("params", "shape", "message"),
    [
        ((2, 0, 0), (1, 4, 5, 2), "no kind has number 2"),
        ((0, 3, 0), (1, 4, 5, 2), "no padding has number 3"),
        ((0, 0, 0), (1, 4, 5, 3), "dimension 3 of grid is 3, expected 2"),
        ((0, 0, 0), (1, 5, 4, 2), "dimension 1 of grid is 5, expected 4"),
    ],
)
def test_grid_sample_refuses(params, shape, message):
    x, y = (Operand(np.zeros((1, 1, 4, 5), np.float32)) for _ in range(2))
    with pytest.raises(ValueError, match=message):
        call("grid_sample", [x, Operand(np.zeros(shape, np.float32)), y], params)


@given(
    kind=st.integers(0, 1),
    half_pixel=st.integers(0, 1),
    samples=st.integers(1, 3),
    scale=st.sampled_from([0.25, 1.0, 1.7]),
    channels=st.sampled_from([1, 3, 16, 600]),
    sizes=st.tuples(extents, extents),
    outs=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    types=st.tuples(*[st.sampled_from(TYPES)] * 3),
    seed=seeds,
)
def test_roi_align(kind, half_pixel, samples, scale, channels, sizes, outs, types, seed):
    rng = np.random.default_rng(seed)
    regions = int(rng.integers(1, 4))
    x = quantized(rng, fill_random(rng, channels_last(rng, (2, channels, *sizes), types[0])))
    rois = random_operand(rng, (regions, 4), types[1])
    if types[1] == F32:
        rois.array[...] = rng.uniform(-3, 8, (regions, 4))
    else:
        rois.scale = float(np.float32(12 / (256 if types[1].itemsize == 1 else 65536)))
    batch = Operand(rng.integers(0, 2, regions).astype(np.int32))
    y = quantized(rng, channels_last(rng, (regions, channels, *outs), types[2]))
    check("roi_align", [x, rois, batch, y], [kind, half_pixel, samples, float(scale)], seed)


@pytest.mark.parametrize(
    ("params", "batch", "message"),
    [
        ((2, 0, 1, 1.0), [0], "no kind has number 2"),
        ((0, 0, 0, 1.0), [0], "0 samples, expected 1 to 128"),
        ((0, 0, 129, 1.0), [0], "129 samples"),
        ((0, 0, 1, 1.0), [1], "region 0 is of image 1, x has 1"),
        ((0, 0, 1, 1.0), [-1], "region 0 is of image -1"),
        ((0, 0, 1, 1.0), [0, 0], r"batch \[2\] for 1 regions"),
    ],
)
def test_roi_align_refuses(params, batch, message):
    x, y = (Operand(np.zeros((1, 1, 2, 2), np.float32)) for _ in range(2))
    rois = Operand(np.zeros((1, 4), np.float32))
    with pytest.raises(ValueError, match=message):
        call("roi_align", [x, rois, Operand(np.array(batch, np.int32)), y], params)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_roi_align_stays_inside_wherever_a_region_is(value):
    x = Operand(np.ones((1, 2, 3, 3), np.uint8))
    rois = Operand(np.full((1, 4), value, np.float32))
    y = Operand(np.full((1, 2, 1, 1), 77, np.uint8))
    call("roi_align", [x, rois, Operand(np.zeros(1, np.int32)), y], (0, 0, 2, 1.0))
    assert (y.array == 0).all()
