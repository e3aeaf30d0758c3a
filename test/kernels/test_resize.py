"""resize against its golden: whole tensors, and parts of them."""

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
    seeds,
    strided,
)
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.lowering.analysis.regions import tile_of

TYPES = [U8, I8, U16, I16, F32]
NAMES = (
    "kind", "coordinates", "rounding", "in_h", "in_w", "out_h", "out_w", "scale_h", "scale_w",
    "in_row", "in_column", "out_row", "out_column",
)  # fmt: skip
extents = st.integers(1, 9)


def layout(fast):
    return channels_last if fast else strided


@given(
    kind=st.integers(0, 1),
    modes=st.tuples(st.integers(0, 4), st.integers(0, 3)),
    channels=st.sampled_from([1, 3, 16, 70, 600]),
    sizes=st.tuples(extents, extents),
    scales=st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 1.7, 2.0, 3.25])] * 2),
    outs=st.tuples(extents, extents),
    types=st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)),
    fast=st.booleans(),
    seed=seeds,
)
def test_resize(kind, modes, channels, sizes, scales, outs, types, fast, seed):
    rng = np.random.default_rng(seed)
    out = [o if s == 0 else max(1, int(n * s)) for n, s, o in zip(sizes, scales, outs, strict=True)]
    x = quantized(rng, fill_random(rng, layout(fast)(rng, (2, channels, *sizes), types[0])))
    y_type = types[0] if kind == 0 else types[1]
    y = quantized(rng, layout(fast)(rng, (2, channels, *out), y_type))
    check("resize", [x, y], [kind, *modes, *sizes, *out, *scales, 0, 0, 0, 0], seed)


@given(
    kind=st.integers(0, 1),
    modes=st.tuples(st.integers(0, 4), st.integers(0, 3)),
    sizes=st.tuples(extents, extents),
    outs=st.tuples(extents, extents),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    seed=seeds,
)
def test_a_tile_of_a_resize_has_the_elements_of_the_whole(kind, modes, sizes, outs, corners, seed):
    """With the halo that the tile rule asks for, and no more."""
    rng = np.random.default_rng(seed)
    params = [kind, *modes, *sizes, *outs, 0.0, 0.0, 0, 0, 0, 0]
    array = rng.normal(size=(1, 3, *sizes)).astype(np.float32)
    whole = np.zeros((1, 3, *outs), np.float32)
    call("resize", [Operand(array), Operand(whole)], params)
    begins = [int(c * n) for c, n in zip(corners[:2], outs, strict=True)]
    begins = [min(b, n - 1) for b, n in zip(begins, outs, strict=True)]
    ends = [
        b + max(1, round(c * (n - b))) for b, c, n in zip(begins, corners[2:], outs, strict=True)
    ]
    region = ((0, 1), (0, 3), (begins[0], ends[0]), (begins[1], ends[1]))
    named = dict(zip(NAMES, params, strict=True))
    tile = tile_of("resize", [array.shape, whole.shape], named, region)
    part = np.ascontiguousarray(array[tuple(slice(*r) for r in tile.regions[0])])
    y = Operand(np.zeros([e - b for b, e in region], np.float32))
    moved = [tile.params[name] for name in NAMES]
    check("resize", [Operand(part), y], moved, seed)
    call("resize", [Operand(part), y], moved)
    np.testing.assert_array_equal(y.array, whole[tuple(slice(*r) for r in region)])


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 2, "no kind has number 2"),
        (1, 5, "no coordinates have number 5"),
        (2, -1, "no rounding has number -1"),
        (3, 0, "from 0 to 4 elements"),
        (7, -1.0, "scale -1"),
        (7, float("nan"), "scale nan"),
        (9, 1, "row 0 of the input is needed, x has 1 to 2"),
        (12, 9, "column 3 of the input is needed, x has 0 to 1"),
    ],
)
def test_resize_refuses(place, value, message):
    params = [1, 0, 0, 2, 4, 4, 9, 0.0, 0.0, 0, 0, 0, 0]
    params[place] = value
    x = Operand(np.zeros((1, 1, 2, 2), np.float32))
    y = Operand(np.zeros((1, 1, 4, 2), np.float32))
    with pytest.raises(ValueError, match=message):
        call("resize", [x, y], params)
