"""Quality of schedules: cycles against the roofline, DDR traffic, use of OCM and units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from pulsar2 import _kernels
from pulsar2.axmodel import read_axmodel
from pulsar2.program import EuKind, Program, Space
from pulsar2.targets import load_target

from .builds import Build
from .report import Section
from .roofline import bound, count_work

_MIB = 1 << 20
_COLUMNS = (
    "network", "jobs", "cycles", "ms", "bound", "bound by", "cycles / bound",
    "cycles / own bound", "DDR MiB", "DDR / compulsory", "OCM peak", "conv busy",
)  # fmt: skip


def schedule_section(builds: Sequence[Build], npu_mode: str) -> tuple[Section, dict[str, float]]:
    """The section, and by network the ratio of cycles to the roofline bound."""
    section = Section(
        f"Schedules, AX650 {npu_mode}",
        _COLUMNS,
        notes=[
            "bound: MACs, vector elements and compulsory DDR bytes (weights, inputs, outputs), "
            "each at its best rate, the greatest of the three; counted on the float graph, without "
            "the scheduler. own bound: the same with the bytes at the rate that the SDMA units of "
            "the mode can draw together, where that is less than the DDR's.",
        ],
    )
    ratios: dict[str, float] = {}
    for build in builds:
        model = read_axmodel(build.compiled)
        target = load_target(model.target)
        timing, units = target.timing, target.mode(npu_mode).units
        work = count_work(onnx.load(build.model))
        rates = (
            target.macs_per_cycle * units["conv"],
            timing["teng_lanes"] * units["teng"],
        )
        whole = bound(work, *rates, timing["ddr_bytes"])
        drawn = min(timing["ddr_bytes"], timing["sdma_bytes"] * units["sdma"])
        own = bound(work, *rates, drawn)
        cycles = traffic = jobs = peak = 0
        busy = 0.0
        for subgraph in model.subgraphs:
            code = subgraph.programs[0].code
            program = Program.decode(code)
            starts, ends = _kernels.replay_program(code, timing)
            cycles += int(np.max(ends, initial=0))
            traffic += int(_kernels.job_costs(code, timing)["ddr_bytes"].sum())
            jobs += len(program.jobs)
            peak = max(peak, _highest_ocm_byte(program))
            conv = np.array([program.eus[job.eu].kind is EuKind.CONV for job in program.jobs])
            busy += float((ends - starts)[conv].sum())
        ratios[build.name] = cycles / whole.cycles
        section.add(
            build.name,
            jobs,
            cycles,
            cycles / target.clock_hz * 1e3,
            round(whole.cycles),
            whole.resource,
            ratios[build.name],
            cycles / own.cycles,
            traffic / _MIB,
            traffic / work.compulsory_bytes,
            f"{peak / target.mode(npu_mode).ocm_bytes:.0%}",
            f"{busy / (cycles * units['conv']):.0%}",
        )
    return section, ratios


def _highest_ocm_byte(program: Program) -> int:
    """One past the last byte of OCM that a job touches; 4-bit elements never lie there unpacked."""
    return max(
        (
            operand.address
            + sum((n - 1) * s for n, s in zip(operand.shape, operand.strides, strict=True))
            for job in program.jobs
            for operand in job.operands
            if operand.space is Space.OCM
        ),
        default=0,
    )
