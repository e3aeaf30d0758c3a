"""Which unit runs a job, and in what order: list scheduling.

IR-free. Jobs have a class of units, a duration, and earlier jobs to wait for. Scheduling respects
the waits, gives every job a unit of its class, and orders the queues so that the end comes early.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass
class Schedule:
    """Unit of each job within its class, job order by start, start and end in cycles."""

    units: list[int]
    order: list[int]
    start: list[float]
    end: list[float]

    @property
    def makespan(self) -> float:
        return max(self.end, default=0.0)


def upward_ranks(durations: Sequence[float], waits: Sequence[Sequence[int]]) -> list[float]:
    """Length of the longest chain of waits from each job's start to the end of the program."""
    ranks = list(durations)
    for job in range(len(durations) - 1, -1, -1):
        for other in waits[job]:
            ranks[other] = max(ranks[other], durations[other] + ranks[job])
    return ranks


def list_schedule(
    kinds: Sequence[str],
    durations: Sequence[float],
    waits: Sequence[Sequence[int]],
    units: Mapping[str, int],
    priorities: Sequence[float],
) -> Schedule:
    """Starts, whenever a unit is free, the ready job of its class with the highest priority.

    `waits` refer to earlier jobs. Ties go to the earlier job, so the result is deterministic.
    """
    count = len(durations)
    missing = [len(w) for w in waits]
    followers: list[list[int]] = [[] for _ in range(count)]
    for job, others in enumerate(waits):
        for other in others:
            followers[other].append(job)
    ready: dict[str, list[tuple[float, int]]] = {kind: [] for kind in units}
    free: dict[str, list[int]] = {kind: list(range(n)) for kind, n in units.items()}
    for job in range(count):
        if not missing[job]:
            heapq.heappush(ready[kinds[job]], (-priorities[job], job))
    unit_of, start, end = [0] * count, [0.0] * count, [0.0] * count
    order: list[int] = []
    running: list[tuple[float, int]] = []
    now = 0.0
    while len(order) < count or running:
        for kind, queue in ready.items():
            while queue and free[kind]:
                _, job = heapq.heappop(queue)
                unit_of[job] = heapq.heappop(free[kind])
                start[job], end[job] = now, now + durations[job]
                order.append(job)
                heapq.heappush(running, (end[job], job))
        if not running:
            break
        now = running[0][0]
        while running and running[0][0] <= now:
            _, job = heapq.heappop(running)
            heapq.heappush(free[kinds[job]], unit_of[job])
            for follower in followers[job]:
                missing[follower] -= 1
                if not missing[follower]:
                    heapq.heappush(ready[kinds[follower]], (-priorities[follower], follower))
    return Schedule(unit_of, order, start, end)
