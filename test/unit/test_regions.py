"""Tile rules against the definition: a tile computes what the whole layer computes there."""

from __future__ import annotations

from random import Random

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsar2.dialects.sched.attrs import ElementType, View
from pulsar2.lowering.analysis.regions import (
    Region,
    cut_steps,
    part_of,
    parts_of,
    pieces,
    reduction,
    split,
    tile_of,
)
from pulsar2.lowering.sched.tensors import reshape_strides

Array = npt.NDArray[np.int64]


def conv(x: Array, w: Array, p: dict[str, int | float], out: tuple[int, int]) -> Array:
    """Grouped convolution by its definition; reads outside x are zero."""
    group = int(p["group"])
    n, _, h, width = x.shape
    o, cg, kh, kw = w.shape
    y = np.zeros((n, o, *out), np.int64)
    for channel in range(o):
        g = channel // (o // group)
        for i in range(out[0]):
            for j in range(out[1]):
                for a in range(kh):
                    for b in range(kw):
                        r = i * int(p["stride_h"]) - int(p["pad_top"]) + a * int(p["dil_h"])
                        c = j * int(p["stride_w"]) - int(p["pad_left"]) + b * int(p["dil_w"])
                        if 0 <= r < h and 0 <= c < width:
                            part = x[:, g * cg : (g + 1) * cg, r, c]
                            y[:, channel, i, j] += part @ w[channel, :, a, b]
    return y


def take(array: Array, region: Region) -> Array:
    return array[tuple(slice(*r) for r in region)]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_conv_tiles(data: st.DataObject) -> None:
    draw = data.draw
    group = draw(st.sampled_from([1, 2, 3]))
    cg, og = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kh, kw = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    h, w = draw(st.integers(3, 8)), draw(st.integers(3, 8))
    params: dict[str, int | float] = {
        "stride_h": draw(st.integers(1, 3)),
        "stride_w": draw(st.integers(1, 2)),
        "pad_top": draw(st.integers(0, 3)),
        "pad_left": draw(st.integers(0, 2)),
        "dil_h": draw(st.integers(1, 2)),
        "dil_w": 1,
        "group": group,
        "bias_mode": 0,
        "has_wzp": 0,
        "has_sums": 0,
        "clamp_lo": 0,
        "clamp_hi": 255,
    }
    out = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-9, 9, (1, group * cg, h, w))
    weights = rng.integers(-9, 9, (group * og, cg, kh, kw))
    whole = conv(x, weights, params, out)
    shapes = [x.shape, weights.shape, whole.shape, (group * og,)]
    steps = cut_steps("conv", shapes, params, 2)
    ranges = [
        split(n, draw(st.integers(1, 4)), s) if s else [(0, n)]
        for n, s in zip(whole.shape, steps, strict=True)
    ]
    region = tuple(draw(st.sampled_from(r)) for r in ranges)
    tile = tile_of("conv", shapes, params, region)
    size = (region[2][1] - region[2][0], region[3][1] - region[3][0])
    tiles = [tile]
    if group == 1:
        ranges = parts_of(reduction("conv", shapes), draw(st.integers(1, 2)))
        tiles = [part_of("conv", tile, part) for part in ranges]
    parts = [
        conv(take(x, t.regions[0]), take(weights, t.regions[1]), t.params, size) for t in tiles
    ]
    assert np.array_equal(sum(parts), take(whole, region))


def test_parts_of_a_product() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (2, 5, 7)), rng.integers(-9, 9, (2, 7, 4))
    shapes = [a.shape, b.shape, (2, 5, 4)]
    tile = tile_of("matmul", shapes, {}, ((0, 1), (1, 4), (0, 2)))
    parts = [part_of("matmul", tile, part) for part in parts_of(reduction("matmul", shapes), 3)]
    assert [t.regions[0][2] for t in parts] == [(0, 3), (3, 6), (6, 7)]
    sums = sum(take(a, t.regions[0]) @ take(b, t.regions[1]) for t in parts)
    assert np.array_equal(sums, (a @ b)[0:1, 1:4, 0:2])


@given(st.integers(1, 50), st.integers(1, 12), st.integers(1, 7))
def test_split_covers_once(size: int, parts: int, step: int) -> None:
    ranges = split(size, parts, step)
    assert [i for b, e in ranges for i in range(b, e)] == list(range(size))
    assert all(b % step == 0 for b, _ in ranges)
    assert len(ranges) <= parts


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_reshape_strides_agree_with_numpy(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4)))
    order = data.draw(st.permutations(range(len(shape))))
    base = np.arange(int(np.prod(shape)), dtype=np.int8)
    array = base.reshape([shape[d] for d in order]).transpose(np.argsort(order))
    target = data.draw(st.permutations(shape))
    if data.draw(st.booleans()) and len(target) > 1:
        target = [target[0] * target[1], *target[2:]]
    view = View(0, array.shape, array.strides, ElementType.S8)
    strides = reshape_strides(view, target)
    wanted = array.reshape(target)
    if strides is None:
        assert not np.shares_memory(wanted, array)
    else:
        seen = np.lib.stride_tricks.as_strided(base, target, strides)
        assert np.array_equal(seen, wanted)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 3)), max_size=4),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
)
def test_pieces_cover_a_region_once(
    dims: list[tuple[int, int, int]], count: int, random: Random
) -> None:
    region = tuple((begin, begin + size) for begin, size, _ in dims)
    steps = tuple(step for _, _, step in dims)
    order = random.sample(range(len(dims)), len(dims))
    found = pieces(region, steps, order, count)
    covered = np.zeros([end for _, end in region], np.int64)
    for piece in found:
        covered[tuple(slice(*r) for r in piece)] += 1
        for (begin, end), whole_range, step in zip(piece, region, steps, strict=True):
            if (begin, end) != whole_range:
                assert step
                assert (begin - whole_range[0]) % step == 0
    assert covered.sum() == np.prod([size for _, size, _ in dims])
    assert covered.max(initial=0) <= 1
    if all(step == 1 for step in steps):
        assert len(found) >= min(count, int(np.prod([size for _, size, _ in dims])))
