"""Offset assignment: packing buffers with known live ranges into one flat memory.

IR-free. This is the dynamic storage allocation problem: each buffer has a size, a half-open live
range, and needs an offset such that buffers alive at the same time do not overlap. It is NP-hard;
the methods here are greedy, with several orders tried.
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


def assign_offsets(
    begins: Sequence[int],
    ends: Sequence[int],
    sizes: Sequence[int],
    capacity: int,
    alignment: int = 1,
) -> list[int] | None:
    """Offsets for buffers alive in steps [begin, end), all within `capacity`; None if not found.

    Sizes and capacity are in bytes; every offset is a multiple of `alignment`. Deterministic.
    """
    if not len(sizes):
        return []
    begin = np.asarray(begins, dtype=np.int64)
    end = np.asarray(ends, dtype=np.int64)
    size = -(-np.asarray(sizes, dtype=np.int64) // alignment) * alignment
    room = capacity // alignment * alignment
    if peak_pressure(begin, end, size) > room:
        return None
    length = end - begin
    index = np.arange(len(size))
    orders = (
        np.lexsort((index, begin, -size)),
        np.lexsort((index, begin, -size * length)),
        np.lexsort((index, -size, begin)),
        np.lexsort((index, -size, -length)),
    )
    for order in orders:
        offsets = _place(order, begin, end, size, room)
        if offsets is not None:
            return offsets
    return None


def _place(order: Ints, begin: Ints, end: Ints, size: Ints, room: int) -> list[int] | None:
    """Places buffers in `order`, each into the smallest gap that holds it for its whole life."""
    count = len(order)
    placed_begin = np.empty(count, dtype=np.int64)
    placed_end = np.empty(count, dtype=np.int64)
    placed_low = np.empty(count, dtype=np.int64)
    placed_high = np.empty(count, dtype=np.int64)
    offsets = [0] * count
    for done, item in enumerate(order):
        mask = (placed_begin[:done] < end[item]) & (placed_end[:done] > begin[item])
        lows, highs = placed_low[:done][mask], placed_high[:done][mask]
        offset = _best_gap(lows, highs, int(size[item]), room)
        if offset is None:
            return None
        offsets[item] = offset
        placed_begin[done], placed_end[done] = begin[item], end[item]
        placed_low[done], placed_high[done] = offset, offset + size[item]
    return offsets


def _best_gap(lows: Ints, highs: Ints, need: int, room: int) -> int | None:
    """Start of the smallest gap of at least `need` bytes between occupied ranges below `room`."""
    if not len(lows):
        return 0 if need <= room else None
    order = np.argsort(lows, kind="stable")
    lows, tops = lows[order], np.maximum.accumulate(highs[order])
    starts = np.concatenate(([0], tops))
    gaps = np.concatenate((lows, [room])) - starts
    fits = gaps >= need
    if not fits.any():
        return None
    return int(starts[np.argmin(np.where(fits, gaps, np.iinfo(np.int64).max))])
