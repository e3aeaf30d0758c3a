"""Which buffers leave memory when they do not all fit: eviction by the farthest next use.

IR-free. Jobs run in a fixed order, each needs its own buffers at once. Belady's rule: when room is
short, evict what is needed last again.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence


class TooLarge(Exception):
    """The buffers of one job alone exceed the capacity."""

    def __init__(self, job: int, need: int, have: int):
        super().__init__(f"job {job} needs {need} bytes at once, there are {have}")
        self.job, self.need, self.have = job, need, have


def split_lives(
    jobs: Sequence[Sequence[int]], sizes: Sequence[int], capacity: int
) -> list[list[list[int]]]:
    """Per buffer, the stays in memory: lists of the positions of its uses, in order.

    `jobs[p]` are the buffers that job p uses, `sizes` their bytes. A buffer of one stay never
    leaves; between two stays it is out. Raises `TooLarge`.
    """
    uses: list[list[int]] = [[] for _ in sizes]
    for position, needed in enumerate(jobs):
        for buffer in set(needed):
            uses[buffer].append(position)
    following = [0] * len(sizes)
    stays: list[list[list[int]]] = [[] for _ in sizes]
    resident: set[int] = set()
    used = 0
    # Entries are (-next use, -size, buffer).
    candidates: list[tuple[int, int, int]] = []
    for position, needed in enumerate(jobs):
        now = sorted(set(needed))
        own = sum(sizes[b] for b in now)
        if own > capacity:
            raise TooLarge(position, own, capacity)
        for buffer in now:
            if buffer not in resident:
                stays[buffer].append([])
                resident.add(buffer)
                used += sizes[buffer]
            stays[buffer][-1].append(position)
            following[buffer] += 1
        while used > capacity:
            upcoming, _, buffer = heapq.heappop(candidates)
            # An entry is stale when its buffer left, or was used since: then a newer entry has the
            # next use. A buffer in use now has no entry yet, so it cannot be evicted.
            if buffer in resident and _next(uses, following, buffer) == -upcoming:
                resident.discard(buffer)
                used -= sizes[buffer]
        for buffer in now:
            upcoming = _next(uses, following, buffer)
            if upcoming is None:
                resident.discard(buffer)
                used -= sizes[buffer]
            else:
                heapq.heappush(candidates, (-upcoming, -sizes[buffer], buffer))
    return stays


def _next(uses: Sequence[Sequence[int]], following: Sequence[int], buffer: int) -> int | None:
    index = following[buffer]
    return uses[buffer][index] if index < len(uses[buffer]) else None


def split_all(jobs: Sequence[Sequence[int]], sizes: Sequence[int]) -> list[list[list[int]]]:
    """As `split_lives`, with every buffer in memory only while a job uses it."""
    stays: list[list[list[int]]] = [[] for _ in sizes]
    for position, needed in enumerate(jobs):
        for buffer in sorted(set(needed)):
            stays[buffer].append([position])
    return stays
