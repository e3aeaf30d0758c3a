"""What there is to show of a schedule: when jobs run, what lies in OCM, what goes over DDR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pulsar2.program import OPCODES_BY_CODE, EuKind, Job, Program, Space, distinct_bytes
from pulsar2.targets import Mode, load_target
from pulsar2.timeline.occupancy import OcmBlock, ocm_blocks
from pulsar2.timing import ddr_rate

if TYPE_CHECKING:
    from pulsar2._kernels import JobCosts

I64 = npt.NDArray[np.int64]

KINDS: tuple[str, ...] = ("ld:input", "ld:param", "ld:ddr_swap", "st:ddr_swap", "st:output")
"""Kinds of DDR traffic, as trace.json names them."""

_LOADS = {Space.INPUT: "ld:input", Space.PARAM: "ld:param", Space.SWAP: "ld:ddr_swap"}
_STORES = {Space.OUTPUT: "st:output", Space.SWAP: "st:ddr_swap"}
_LABEL = re.compile(r"^(?:ld:|st:)?(.*?)(?:_\d+_\d+)?$")


class Traffic(NamedTuple):
    """DDR bytes of one job of one kind."""

    job: int
    kind: str
    nbytes: int


@dataclass
class OperatorCost:
    """What the jobs of one operator cost together. Cycles are summed over units.

    `compute`, `transfer` and `overhead` split the cycles: arithmetic of compute jobs, copies, and
    the rest (launches, and ports that are slower than the arithmetic). `waiting` is what shared DDR
    adds.
    """

    name: str
    first: int
    last: int
    jobs: int = 0
    cycles: int = 0
    compute: int = 0
    transfer: int = 0
    overhead: int = 0
    waiting: int = 0
    macs: int = 0
    ddr_bytes: int = 0
    conv_cycles: int = 0

    @property
    def bound(self) -> str:
        """What most of the operator's cycles go into."""
        parts = {
            "compute": self.compute,
            "transfer": self.transfer + self.waiting,
            "overhead": self.overhead,
        }
        return max(parts, key=lambda name: parts[name])


