"""Offset assignment: packing buffers with known live ranges into one flat memory.

IR-free. This is the dynamic storage allocation problem: each buffer has a size, a half-open live
range, and needs an offset such that buffers alive at the same time do not overlap. It is NP-hard;
several greedy orders are tried, then a search with bounds and hill climbing take turns (in C++).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def peak_pressure(begins: Ints, ends: Ints, sizes: Ints) -> int:
    """Greatest number of bytes alive at once: a lower bound of any capacity that suffices."""
    if not len(sizes):
        return 0
    return int(pressure_profile(begins, ends, sizes).max())


def pressure_profile(begins: Ints, ends: Ints, sizes: Ints) -> Ints:
    """Bytes alive in each step 0 .. max(ends) - 1."""
    steps = np.zeros(int(ends.max()) + 1, dtype=np.int64)
    np.add.at(steps, begins, sizes)
    np.add.at(steps, ends, -sizes)
    return np.cumsum(steps)[:-1]


EFFORT = 8_000_000
"""Placements of one buffer that a search may take before it gives up: some seconds."""


def assign_offsets(
    begins: Sequence[int],
    ends: Sequence[int],
    sizes: Sequence[int],
    capacity: int,
    alignment: int = 1,
    effort: int = EFFORT,
) -> list[int] | None:
    """Offsets for buffers alive in steps [begin, end), all within `capacity`; None if not found.

    Sizes and capacity are in bytes; every offset is a multiple of `alignment`. `effort` bounds the
    search, in placements of one buffer; with 0, only the greedy orders are tried. Deterministic.
    """
    from pulsar2 import _kernels

    begin = np.asarray(begins, dtype=np.int64)
    end = np.asarray(ends, dtype=np.int64)
    size = -(-np.asarray(sizes, dtype=np.int64) // alignment) * alignment
    room = capacity // alignment * alignment
    if peak_pressure(begin, end, size) > room:
        return None
    offsets = _kernels.assign_offsets(begin, end, size, room, effort)
    return None if offsets is None else offsets.tolist()


def prolong(
    begins: Sequence[int],
    ends: Sequence[int],
    sizes: Sequence[int],
    limit: int,
    rests: Sequence[int],
) -> list[int]:
    """Later ends, by which buffers keep their bytes for some steps after their last use.

    Every buffer rests for each of the ascending `rests` in turn, as long as the bytes alive stay
    within `limit`; the shorter rest of all comes before the longer one of any.
    """
    prolonged = list(ends)
    last = max(ends, default=0)
    alive = np.zeros(last + 1, dtype=np.int64)
    np.add.at(alive, np.asarray(begins), np.asarray(sizes))
    np.add.at(alive, np.asarray(ends), -np.asarray(sizes))
    alive = np.cumsum(alive)
    by_end = sorted(range(len(ends)), key=lambda buffer: (ends[buffer], buffer))
    for rest in rests:
        for buffer in by_end:
            begin, end = prolonged[buffer], min(ends[buffer] + rest, last)
            stretch = alive[begin:end]
            # Nothing else may have stopped the buffer before.
            if begin < end and stretch.max() + sizes[buffer] <= limit:
                stretch += sizes[buffer]
                prolonged[buffer] = end
    return prolonged
