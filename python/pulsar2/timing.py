"""Costs of work on a target, by the timing model that the emulator's clock uses too.

The model is one, in C++ (`pulsar2._kernels`); this hands it layers and jobs of the IR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pulsar2.assemble import encode_eus, encode_operand, unit_list
from pulsar2.dialects.sched.attrs import EuKind
from pulsar2.dialects.sched.job import Work
from pulsar2.program import Job, Program
from pulsar2.targets import Target

_ENDLESS = 1 << 39
"""Bytes of every space of a program made only to be costed."""


class Cost(NamedTuple):
    """What one job costs: cycles in all and of its arithmetic alone, bytes to or from DDR, MACs."""

    cycles: float
    compute: float
    ddr_bytes: int
    macs: int


def ddr_rate(timing: Mapping[str, float], limit: int) -> float:
    """Bytes of DDR per cycle, for a program of this limit in bytes per second (0: none)."""
    own = timing["ddr_bytes"]
    return min(own, limit / (timing["clock_mhz"] * 1e6)) if limit else own


def work_costs(works: Sequence[Work], kinds: Sequence[EuKind], target: Target) -> list[Cost]:
    """The costs of layers or jobs, each on a unit of the class named; addresses do not matter."""
    from pulsar2 import _kernels

    mode = next(iter(target.modes.values()))
    first = {kind: i for i, (kind, _) in reversed(list(enumerate(unit_list(mode))))}
    program = Program(
        target.name,
        mode.name,
        encode_eus(mode),
        ocm_bytes=_ENDLESS,
        input_bytes=_ENDLESS,
        output_bytes=_ENDLESS,
        param_bytes=_ENDLESS,
        swap_bytes=_ENDLESS,
    )
    for work, kind in zip(works, kinds, strict=True):
        operands = [
            encode_operand(buffer.where, view)
            for buffer, view in zip(work.buffer_list, work.view_list, strict=True)
        ]
        values = [value for _, value in work.params.data]
        program.jobs.append(Job(first[kind], work.spec.opcode, operands, values))
    costs = _kernels.job_costs(program.encode(), target.timing)
    return [
        Cost(float(cycles), float(compute), int(nbytes), int(macs))
        for cycles, compute, nbytes, macs in zip(
            costs["cycles"],
            costs["compute_cycles"],
            costs["ddr_bytes"],
            costs["macs"],
            strict=True,
        )
    ]
