"""Quality of schedules: cycles against the roofline, DDR traffic, use of OCM and units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pulsar2.diagnostics import UserError, first_line
from pulsar2.targets import Target, load_target
from pulsar2.timeline import Timeline

from .networks import NETWORKS
from .report import Section
from .roofline import Bound, Work, bound, count_work
from .schedule_only import Scheduled, quantize_by_shape, schedule

_COLUMNS = (
    "network", "case", "jobs", "cycles", "latency, ms", "bound", "bound by", "cycles / bound",
    "DDR MB", "DDR / compulsory", "OCM peak", "busiest", "scheduling, s",
)  # fmt: skip
_KIB = 1 << 10


@dataclass(frozen=True)
class Case:
    """What a network is scheduled for; ``ocm_bytes`` of 0 is all that the mode gives."""

    target: str
    npu_mode: str
    ocm_bytes: int = 0
    options: str = ""

    def __str__(self) -> str:
        short = f", {self.ocm_bytes // _KIB} KiB" if self.ocm_bytes else ""
        return f"{self.target} {self.npu_mode}{short}{', fused' if self.options else ''}"

    @property
    def pipeline_options(self) -> str:
        """The options of the ``schedule`` pipeline."""
        mode = f"target={self.target} npu-mode={self.npu_mode} ocm-bytes={self.ocm_bytes}"
        return f"{mode} {self.options}".strip()


_FUSED = "slice-mode=true"
ALONE, SMALL = Case("AX650", "NPU1"), Case("AX650", "NPU1", 384 * _KIB)
FUSED, FUSED_NPU3, FUSED_SINGLE, FUSED_SMALL = (
    Case("AX650", "NPU1", options=_FUSED),
    Case("AX650", "NPU3", options=_FUSED),
    Case("AX620E", "NPU2", options=_FUSED),
    Case("AX650", "NPU1", 384 * _KIB, _FUSED),
)
CASES = (
    ALONE,
    Case("AX620E", "NPU2"),
    SMALL,
    FUSED,
    FUSED_NPU3,
    FUSED_SINGLE,
    FUSED_SMALL,
)
"""Cases of the benchmark: a layer at a time, and fused by slices of rows where that pays. 384 KiB
are compared with a compiler for parts that have so much OCM."""


@dataclass(frozen=True)
class Quality:
    """The figures of one schedule."""

    case: Case
    jobs: int
    cycles: int
    latency_ms: float
    bound: Bound
    ddr_bytes: int
    compulsory_bytes: int
    ocm_share: float
    busiest: tuple[str, float]
    seconds: float

    @property
    def over_bound(self) -> float:
        return self.cycles / self.bound.cycles

    @property
    def over_compulsory(self) -> float:
        return self.ddr_bytes / self.compulsory_bytes


def roofline(work: Work, target: Target, npu_mode: str) -> Bound:
    """The bound of ``work`` in a mode, bytes at the rate that its sdma units can draw together."""
    timing, units = target.timing, target.mode(npu_mode).units
    return bound(
        work,
        target.macs_per_cycle * units["conv"],
        timing["teng_lanes"] * units["teng"],
        min(timing["ddr_bytes"], timing["sdma_bytes"] * units["sdma"]),
    )


def quality(scheduled: Scheduled, work: Work, case: Case) -> Quality:
    """What there is to say of the schedule of a network with this work."""
    target = load_target(case.target)
    mode = target.mode(case.npu_mode)
    programs = scheduled.compiled.programs
    timelines = [Timeline.of(each.code, target.timing) for each in programs]
    cycles = scheduled.compiled.estimate.cycles
    cycles_of = {
        kind: sum(line.shares[kind] * line.cycles for line in timelines)
        for kind in timelines[0].shares
    }
    busiest = max(cycles_of, key=lambda kind: cycles_of[kind])
    return Quality(
        case,
        sum(len(line.program.jobs) for line in timelines),
        cycles,
        scheduled.compiled.estimate.latency_us / 1e3,
        roofline(work, target, case.npu_mode),
        sum(sum(line.traffic_by_kind.values()) for line in timelines),
        work.compulsory_bytes,
        max(line.ocm_peak for line in timelines) / (case.ocm_bytes or mode.ocm_bytes),
        (busiest, cycles_of[busiest] / cycles),
        sum(scheduled.seconds.values()),
    )


def schedule_section(
    names: Sequence[str], folder: Path, cases: Sequence[Case] = CASES
) -> tuple[Section, dict[tuple[str, str], Quality]]:
    """Every network in every case; the section, and the figures by network and case."""
    section = Section(
        "Schedules of networks quantized by shape",
        _COLUMNS,
        notes=[
            "bound: MACs, vector elements and compulsory DDR bytes (weights, inputs, outputs), "
            "each at its best rate, the greatest of the three; counted on the float graph, without "
            "the scheduler. DDR bytes count at the rate that the SDMA units of the mode can draw.",
            "busiest: the class of units, or the DDR, that works for most of the time, and for "
            "which share of it: what better orders of the same jobs could still gain.",
        ],
    )
    found: dict[tuple[str, str], Quality] = {}
    for name in names:
        model = NETWORKS[name]()
        try:
            module, context = quantize_by_shape(model, folder)
        except UserError as error:
            section.notes.append(f"{name} is not built. {first_line(error)}")
            continue
        work = count_work(model)
        for case in cases:
            try:
                scheduled = schedule(module, context, case.pipeline_options)
            except UserError as error:
                section.notes.append(f"{name} is not scheduled for {case}. {first_line(error)}")
                continue
            figures = found[name, str(case)] = quality(scheduled, work, case)
            section.add(name, *_cells(figures))
    for case in cases:
        ratios = [q.over_bound for (_, label), q in found.items() if label == str(case)]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            section.notes.append(
                f"{case}: cycles / bound {mean:.2f} in the geometric mean, {max(ratios):.2f} at "
                f"worst, of {len(ratios)} networks."
            )
    return section, found


def _cells(figures: Quality) -> tuple[str | float | int, ...]:
    return (
        str(figures.case),
        figures.jobs,
        figures.cycles,
        figures.latency_ms,
        round(figures.bound.cycles),
        figures.bound.resource,
        figures.over_bound,
        figures.ddr_bytes / 1e6,
        figures.over_compulsory,
        f"{figures.ocm_share:.0%}",
        "{} {:.0%}".format(*figures.busiest),
        figures.seconds,
    )
