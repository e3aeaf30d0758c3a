"""Which jobs touch common bytes, and so must be ordered.

IR-free. Jobs are given in a legal order. Every access is a strided box of bytes; two accesses
conflict when they share a byte and at least one writes. The result is, for each job, the earlier
jobs that it has to wait for so that every conflict is ordered, without those that other waits
already imply.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Access(NamedTuple):
    """Bytes of one memory space that a job touches.

    `key` names the space. The bytes are those of a box of `shape` elements of `itemsize` bytes at
    byte `strides` from `address`.
    """

    key: int
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int
    writes: bool


class _Box(NamedTuple):
    """A box in normal form: a run of bytes, repeated at strides. Sizes of 1 are left out."""

    low: int
    high: int
    run: int
    dims: tuple[tuple[int, int], ...]


def _box(access: Access) -> _Box:
    dims = sorted(
        (stride, size)
        for size, stride in zip(access.shape, access.strides, strict=True)
        if size != 1 and stride != 0
    )
    run = access.itemsize
    while dims and dims[0][0] == run:
        run *= dims.pop(0)[1]
    reach = sum(stride * (size - 1) for stride, size in dims)
    return _Box(access.address, access.address + reach + run, run, tuple(dims))


def _spans(box: _Box, strides: Sequence[int], origin: int) -> list[tuple[int, int]] | None:
    """The box as one range per stride (wide to narrow, then bytes), None where it is not so."""
    units = [*strides, 1]
    sizes = dict(box.dims)
    if len(sizes) != len(box.dims):
        return None
    counts = [sizes.get(stride, 1) for stride in strides] + [box.run]
    # A run that fills whole steps of a stride is that many steps of it.
    for level in range(len(units) - 1, 0, -1):
        extent = counts[level] * units[level]
        wide = units[level - 1]
        if extent > wide and counts[level - 1] == 1 and extent % wide == 0:
            counts[level - 1], counts[level] = extent // wide, wide // units[level]
    spans: list[tuple[int, int]] = []
    rest = box.low - origin
    for level, (unit, count) in enumerate(zip(units, counts, strict=True)):
        begin, rest = divmod(rest, unit)
        if level and begin + count > units[level - 1] // unit:
            return None
        spans.append((begin, begin + count))
    return spans


def boxes_meet(a: _Box, b: _Box) -> bool:
    """Whether two boxes share a byte. Exact for boxes cut from one lattice, else never too few."""
    if a.high <= b.low or b.high <= a.low:
        return False
    if not a.dims and not b.dims:
        return True
    strides = sorted({s for s, _ in a.dims} | {s for s, _ in b.dims}, reverse=True)
    if any(wide % narrow for wide, narrow in itertools.pairwise(strides)):
        return True
    # Coordinates count from the nearer start, so that a tensor's own offset does not matter.
    origin = min(a.low, b.low)
    for start in (origin, origin // strides[0] * strides[0]):
        spans_a, spans_b = _spans(a, strides, start), _spans(b, strides, start)
        if spans_a is not None and spans_b is not None:
            pairs = zip(spans_a, spans_b, strict=True)
            return all(x[0] < y[1] and y[0] < x[1] for x, y in pairs)
    return True


def _covers(a: _Box, b: _Box) -> bool:
    """Whether box `a`, a run of bytes without gaps, holds all of `b`."""
    return not a.dims and a.low <= b.low and b.high <= a.high


_PAGE = 1 << 14
"""Bytes per page of the index of accesses: a few tiles."""


@dataclass
class _Record:
    """An access that later jobs may conflict with."""

    job: int
    box: _Box
    writes: bool
    alive: bool = True


class _Space:
    """The accesses to one memory space, found by the pages that they touch."""

    def __init__(self) -> None:
        self._pages: dict[int, list[_Record]] = {}

    def overlapping(self, box: _Box) -> list[_Record]:
        """The living records whose extent meets that of `box`, each once."""
        found: dict[int, _Record] = {}
        for page in range(box.low // _PAGE, (box.high - 1) // _PAGE + 1):
            records = self._pages.get(page)
            if records is None:
                continue
            if any(not r.alive for r in records):
                records[:] = [r for r in records if r.alive]
            for record in records:
                if record.box.low < box.high and box.low < record.box.high:
                    found[id(record)] = record
        return list(found.values())

    def add(self, record: _Record) -> None:
        box = record.box
        for page in range(box.low // _PAGE, (box.high - 1) // _PAGE + 1):
            self._pages.setdefault(page, []).append(record)


def conflict_waits(jobs: Sequence[Sequence[Access]]) -> list[list[int]]:
    """For each job, the earlier jobs that share bytes with it, one of the two writing them.

    An earlier access whose bytes were all written again since is not listed: the later writer is.
    """
    spaces: dict[int, _Space] = {}
    waits: list[list[int]] = []
    for index, accesses in enumerate(jobs):
        found: set[int] = set()
        records = [_Record(index, _box(a), a.writes) for a in accesses]
        for access, record in zip(accesses, records, strict=True):
            for other in spaces.setdefault(access.key, _Space()).overlapping(record.box):
                if not (record.writes or other.writes):
                    continue
                if other.job not in found and boxes_meet(record.box, other.box):
                    found.add(other.job)
                if record.writes and _covers(record.box, other.box):
                    other.alive = False
        for access, record in zip(accesses, records, strict=True):
            spaces[access.key].add(record)
        waits.append(sorted(found))
    return waits


def prune_waits(queues: Sequence[int], waits: Sequence[Sequence[int]]) -> list[list[int]]:
    """Drops every wait that queue order or another wait implies.

    `queues[j]` is the in-order queue of job j; jobs are listed in an order that respects both. A
    vector clock holds, per queue, the last job known to have ended before a job starts.
    """
    count = max(queues, default=-1) + 1
    last = [-1] * count
    clocks: list[list[int]] = []
    pruned: list[list[int]] = []
    for job, queue in enumerate(queues):
        clock = list(clocks[last[queue]]) if last[queue] >= 0 else [-1] * count
        if last[queue] >= 0:
            clock[queue] = last[queue]
        kept: list[int] = []
        # The latest first: what it implies need not be waited for itself.
        for other in sorted(waits[job], reverse=True):
            if clock[queues[other]] >= other:
                continue
            kept.append(other)
            clock[queues[other]] = other
            clock = [max(x, y) for x, y in zip(clock, clocks[other], strict=True)]
        clocks.append(clock)
        last[queue] = job
        pruned.append(sorted(kept))
    return pruned
