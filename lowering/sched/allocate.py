"""`sched-allocate`: every buffer gets its address."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.program import OCM_ALIGNMENT, ProgramOp
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.sched.memory import OcmUse, Rest

_RESTS = (2, 4, 8, 16, 32, 64)
"""Jobs for which freed bytes rest, where there is room for it: the least for all buffers first."""
_LIMITS = (100, 95, 90, 85, 80, 75, 70, 60, 50)
"""Percents of the OCM that may be in use with rests; the first that can be placed is taken."""
_EFFORT = 30_000
"""Of the allocator, for each of them."""

_SEGMENTS = (Space.INPUT, Space.OUTPUT, Space.PARAM, Space.SWAP)


@dataclass(frozen=True)
class SchedAllocate(AxPass):
    """Assigns byte addresses: in OCM by live ranges, in the DDR segments one buffer after another.

    A buffer lives from its first job to its last, and beside all jobs that are expected to start
    before that one ends (`sched-order-jobs`). Where there is room, bytes rest for some jobs before
    another buffer takes them over, so that jobs do not have to wait for each other just because
    they use the same memory.

    Needs: jobs in a legal order, OCM buffers that fit (`sched-insert-swaps`). Leaves: an `address`
    on every buffer; from here on the order of the jobs may change only as far as conflicts of bytes
    allow.

    ```
    %a = sched.buffer ocm 401408
    // becomes
    %a = sched.buffer ocm 401408 {address = 65536 : i64}
    ```
    """

    name = "sched-allocate"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, ProgramOp):
                _allocate(op)


def _offsets(use: OcmUse, capacity: int) -> list[int] | None:
    """Offsets with rests where they are easily found; without any, at every effort."""
    for percent in _LIMITS:
        rest = Rest(_RESTS, capacity * percent // 100)
        offsets = use.offsets(capacity, rest=rest, effort=_EFFORT)
        if offsets is not None:
            return offsets
    return use.offsets(capacity)


def _allocate(program: ProgramOp) -> None:
    use = OcmUse.of(program)
    capacity = program.ocm_bytes.value.data
    offsets = _offsets(use, capacity)
    if offsets is None:
        raise UserError.of(
            f"the buffers of '{program.sym_name.data}' do not fit in {capacity} bytes of OCM: "
            "run sched-insert-swaps first",
            source=program,
        )
    for buffer, offset in zip(use.buffers, offsets, strict=True):
        buffer.place(offset)
    ends: dict[Space, int] = dict.fromkeys(_SEGMENTS, 0)
    # Equal constants are one entry of the weight store, and one place in the segment.
    shared: dict[str, int] = {}
    for buffer in program.buffers():
        if buffer.where is Space.OCM:
            continue
        if buffer.where not in ends:
            raise UserError.of(
                "a buffer's space is not decided: run sched-plan-tiles first", source=buffer
            )
        key = buffer.data.key.data if buffer.data is not None else None
        if key is not None and key in shared:
            buffer.place(shared[key])
            continue
        buffer.place(ends[buffer.where])
        if key is not None:
            shared[key] = ends[buffer.where]
        ends[buffer.where] += -(-buffer.nbytes // OCM_ALIGNMENT) * OCM_ALIGNMENT
