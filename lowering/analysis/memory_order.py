"""The order in which jobs run, memory being a resource.

IR-free. Jobs stand in a legal order in which their buffers fit; here they are put into one in which
units have less to wait for: what can overlap does, as far as memory lets it, and loads are issued
as early as those that need them demand, not earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_ROUNDS = 4
"""How often loads are timed by the schedule that the last timing gave."""
_AHEAD = 1.5
"""How much earlier than needed a load may be issued, as a factor of the time before its need ..."""
_LENGTHS = 2
"""... and in its own lengths: the schedule before is not the one to come."""


@dataclass(frozen=True)
class Jobs:
    """Jobs to be ordered: class, cycles, DDR bytes and earlier jobs to wait for, of each.

    `loads` are positions of jobs that do nothing but fill a buffer. `sizes` are the bytes of the
    buffers, `used` the buffers of each job.
    """

    kinds: Sequence[str]
    cycles: Sequence[int]
    ddr_bytes: Sequence[int]
    waits: Sequence[Sequence[int]]
    loads: Sequence[int]
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
        needed: dict[int, int] = {}
        for job, others in enumerate(jobs.waits):
            for other in others:
                needed.setdefault(other, job)
        self._loads = [(load, needed[load]) for load in jobs.loads if load in needed]
        alone = np.maximum(cycles, nbytes / ddr_rate)
        self._lengths = {load: float(alone[load]) for load, _ in self._loads}
        self._shares = {load: units[jobs.kinds[load]] for load, _ in self._loads}
        # Without memory, as if there were enough of it.
        no_sizes = np.zeros_like(self._sizes)
        self._free = self._run(no_sizes, 0, np.zeros(count, np.int32))

    def within(self, limit: int) -> TimedOrder:
        """The best order found in which jobs go ahead of others only within `limit` bytes.

        What the jobs' own order needs may be more than that. Deterministic.
        """
        last = best = self._free
        for number in range(_ROUNDS):
            last = self._run(self._sizes, limit, self._not_before(np.array(last.start, np.int64)))
            if number == 0 or last.makespan < best.makespan:
                best = last
        return best

    def _run(self, sizes: Ints, limit: int, not_before: npt.NDArray[np.int32]) -> TimedOrder:
        from pulsar2 import _kernels

        _, order, start, end = _kernels.order_jobs(
            *self._graph, sizes, *self._used, limit, not_before, self._priority
        )
        return TimedOrder(order.tolist(), start.tolist(), end.tolist())

    def _not_before(self, start: Ints) -> npt.NDArray[np.int32]:
        """The job of the program that each load waits to come up, by the starts of a schedule.

        Loads follow one another, so each is needed in time for the later ones as well: from the
        last to the first, the time by which it has to start.
        """
        positions = np.zeros(self._count, np.int32)
        reached = np.maximum.accumulate(start)
        latest = float("inf")
        for load, first in sorted(self._loads, key=lambda pair: (-start[pair[1]], -pair[0])):
            need = float(start[first])
            latest = min(latest, need) - self._lengths[load] / self._shares[load]
            ahead = _AHEAD * (need - latest) + _LENGTHS * self._lengths[load]
            if ahead < need:
                position = int(np.searchsorted(reached, need - ahead, side="right"))
                positions[load] = min(position, load)
        return positions


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Ints, npt.NDArray[np.int32]]:
    offsets = np.array([0, *accumulate(map(len, lists))], np.int64)
    return offsets, np.array([other for each in lists for other in each], np.int32)
