"""Which jobs touch common bytes, and so must be ordered.

IR-free. Jobs are given in a legal order. Every access is a strided box of bytes; two accesses
conflict when they share a byte and at least one writes. The result is, for each job, the earlier
jobs that it has to wait for so that every conflict is ordered, without those that other waits
already imply.
"""

from __future__ import annotations

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


def boxes_meet(a: _Box, b: _Box) -> bool:
    """Whether two boxes share a byte."""
    if a.high <= b.low or b.high <= a.low:
        return False
    if not a.dims and not b.dims:
        return True
    # They do when a sum of steps, so many of each stride forwards in `a` or backwards in `b`, and
    # of bytes within the runs, makes up the distance between them.
    steps: dict[int, tuple[int, int]] = {}
    for stride, size in a.dims:
        low, high = steps.get(stride, (0, 0))
        steps[stride] = (low, high + size - 1)
    for stride, size in b.dims:
        low, high = steps.get(stride, (0, 0))
        steps[stride] = (low - size + 1, high)
    low, high = 1 - b.run, a.run - 1
    terms: list[_Term] = []
    for stride in sorted(steps):
        least, most = steps[stride]
        terms.append((stride, least, most, low, high))
        low, high = low + stride * least, high + stride * most
    return _makes_up(b.low - a.low, terms, len(terms) - 1)


_Term = tuple[int, int, int, int, int]
"""A stride, the least and most steps of it, the least and most that narrower steps make up."""


def _makes_up(distance: int, terms: Sequence[_Term], level: int) -> bool:
    stride, least, most, low, high = terms[level]
    first = max(least, -((high - distance) // stride))
    last = min(most, (distance - low) // stride)
    if level == 0:
        return first <= last
    return any(
        _makes_up(distance - count * stride, terms, level - 1) for count in range(first, last + 1)
    )


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
