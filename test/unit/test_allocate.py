"""Offset assignment, on random instances with a known feasible capacity."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.allocation import Instance, cut_rectangle, measure, read_instance
from pulsar2.lowering.analysis.allocate import (
    assign_offsets,
    peak_pressure,
    pressure_profile,
    prolong,
)


@st.composite
def packed_instance(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], int]:
    """Cuts a rectangle of time x memory into boxes: it fits by construction, without a gap."""
    steps, capacity = draw(st.integers(1, 12)), draw(st.integers(1, 16)) * 4
    boxes = [(0, steps, 0, capacity)]
    for _ in range(draw(st.integers(0, 8))):
        index = draw(st.integers(0, len(boxes) - 1))
        begin, end, low, high = boxes.pop(index)
        if draw(st.booleans()) and end - begin > 1:
            cut = draw(st.integers(begin + 1, end - 1))
            boxes += [(begin, cut, low, high), (cut, end, low, high)]
        elif high - low > 1:
            cut = draw(st.integers(low + 1, high - 1))
            boxes += [(begin, end, low, cut), (begin, end, cut, high)]
        else:
            boxes.append((begin, end, low, high))
    return [(b, e, h - low) for b, e, low, h in boxes], capacity


@given(packed_instance())
@settings(max_examples=300, deadline=None)
def test_offsets_never_overlap(instance: tuple[list[tuple[int, int, int]], int]) -> None:
    buffers, capacity = instance
    begins, ends, sizes = (list(x) for x in zip(*buffers, strict=True))
    assert peak_pressure(np.array(begins), np.array(ends), np.array(sizes)) == capacity
    # Twice the peak is more than first fit needs on such small instances.
    offsets = assign_offsets(begins, ends, sizes, 2 * capacity)
    assert offsets is not None
    _check(begins, ends, sizes, offsets, 2 * capacity)


def test_alignment_and_refusal() -> None:
    assert assign_offsets([0, 0], [2, 2], [65, 1], 192, 64) in ([0, 128], [64, 0])
    assert assign_offsets([0, 0], [2, 2], [65, 1], 191, 64) is None
    assert assign_offsets([], [], [], 0) == []


def _tight_instance(seed: int, count: int) -> tuple[list[int], list[int], list[int], int]:
    """Buffers of a network's kind: chains of short lives, some long ones, and their peak."""
    rng = np.random.default_rng(seed)
    begins = np.sort(rng.integers(0, count, count))
    long = rng.random(count) < 0.1
    ends = begins + np.where(long, rng.integers(8, 60, count), rng.integers(1, 6, count))
    sizes = rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 32], count) * 1024
    return begins.tolist(), ends.tolist(), sizes.tolist(), peak_pressure(begins, ends, sizes)


