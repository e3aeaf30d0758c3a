"""`sched-hoist-loads`: loads are issued early, as far as OCM allows."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.job import JobOp
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.lowering.analysis.hoist import Load, hoist
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.memory import OcmUse

_LIMITS = (95, 90, 80, 70, 60, 50, 35, 20)
"""Percents of the OCM that prefetched buffers may fill it to; the first that fits is taken."""
_EFFORT = 200_000
"""Of the allocator, for each of them."""


@dataclass(frozen=True)
class SchedHoistLoads(AxPass):
    """Moves the loads of constants and inputs up, so that they run behind earlier compute.

    A load moves while the buffers alive stay within a share of the OCM, which is lowered until the
    allocator finds room; loads keep their order. A load from `swap` stays behind the last store to
    it.

    Options: `window`, the most positions that a load moves.

    Needs: jobs in a legal order that the allocator can place, no waits yet. Leaves: the same.

    ```
    %t1 = sched.job "conv" on conv(%x, %w1, ..)
    %t2 = sched.job "copy" on sdma(%p2, %w2)
    %t3 = sched.job "conv" on conv(%y, %w2, ..)
    // becomes
    %t2 = sched.job "copy" on sdma(%p2, %w2)
    %t1 = sched.job "conv" on conv(%x, %w1, ..)
    %t3 = sched.job "conv" on conv(%y, %w2, ..)
    ```
    """

    name = "sched-hoist-loads"

    window: int = 400

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _hoist(op, self.window)


def _hoist(program: ProgramOp, window: int) -> None:
    use = OcmUse.of(program)
    if not use.jobs:
        return
    capacity = program.ocm_bytes.value.data
    sizes, pressure = use.sizes, use.pressure()
    begins, _ = use.lives()
    loads: list[Load] = []
    written: dict[int, int] = {}
    index = {id(b): i for i, b in enumerate(use.buffers)}
    for position, job in enumerate(use.jobs):
        output = job.buffer(job.spec.output)
        # A load into a buffer that an earlier job touches has to stay behind that job.
        if _loads(job) and begins[index[id(output)]] == position:
            after = written.get(id(job.buffer(0)), -1) + 1
            loads.append(Load(position, sizes[index[id(output)]], after))
        written[id(output)] = position
    for percent in _LIMITS:
        targets = hoist(loads, pressure, capacity * percent // 100, window)
        order = _reorder(len(use.jobs), loads, targets)
        used = [use.used[p] for p in order]
        if use.offsets(capacity, used, effort=_EFFORT) is not None:
            _apply(program, use, order)
            return


def _loads(job: JobOp) -> bool:
    return (
        job.kernel.data == "copy"
        and job.buffer(0).where in (Space.PARAM, Space.INPUT, Space.SWAP)
        and job.buffer(1).where is Space.OCM
    )


def _reorder(count: int, loads: list[Load], targets: list[int]) -> list[int]:
    moved = {load.position: target for load, target in zip(loads, targets, strict=True)}
    # A moved load stands before the job at its target; others stay.
    keys = [(moved.get(p, p), 0 if p in moved else 1, p) for p in range(count)]
    return [p for _, _, p in sorted(keys)]


def _apply(program: ProgramOp, use: OcmUse, order: list[int]) -> None:
    block = program.body.block
    for job in use.jobs:
        job.detach()
    block.add_ops([use.jobs[p] for p in order])
