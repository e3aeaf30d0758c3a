"""`sched-insert-waits`: every conflict of bytes becomes a wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import BufferOp, ProgramOp
from pulsar2.lowering.analysis.conflicts import Access, conflict_waits
from pulsar2.lowering.base import AxPass

_WRITTEN = {Space.OCM: 0, Space.OUTPUT: 1, Space.SWAP: 2}
"""The spaces that jobs write to; the others have no conflicts."""


@dataclass(frozen=True)
class SchedInsertWaits(AxPass):
    """Makes each job wait for the earlier jobs that touch bytes in common, one of the two writing.

    That covers data (read after write) and memory (write after read or write, where buffers follow
    one another in the same bytes). Waits that were there are replaced.

    Needs: addresses on all buffers, jobs in a legal order. Leaves: waits that alone make any order
    of execution legal.

    ```
    %t1 = sched.job "conv" on conv(%a, %w, %b, ..)
    %t2 = sched.job "eltwise" on teng(%b, %b, %c) ..
    // becomes
    %t1 = sched.job "conv" on conv(%a, %w, %b, ..)
    %t2 = sched.job "eltwise" on teng(%b, %b, %c) .. waits(%t1)
    ```
    """

    name = "sched-insert-waits"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                jobs = [j for j in op.body.block.ops if isinstance(j, JobOp)]
                buffers = written(op)
                ranges = [(address(b), address(b) + b.nbytes) for b in buffers]
                places = {b: (_WRITTEN[b.where], address(b), i) for b, i in buffers.items()}
                found = [accesses(job, places.__getitem__) for job in jobs]
                set_waits(jobs, conflict_waits(found, ranges))


def written(program: ProgramOp) -> dict[BufferOp, int]:
    """The buffers in the spaces that jobs write to, numbered."""
    return {b: i for i, b in enumerate(b for b in program.buffers() if b.where in _WRITTEN)}


def address(buffer: BufferOp) -> int:
    """The byte of its space where a buffer begins."""
    if buffer.offset is None:
        raise UserError.of("a buffer has no address: run sched-allocate first", source=buffer)
    return buffer.offset


def accesses(job: JobOp, place: Callable[[BufferOp], tuple[int, int, int]]) -> list[Access]:
    """The bytes that a job touches in the spaces that jobs write to.

    `place` tells of a buffer there the memory, the byte where it begins, and its number or -1.
    """
    found: list[Access] = []
    for index, (buffer, view) in enumerate(zip(job.buffer_list, job.view_list, strict=True)):
        if buffer.where not in _WRITTEN:
            continue
        key, begin, number = place(buffer)
        found.append(
            Access(
                key,
                begin + view.offset,
                view.shape,
                view.strides,
                view.element.itemsize,
                index == job.spec.output,
                number,
            )
        )
    return found


def wait_indices(jobs: list[JobOp]) -> list[list[int]]:
    """The waits of each job as positions in `jobs`."""
    position: dict[SSAValue, int] = {job.token: i for i, job in enumerate(jobs)}
    return [[position[token] for token in job.waits] for job in jobs]


def set_waits(jobs: list[JobOp], waits: list[list[int]]) -> None:
    """Replaces the waits of each job by the tokens of the jobs at these positions."""
    for job, others in zip(jobs, waits, strict=True):
        job.set_waits([jobs[o].token for o in others])