@pytest.mark.parametrize("seed", range(8))
def test_search_packs_tighter_than_the_greedy_orders(seed: int) -> None:
    begins, ends, sizes, peak = _tight_instance(seed, 300)
    offsets = assign_offsets(begins, ends, sizes, peak * 103 // 100, 64)
    assert offsets is not None
    _check(begins, ends, sizes, offsets, peak * 103 // 100)


def test_search_is_deterministic_and_bounded() -> None:
    begins, ends, sizes, peak = _tight_instance(1, 200)
    found = [assign_offsets(begins, ends, sizes, peak * 102 // 100, 64) for _ in range(2)]
    assert found[0] == found[1]
    assert assign_offsets(begins, ends, sizes, peak - 64, 64) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=6
    )
)
@settings(max_examples=200, deadline=None)
def test_what_is_not_found_is_impossible(buffers: list[tuple[int, int, int]]) -> None:
    begins = [b for b, _, _ in buffers]
    ends = [b + n for b, n, _ in buffers]
    sizes = [s for _, _, s in buffers]
    best = min(
        _lowest_fit(begins, ends, sizes, order)
        for order in itertools.permutations(range(len(buffers)))
    )
    offsets = assign_offsets(begins, ends, sizes, best)
    assert offsets is not None
    _check(begins, ends, sizes, offsets, best)
    assert assign_offsets(begins, ends, sizes, best - 1) is None


def _lowest_fit(
    begins: list[int], ends: list[int], sizes: list[int], order: tuple[int, ...]
) -> int:
    """The top when each buffer, in this order, goes to the lowest place where it fits."""
    placed: dict[int, int] = {}
    for i in order:
        taken = sorted(
            (low, low + sizes[j])
            for j, low in placed.items()
            if begins[i] < ends[j] and begins[j] < ends[i]
        )
        offset = 0
        for low, high in taken:
            if low - offset >= sizes[i]:
                break
            offset = max(offset, high)
        placed[i] = offset
    return max(low + sizes[i] for i, low in placed.items())


@pytest.mark.parametrize(("seed", "count"), [(0, 60), (1, 60), (2, 100), (3, 100), (4, 200)])
def test_cut_rectangles_are_put_together_again(seed: int, count: int) -> None:
    """Instances without a free byte, as the hard ones of public benchmarks are."""
    begins, ends, sizes, capacity = cut_rectangle(seed, count)
    offsets = assign_offsets(begins, ends, sizes, capacity)
    assert offsets is not None
    _check(begins, ends, sizes, offsets, capacity)


def test_the_form_of_public_benchmarks_is_read(tmp_path: Path) -> None:
    begins, ends, sizes, capacity = cut_rectangle(2, 40)
    rows = [
        f"b{i},{b},{e},{s}" for i, (b, e, s) in enumerate(zip(begins, ends, sizes, strict=True))
    ]
    (tmp_path / f"X.{capacity}.csv").write_text("\n".join(["id,lower,upper,size", *rows]) + "\n")
    instance = read_instance(tmp_path / f"X.{capacity}.csv")
    assert instance == Instance("X", begins, ends, sizes, capacity)
    (row,) = measure([instance])
    assert row.found
    (tmp_path / "X.csv").write_text("id,size\n")
    with pytest.raises(ValueError, match=r"X\.csv: .*capacity"):
        read_instance(tmp_path / "X.csv")


def _check(
    begins: list[int], ends: list[int], sizes: list[int], offsets: list[int], capacity: int
) -> None:
    for i in range(len(sizes)):
        assert 0 <= offsets[i] <= capacity - sizes[i]
        for j in range(i):
            if begins[i] < ends[j] and begins[j] < ends[i]:
                assert offsets[i] + sizes[i] <= offsets[j] or offsets[j] + sizes[j] <= offsets[i]


@given(packed_instance(), st.integers(0, 64))
@settings(max_examples=200, deadline=None)
def test_rests_keep_within_the_limit(
    instance: tuple[list[tuple[int, int, int]], int], room: int
) -> None:
    buffers, capacity = instance
    begins, ends, sizes = (list(x) for x in zip(*buffers, strict=True))
    rests = (1, 2, 4)
    longer = prolong(begins, ends, sizes, capacity + room, rests)
    profile = pressure_profile(np.array(begins), np.array(longer), np.array(sizes))
    assert profile.max() <= capacity + room
    last = max(ends)
    for buffer, (before, after) in enumerate(zip(ends, longer, strict=True)):
        assert after - before in (0, *rests) or after == last
        # The shortest rest is missing only where there was no room for it.
        if after == before < last:
            crowded = profile[before : min(before + 1, last)].max()
            assert crowded + sizes[buffer] > capacity + room


def test_a_short_rest_of_all_comes_before_a_long_one() -> None:
    # Room for one more at a time: each rests for a step, and none of them for two.
    assert prolong([0, 1, 2, 3], [1, 2, 3, 4], [4, 4, 4, 4], 8, (1, 2)) == [2, 3, 4, 4]


def test_a_part_placed_in_vain_leaves_no_trace() -> None:
    """A dozen loads in turn and what lives behind them: the search places one part, fails in the
    other, and goes on with the first as it was."""
    lives = [
        (2, 8, 23), (5, 10, 23), (6, 12, 12), (8, 13, 23), (10, 16, 23), (13, 18, 23),
        (16, 21, 23), (18, 24, 23), (21, 26, 23), (22, 28, 12), (24, 29, 23), (26, 32, 23),
        (29, 34, 23), (32, 37, 23), (34, 40, 23), (37, 42, 23), (38, 44, 12), (40, 45, 23),
        (42, 52, 23), (46, 103, 3), (52, 110, 3), (54, 114, 3), (56, 118, 3), (57, 75, 5),
        (74, 77, 8), (58, 121, 3), (59, 78, 5), (60, 125, 3), (62, 81, 5), (65, 132, 3),
        (68, 84, 5), (69, 138, 3), (72, 88, 5), (75, 136, 3), (81, 138, 3), (85, 140, 3),
        (107, 118, 5), (110, 121, 5), (120, 124, 8), (111, 125, 5), (114, 128, 5), (115, 132, 5),
    ]  # fmt: skip
    begins, ends, sizes = (list(values) for values in zip(*lives, strict=True))
    offsets = assign_offsets(begins, ends, sizes, 64, effort=100_000)
    if offsets is not None:
        _check(begins, ends, sizes, offsets, 64)