@dataclass
class Timeline:
    """A program and its replay. Times are in cycles from the start of the program."""

    program: Program
    timing: Mapping[str, float]
    start: I64
    end: I64
    costs: JobCosts = field(repr=False)

    @staticmethod
    def of(code: bytes, timing: Mapping[str, float]) -> Timeline:
        """The timeline of an encoded program on a target with these timing numbers."""
        from pulsar2 import _kernels

        table = dict(timing)
        start, end = _kernels.replay_program(code, table)
        return Timeline(Program.decode(code), table, start, end, _kernels.job_costs(code, table))

    @property
    def cycles(self) -> int:
        """Cycles from the start of the first job to the end of the last."""
        return int(self.end.max(initial=0))

    def microseconds(self, cycles: float) -> float:
        return cycles / self.timing["clock_mhz"]

    @property
    def ddr_rate(self) -> float:
        """Bytes of DDR per cycle that the program has."""
        return ddr_rate(self.timing, self.program.ddr_limit)

    @property
    def mode(self) -> Mode:
        """The npu_mode that the program is for."""
        return load_target(self.program.target).mode(self.program.npu_mode)

    @property
    def latency_us(self) -> float:
        """Microseconds of one inference of this program, with its start."""
        return self.microseconds(self.cycles) + self.mode.invocation_us

    @property
    def macs(self) -> int:
        return int(self.costs["macs"].sum())

    @cached_property
    def conv_utilization(self) -> float:
        """Multiply-accumulates done, as a share of what all conv units could do in the time."""
        units = sum(eu.kind == EuKind.CONV for eu in self.program.eus)
        best = units * self.timing["conv_lanes_in"] * self.timing["conv_lanes_out"] * self.cycles
        return self.macs / best if best else 0.0

    @cached_property
    def busy(self) -> list[float]:
        """Of each unit, the share of the time in which it runs a job."""
        units = np.array([job.eu for job in self.program.jobs], dtype=np.int64)
        total = np.bincount(units, self.end - self.start, len(self.program.eus))
        return [float(t) / self.cycles if self.cycles else 0.0 for t in total]

    @cached_property
    def shares(self) -> dict[str, float]:
        """Of each class of units, and of the DDR, the share of the time in which it works."""
        found: dict[str, float] = {}
        for kind in dict.fromkeys(EuKind(eu.kind) for eu in self.program.eus):
            busy = [b for b, eu in zip(self.busy, self.program.eus, strict=True) if eu.kind == kind]
            found[kind.name.lower()] = sum(busy) / len(busy)
        most = self.ddr_rate * self.cycles
        found["DDR"] = sum(self.traffic_by_kind.values()) / most if most else 0.0
        return found

    @property
    def bound(self) -> str:
        """What works for most of the time, and for which share of it."""
        name, share = max(self.shares.items(), key=lambda item: item[1])
        return f"{name} ({share:.0%} of the time)"

    @cached_property
    def traffic(self) -> list[Traffic]:
        """The DDR traffic of all jobs, in their order."""
        return [
            Traffic(index, kind, nbytes)
            for index, job in enumerate(self.program.jobs)
            for kind, nbytes in _job_traffic(job)
        ]

    @cached_property
    def traffic_by_kind(self) -> dict[str, int]:
        """Bytes of each kind of DDR traffic."""
        totals = dict.fromkeys(KINDS, 0)
        for item in self.traffic:
            totals[item.kind] += item.nbytes
        return totals

    @cached_property
    def ocm_blocks(self) -> list[OcmBlock]:
        """What lies in OCM, from when to when."""
        return ocm_blocks(self.program.jobs, self.start, self.end)

    @cached_property
    def ocm_peak(self) -> int:
        """The greatest number of bytes alive in OCM at once."""
        changes = sorted(
            change
            for block in self.ocm_blocks
            for change in (
                (block.start, block.high - block.low),
                (block.end, block.low - block.high),
            )
        )
        peak = alive = 0
        for _, change in changes:
            alive += change
            peak = max(peak, alive)
        return peak

    @cached_property
    def operators(self) -> list[OperatorCost]:
        """Costs by operator, in the order of their first jobs."""
        table: dict[str, OperatorCost] = {}
        starts: list[int] = self.start.tolist()
        ends: list[int] = self.end.tolist()
        cycles: list[int] = self.costs["cycles"].tolist()
        compute: list[int] = self.costs["compute_cycles"].tolist()
        macs: list[int] = self.costs["macs"].tolist()
        ddr: list[int] = self.costs["ddr_bytes"].tolist()
        for i, job in enumerate(self.program.jobs):
            name = operator_of(job.label)
            cost = table.setdefault(name, OperatorCost(name, starts[i], ends[i]))
            cost.first, cost.last = min(cost.first, starts[i]), max(cost.last, ends[i])
            took = ends[i] - starts[i]
            cost.jobs += 1
            cost.cycles += took
            cost.waiting += took - cycles[i]
            cost.macs += macs[i]
            cost.ddr_bytes += ddr[i]
            if OPCODES_BY_CODE[job.opcode].name == "copy":
                cost.transfer += cycles[i]
            else:
                cost.compute += compute[i]
                cost.overhead += cycles[i] - compute[i]
            if self.program.eus[job.eu].kind == EuKind.CONV:
                cost.conv_cycles += took
        return list(table.values())


def operator_of(label: str) -> str:
    """The operator in a job's label: `[ld:|st:]<operator>_<number>_<tile>`."""
    match = _LABEL.match(label)
    return match.group(1) if match else label


def job_kind(job: Job) -> str:
    """The kind of DDR traffic that a copy is; '' for other jobs, and copies within OCM."""
    if OPCODES_BY_CODE[job.opcode].name != "copy":
        return ""
    source, target = job.operands
    return _STORES.get(target.space, "") or _LOADS.get(source.space, "")


def _job_traffic(job: Job) -> list[tuple[str, int]]:
    written = OPCODES_BY_CODE[job.opcode].output
    found: list[tuple[str, int]] = []
    for index, operand in enumerate(job.operands):
        kinds = _STORES if index == written else _LOADS
        if operand.space in kinds:
            found.append((kinds[operand.space], distinct_bytes(operand)))
    return found
