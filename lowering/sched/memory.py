"""Live ranges of OCM buffers, as the passes that place them see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp, ProgramOp
from pulsar2.lowering.analysis.allocate import (
    EFFORT,
    assign_offsets,
    prolong,
)


class Rest(NamedTuple):
    """For how many jobs bytes rest, tried in turn, and how many bytes may be in use then."""

    jobs: tuple[int, ...]
    limit: int


def ends_beside(spans: Sequence[tuple[int, int]]) -> list[int]:
    """For jobs by their starts, how many of them have started before each ends."""
    starts = np.array([start for start, _ in spans], np.int64)
    beside = np.searchsorted(starts, [end for _, end in spans], side="left")
    return np.maximum(beside, np.arange(1, len(spans) + 1)).tolist()


@dataclass
class OcmUse:
    """The jobs of a program in order, its OCM buffers, and which buffers each job uses.

    `ends` are one past the last position at which another job runs beside each.
    """

    jobs: list[JobOp]
    buffers: list[BufferOp]
    used: list[list[int]]
    ends: list[int]

    @staticmethod
    def of(program: ProgramOp) -> OcmUse:
        jobs = [op for op in program.body.block.ops if isinstance(op, JobOp)]
        buffers = [b for b in program.buffers() if b.where is Space.OCM]
        index = {id(b): i for i, b in enumerate(buffers)}
        used = [sorted({index[id(b)] for b in job.buffer_list if id(b) in index}) for job in jobs]
        spans = [job.span for job in jobs]
        known = [span for span in spans if span is not None]
        ends = ends_beside(known) if len(known) == len(jobs) else list(range(1, len(jobs) + 1))
        return OcmUse(jobs, buffers, used, ends)

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of each buffer, rounded up to the alignment."""
        return [-(-b.nbytes // OCM_ALIGNMENT) * OCM_ALIGNMENT for b in self.buffers]

    def ordered(self, order: Sequence[int], spans: Sequence[tuple[int, int]]) -> OcmUse:
        """The same with the jobs in another order, which are expected to run in these cycles."""
        return OcmUse(
            [self.jobs[p] for p in order],
            self.buffers,
            [self.used[p] for p in order],
            ends_beside(spans),
        )

    def lives(self) -> tuple[list[int], list[int]]:
        """First and one past the last position at which each buffer is in use."""
        begins, ends = [0] * len(self.buffers), [0] * len(self.buffers)
        seen = [False] * len(self.buffers)
        for position, needed in enumerate(self.used):
            for buffer in needed:
                if not seen[buffer]:
                    begins[buffer], seen[buffer] = position, True
                ends[buffer] = max(ends[buffer], self.ends[position])
        return begins, ends

    def offsets(
        self, capacity: int, rest: Rest | None = None, effort: int = EFFORT
    ) -> list[int] | None:
        """Offsets of the buffers within `capacity`; None where the allocator finds none.

        With `rest`, buffers keep their bytes from others for some jobs after their last use;
        `effort` bounds the search (see `assign_offsets`).
        """
        begins, ends = self.lives()
        if rest is not None:
            ends = prolong(begins, ends, self.sizes, rest.limit, rest.jobs)
        return assign_offsets(begins, ends, self.sizes, capacity, OCM_ALIGNMENT, effort)
