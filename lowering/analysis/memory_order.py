"""The order in which jobs run, memory being a resource.

IR-free. Jobs stand in a legal order in which their buffers fit; here they are put into one in which
units have less to wait for: what can overlap does, as far as memory lets it, and what only fills
memory, as loads do, comes as early as those that need it demand, not earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_ROUNDS = 4
"""How often jobs that fill memory are timed by the schedule that the last timing gave."""
_AHEAD = 1.5
"""How much earlier than needed such a job may start, as a factor of the time before its need ..."""
_LENGTHS_OF_LOADS, _LENGTHS = 2, 8
"""... and in its own lengths, of loads and of others: the next schedule is not the last one."""


@dataclass(frozen=True)
class Jobs:
    """Jobs to be ordered: class, cycles, DDR bytes and earlier jobs to wait for, of each.

    `sizes` are the bytes of the buffers, `used` the buffers of each job.
    """

    kinds: Sequence[str]
    cycles: Sequence[int]
    ddr_bytes: Sequence[int]
    waits: Sequence[Sequence[int]]
    sizes: Sequence[int]
    used: Sequence[Sequence[int]]


@dataclass(frozen=True)
class TimedOrder:
    """Jobs by their starts, and the cycles in which each job is expected to run."""

    order: list[int]
    start: list[int]
    end: list[int]

    @property
    def makespan(self) -> int:
        return max(self.end, default=0)


@dataclass(frozen=True)
class _Growing:
    """A job after which more memory is in use, and the first job that waits for it.

    `share` are its cycles if all units of its class take a part and it has the whole DDR, `spare`
    how much earlier than needed it may start in any case.
    """

    job: int
    kind: str
    share: float
    spare: float
    needed: int
    is_load: bool


class MemoryOrder:
    """Orders the same jobs for one limit of memory after another.

    Raises ValueError for a class without units, and for waits that are not for earlier jobs.
    """

    def __init__(self, jobs: Jobs, units: Mapping[str, int], ddr_rate: float):
        number = {kind: index for index, kind in enumerate(units)}
        count = len(jobs.kinds)
        self._count = count
        cycles = np.array(jobs.cycles, np.int64)
        nbytes = np.array(jobs.ddr_bytes, np.int64)
        self._graph = (
            np.array([number[kind] for kind in jobs.kinds], np.int32),
            cycles,
            nbytes,
            *_flat(jobs.waits),
            np.array(list(units.values()), np.int32),
            ddr_rate,
        )
        self._sizes = np.array(jobs.sizes, np.int64)
        self._used = _flat(jobs.used)
        self._priority = np.arange(count, 0, -1, dtype=np.int64)
        alone = np.maximum(cycles, nbytes / ddr_rate)
        needed: dict[int, int] = {}
        for job, others in enumerate(jobs.waits):
            for other in others:
                needed.setdefault(other, job)
        growing: list[_Growing] = []
        for job, growth in enumerate(_growth(jobs)):
            if growth > 0 and job in needed:
                kind, length = jobs.kinds[job], float(alone[job])
                lengths = _LENGTHS_OF_LOADS if nbytes[job] else _LENGTHS
                share = max(length / units[kind], nbytes[job] / ddr_rate)
                spare = length * lengths
                growing.append(_Growing(job, kind, share, spare, needed[job], bool(nbytes[job])))
        # Held back are loads alone, or tiles as well: what runs far ahead fills memory, but what
        # does not cannot make up for a wait.
        self._held = ([each for each in growing if each.is_load], growing)
        # Without memory, as if there were enough of it.
        no_sizes = np.zeros_like(self._sizes)
        self._free = self._run(no_sizes, 0, np.zeros(count, np.int32))

    def within(self, limit: int) -> TimedOrder:
        """The best order found in which jobs go ahead of others only within `limit` bytes.

        What the jobs' own order needs may be more than that. Deterministic.
        """
        found: list[TimedOrder] = []
        for held in self._held:
            last = self._free
            for _ in range(_ROUNDS):
                starts = np.array(last.start, np.int64)
                last = self._run(self._sizes, limit, self._not_before(starts, held))
                found.append(last)
        return min(found, key=lambda order: order.makespan)

    def _run(self, sizes: Ints, limit: int, not_before: npt.NDArray[np.int32]) -> TimedOrder:
        from pulsar2 import _kernels

        _, order, start, end = _kernels.order_jobs(
            *self._graph, sizes, *self._used, limit, not_before, self._priority
        )
        return TimedOrder(order.tolist(), start.tolist(), end.tolist())

    def _not_before(self, start: Ints, held: Sequence[_Growing]) -> npt.NDArray[np.int32]:
        """The job of the program that each job held back waits for, by a schedule's starts.

        Jobs of a class follow one another, so each is needed in time for the later ones as well:
        from the last to the first, the time by which it has to start.
        """
        positions = np.zeros(self._count, np.int32)
        reached = np.maximum.accumulate(start)
        latest: dict[str, float] = {}
        for each in sorted(held, key=lambda g: (-start[g.needed], -g.job)):
            need = float(start[each.needed])
            begin = min(latest.get(each.kind, need), need) - each.share
            latest[each.kind] = begin
            ahead = _AHEAD * (need - begin) + each.spare
            if ahead < need:
                position = int(np.searchsorted(reached, need - ahead, side="right"))
                positions[each.job] = min(position, each.job)
        return positions


def _growth(jobs: Jobs) -> Ints:
    """By how many bytes more each job begins to use than it is the last to use."""
    growth = np.zeros(len(jobs.kinds), np.int64)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for job, used in enumerate(jobs.used):
        for buffer in used:
            first.setdefault(buffer, job)
            last[buffer] = job
    for buffer, size in enumerate(jobs.sizes):
        if buffer in first:
            growth[first[buffer]] += size
            growth[last[buffer]] -= size
    return growth


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Ints, npt.NDArray[np.int32]]:
    offsets = np.array([0, *accumulate(map(len, lists))], np.int64)
    return offsets, np.array([other for each in lists for other in each], np.int32)
