"""Which unit runs a job, and in what order.

IR-free. Jobs have a class of units, a duration, bytes of DDR, and earlier jobs to wait for. Several
stages of list scheduling and an improvement of the best of them respect the waits, give every job a
unit of its class, and order the queues so that the end comes early (in C++).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

EFFORT = 400_000
"""Jobs that the improvement may simulate: some tenths of a second."""


@dataclass(frozen=True)
class Schedule:
    """Unit of each job within its class, job order by start, start and end in cycles.

    `stages` are the stages by name, with the cycles that each came to.
    """

    units: list[int]
    order: list[int]
    start: list[int]
    end: list[int]
    stages: list[tuple[str, int]]

    @property
    def makespan(self) -> int:
        return max(self.end, default=0)


def assign_units(
    kinds: Sequence[str],
    cycles: Sequence[int],
    ddr_bytes: Sequence[int],
    waits: Sequence[Sequence[int]],
    units: Mapping[str, int],
    ddr_rate: float,
    effort: int = EFFORT,
) -> Schedule:
    """The best schedule found of jobs on `units` of each class, by the timing replay.

    `waits` refer to earlier jobs; `ddr_rate` is in bytes per cycle, shared by the jobs under way.
    `effort` bounds the improvement, in simulated jobs. Deterministic. Raises ValueError for a class
    without units, and for waits that are not for earlier jobs.
    """
    from pulsar2 import _kernels

    number = {kind: index for index, kind in enumerate(units)}
    unit, order, start, end, stages = _kernels.assign_units(
        np.array([number[kind] for kind in kinds], np.int32),
        np.array(cycles, np.int64),
        np.array(ddr_bytes, np.int64),
        np.array([0, *accumulate(len(w) for w in waits)], np.int64),
        np.array([other for w in waits for other in w], np.int32),
        np.array(list(units.values()), np.int32),
        ddr_rate,
        effort,
    )
    return Schedule(unit.tolist(), order.tolist(), start.tolist(), end.tolist(), stages)
