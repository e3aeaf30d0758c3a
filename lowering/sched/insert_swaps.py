"""`sched-insert-swaps`: what does not fit in OCM goes to DDR and comes back."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import ElementType, EuKind, Space, View
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, BufferOp, ProgramOp
from pulsar2.locations import place_of
from pulsar2.lowering.analysis.allocate import assign_offsets
from pulsar2.lowering.analysis.spill import split_all, split_lives
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.memory import OcmUse

_BUDGETS = (100, 95, 90, 85, 80, 70, 60, 50)
"""Percents of the OCM that buffers may fill at once; the first that can be placed is taken."""


@dataclass(frozen=True)
class SchedInsertSwaps(AxPass):
    """Makes the OCM buffers fit, by storing some to DDR between two uses and loading them again.

    Where the allocator finds room for all buffers in the jobs' order, nothing changes. Otherwise
    buffers leave OCM by the farthest next use, under a budget that shrinks until the rest can be
    placed: an evicted buffer is stored to a `swap` buffer after its last use (unless what it holds
    was loaded, and can be loaded again) and loaded into a new OCM buffer before its next.

    Needs: jobs in a legal order, no waits yet. Leaves: a program that `sched-allocate` can place.

    ```
    %t1 = sched.job "conv" on conv(%a, ..)
    %t2 = sched.job "conv" on conv(%b, ..)
    %t3 = sched.job "conv" on conv(%a, ..)
    // becomes
    %t1 = sched.job "conv" on conv(%a, ..)
    %t4 = sched.job "copy" on sdma(%a, %swap)
    %t2 = sched.job "conv" on conv(%b, ..)
    %t5 = sched.job "copy" on sdma(%swap, %a2)
    %t3 = sched.job "conv" on conv(%a2, ..)
    ```
    """

    name = "sched-insert-swaps"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _insert_swaps(op)


def _insert_swaps(program: ProgramOp) -> None:
    capacity = program.ocm_bytes.value.data
    use = OcmUse.of(program)
    if use.offsets(capacity) is not None:
        return
    largest = max((sum(use.sizes[b] for b in needed), p) for p, needed in enumerate(use.used))
    if largest[0] > capacity:
        job = use.jobs[largest[1]]
        raise UserError.of(
            f"one job needs {largest[0]} bytes of OCM at once, there are {capacity}",
            place_of(job),
            "give more OCM (a larger npu_mode)",
            job,
        )
    # Fragmentation may defeat a budget; there is none with buffers in OCM only while jobs use them.
    for percent in _BUDGETS:
        budget = capacity * percent // 100
        if budget < largest[0]:
            break
        stays = split_lives(use.used, use.sizes, budget)
        if _fits(use, stays, capacity):
            _apply(program, use, stays)
            return
    _apply(program, use, split_all(use.used, use.sizes))


def _fits(use: OcmUse, stays: list[list[list[int]]], capacity: int) -> bool:
    begins: list[int] = []
    ends: list[int] = []
    sizes: list[int] = []
    for buffer, periods in enumerate(stays):
        for period in periods:
            begins.append(period[0])
            ends.append(period[-1] + 1)
            sizes.append(use.sizes[buffer])
    return assign_offsets(begins, ends, sizes, capacity, OCM_ALIGNMENT) is not None


def _apply(program: ProgramOp, use: OcmUse, stays: list[list[list[int]]]) -> None:
    for buffer, periods in zip(use.buffers, stays, strict=True):
        if len(periods) > 1:
            _swap(program, use, buffer, periods)


def _swap(program: ProgramOp, use: OcmUse, buffer: BufferOp, periods: list[list[int]]) -> None:
    """Splits one buffer into a buffer for each stay, with the stores and loads between them."""
    block = program.body.block

    def add_buffer(space: Space) -> BufferOp:
        fresh = BufferOp(space, buffer.nbytes)
        fresh.location = buffer.location
        block.insert_op_after(fresh, buffer)
        return fresh

    def copy(source: BufferOp, source_view: View, target: BufferOp, target_view: View) -> JobOp:
        job = JobOp("copy", EuKind.SDMA, [source, target], [source_view, target_view])
        job.location = buffer.location
        return job

    origin = _origin(use, buffer, periods)
    swap = add_buffer(Space.SWAP) if origin is None else None
    held = buffer
    written: list[View] = []
    for number, period in enumerate(periods):
        if number:
            held = add_buffer(Space.OCM)
            if origin is not None:
                loads = [copy(origin.buffer(0), origin.view(0), held, origin.view(1))]
            else:
                assert swap is not None
                loads = [copy(swap, v, held, v) for v in _merged(written, buffer)]
            for load in loads:
                block.insert_op_before(load, use.jobs[period[0]])
            for position in period:
                _redirect(use.jobs[position], buffer, held)
        # Only what this stay wrote has to be stored, and only what was written can be loaded.
        fresh_views = [_output_view(use.jobs[p]) for p in period if _writes(use.jobs[p], held)]
        written = list(dict.fromkeys([*written, *fresh_views]))
        if swap is not None and number < len(periods) - 1:
            last = use.jobs[period[-1]]
            for view in reversed(_merged(list(dict.fromkeys(fresh_views)), buffer)):
                block.insert_op_after(copy(held, view, swap, view), last)


def _origin(use: OcmUse, buffer: BufferOp, periods: list[list[int]]) -> JobOp | None:
    """The only writer of the buffer, where it is a load that can be made again."""
    jobs = [use.jobs[p] for period in periods for p in period]
    writers = [job for job in jobs if _writes(job, buffer)]
    return writers[0] if len(writers) == 1 and _is_load(writers[0]) else None


def _merged(views: list[View], buffer: BufferOp) -> list[View]:
    """The views as they are, or one run of bytes when together they are the whole buffer."""
    if sum(v.nbytes for v in views) >= buffer.nbytes:
        return [View(0, (buffer.nbytes,), (1,), ElementType.S8)]
    return views


def _output_view(job: JobOp) -> View:
    return job.view(job.spec.output)


def _writes(job: JobOp, buffer: BufferOp) -> bool:
    return job.buffer(job.spec.output) is buffer


def _is_load(job: JobOp) -> bool:
    """Whether the job copies from a segment that nothing writes, the whole of its target buffer."""
    return (
        job.kernel.data == "copy"
        and job.buffer(0).where in (Space.PARAM, Space.INPUT)
        and job.view(1).nbytes == job.buffer(1).nbytes
    )


def _redirect(job: JobOp, old: BufferOp, fresh: BufferOp) -> None:
    for index, operand in enumerate(job.operands):
        if operand is old.result:
            job.operands[index] = fresh.result
