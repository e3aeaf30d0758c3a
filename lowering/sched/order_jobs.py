"""`sched-order-jobs`: jobs in the order in which they are expected to run."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.lowering.analysis.conflicts import conflict_waits
from pulsar2.lowering.analysis.memory_order import Jobs, MemoryOrder
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.insert_waits import accesses, written
from pulsar2.lowering.sched.memory import OcmUse
from pulsar2.targets import load_target
from pulsar2.timing import ddr_rate, work_costs

_LIMITS = (100, 97, 94, 91, 88, 85, 82, 79, 76, 73, 70, 60, 50, 35, 20)
"""Percents of the OCM within which jobs may overlap; the first that the allocator places is taken,
for the more there is to use, the earlier jobs start."""
_EFFORT = 50_000
"""Of the allocator, for each of them."""


@dataclass(frozen=True)
class SchedOrderJobs(AxPass):
    """Puts the jobs in the order in which they are expected to run, and notes the cycles.

    A simulation of the units, in which the OCM is a resource too: a job starts when its class has a
    unit, what it reads is there, and its buffers have room beside those in use; of several the
    first in the program. So tiles overlap as far as memory lets them, and buffers that the
    allocator later puts into the same bytes are those that would not meet anyway. Loads are issued
    before they are needed, by as much time as the loads after them take, and not much earlier: they
    would take the room by which jobs overlap.

    The OCM that may be used so is lowered until the allocator finds room; where it never does, the
    jobs stay as they are.

    Needs: jobs in a legal order that the allocator can place, no waits yet. Leaves: the same, with
    a `start` and an `end` on each job.

    ```
    %t1 = sched.job "conv" on conv(%x, %w1, ..)
    %t2 = sched.job "copy" on sdma(%p2, %w2)
    %t3 = sched.job "conv" on conv(%y, %w2, ..)
    // becomes
    %t2 = sched.job "copy" on sdma(%p2, %w2) {start = 0 : i64, end = 400 : i64}
    %t1 = sched.job "conv" on conv(%x, %w1, ..) {start = 0 : i64, end = 900 : i64}
    %t3 = sched.job "conv" on conv(%y, %w2, ..) {start = 900 : i64, end = 1800 : i64}
    ```
    """

    name = "sched-order-jobs"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _order(op)


def _order(program: ProgramOp) -> None:
    use = OcmUse.of(program)
    target = load_target(program.target.data)
    kinds = [job.eu.data for job in use.jobs]
    costs = work_costs(use.jobs, kinds, target)
    numbers = written(program)
    jobs = Jobs(
        [kind.value for kind in kinds],
        [int(cost.cycles) for cost in costs],
        [cost.ddr_bytes for cost in costs],
        # As if each buffer were a memory of its own.
        conflict_waits([accesses(job, lambda b: (numbers[b], 0, -1)) for job in use.jobs]),
        use.sizes,
        use.used,
    )
    units = target.mode(program.npu_mode.data).units
    orders = MemoryOrder(jobs, units, ddr_rate(target.timing, program.ddr_bytes_per_second))
    capacity = program.ocm_bytes.value.data
    for percent in _LIMITS:
        found = orders.within(capacity * percent // 100)
        spans = [(found.start[p], found.end[p]) for p in found.order]
        ordered = use.ordered(found.order, spans)
        if ordered.offsets(capacity, effort=_EFFORT) is not None:
            block = program.body.block
            for job, (start, end) in zip(ordered.jobs, spans, strict=True):
                job.detach()
                job.set_span(start, end)
            block.add_ops(ordered.jobs)
            return
