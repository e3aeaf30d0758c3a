"""Live ranges of OCM buffers, as the passes that place them see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp, ProgramOp
from pulsar2.lowering.analysis.allocate import (
    EFFORT,
    assign_offsets,
    pressure_profile,
    prolong,
)


class Rest(NamedTuple):
    """For how many jobs bytes rest, tried in turn, and how many bytes may be in use then."""

    jobs: tuple[int, ...]
    limit: int


@dataclass
class OcmUse:
    """The jobs of a program in order, its OCM buffers, and which buffers each job uses."""

    jobs: list[JobOp]
    buffers: list[BufferOp]
    used: list[list[int]]

    @staticmethod
    def of(program: ProgramOp) -> OcmUse:
        jobs = [op for op in program.body.block.ops if isinstance(op, JobOp)]
        buffers = [b for b in program.buffers() if b.where is Space.OCM]
        index = {id(b): i for i, b in enumerate(buffers)}
        used = [sorted({index[id(b)] for b in job.buffer_list if id(b) in index}) for job in jobs]
        return OcmUse(jobs, buffers, used)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each buffer, rounded up to the alignment."""
        return [-(-b.nbytes // OCM_ALIGNMENT) * OCM_ALIGNMENT for b in self.buffers]

    def lives(self, used: list[list[int]] | None = None) -> tuple[list[int], list[int]]:
        """First and one past the last position at which each buffer is used."""
        begins, ends = [0] * len(self.buffers), [0] * len(self.buffers)
        seen = [False] * len(self.buffers)
        for position, needed in enumerate(self.used if used is None else used):
            for buffer in needed:
                if not seen[buffer]:
                    begins[buffer], seen[buffer] = position, True
                ends[buffer] = position + 1
        return begins, ends

    def pressure(self) -> np.ndarray:
        """Bytes alive at each position."""
        begins, ends = self.lives()
        profile = pressure_profile(np.array(begins), np.array(ends), np.array(self.sizes))
        return np.pad(profile, (0, max(0, len(self.jobs) - len(profile))))

    def offsets(
        self,
        capacity: int,
        used: list[list[int]] | None = None,
        rest: Rest | None = None,
        effort: int = EFFORT,
    ) -> list[int] | None:
        """Offsets of the buffers within `capacity`; None where the allocator finds none.

        With `rest`, buffers keep their bytes from others for some jobs after their last use;
        `effort` bounds the search (see `assign_offsets`).
        """
        begins, ends = self.lives(used)
        if rest is not None:
            ends = prolong(begins, ends, self.sizes, rest.limit, rest.jobs)
        return assign_offsets(begins, ends, self.sizes, capacity, OCM_ALIGNMENT, effort)
