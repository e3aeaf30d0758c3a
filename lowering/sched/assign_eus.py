"""`sched-assign-eus`: a unit for each job, and the order of the queues."""

from __future__ import annotations

from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64

from pulsar2.context import AxContext
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.lowering.analysis.conflicts import prune_waits
from pulsar2.lowering.analysis.order import assign_units
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.insert_waits import set_waits, wait_indices
from pulsar2.targets import load_target
from pulsar2.timing import ddr_rate, work_costs


@dataclass(frozen=True)
class SchedAssignEus(AxPass):
    """Assigns each job a unit of its class, and puts the jobs in the order in which they start.

    The best of several stages, by the timing model's replay: list scheduling by the longest chain
    of waits (`heuristic`) and by the order of the program (`onepass`), filling of gaps (`greedy`),
    and changes to the best of these (`improved`); see `pulsar2.lowering.analysis.order`. The log
    tells what each came to. Waits that the order of a queue, or another wait, implies are dropped,
    and so are the cycles that were expected before.

    Needs: waits that order every conflict. Leaves: a `unit` on every job, queues in block order, no
    useless wait.

    ```
    %t1 = sched.job "conv" on conv(..)
    %t2 = sched.job "conv" on conv(..)
    // becomes
    %t1 = sched.job "conv" on conv(..) {unit = 0 : i64}
    %t2 = sched.job "conv" on conv(..) {unit = 1 : i64}
    ```
    """

    name = "sched-assign-eus"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _assign(op)


def _assign(program: ProgramOp) -> None:
    target = load_target(program.target.data)
    units = target.mode(program.npu_mode.data).units
    jobs = [op for op in program.body.block.ops if isinstance(op, JobOp)]
    kinds = [job.eu.data for job in jobs]
    waits = wait_indices(jobs)
    limit = program.ddr_bytes_per_second
    costs = work_costs(jobs, kinds, target)
    names = [kind.value for kind in kinds]
    schedule = assign_units(
        names,
        [int(cost.cycles) for cost in costs],
        [cost.ddr_bytes for cost in costs],
        waits,
        units,
        ddr_rate(target.timing, limit),
    )
    for stage, cycles in schedule.stages:
        logger.info("assign eu {}: {:,} cycles", stage, cycles)
    place = {job: position for position, job in enumerate(schedule.order)}
    ordered = [jobs[j] for j in schedule.order]
    moved = [sorted(place[o] for o in waits[j]) for j in schedule.order]
    queue_ids = {
        (kind, unit): number
        for number, (kind, unit) in enumerate(
            (kind, unit) for kind, count in units.items() for unit in range(count)
        )
    }
    queues = [queue_ids[names[j], schedule.units[j]] for j in schedule.order]
    for j in schedule.order:
        jobs[j].unit = IntegerAttr(schedule.units[j], i64)
    for job in jobs:
        job.start = job.end = None
        job.detach()
    program.body.block.add_ops(ordered)
    set_waits(ordered, prune_waits(queues, moved))
