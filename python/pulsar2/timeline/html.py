"""The HTML report: one file, no network, with its data inside."""

from __future__ import annotations

import html
import json
from importlib import resources
from typing import Any

from pulsar2.program import OPCODES_BY_CODE
from pulsar2.timeline.model import KINDS, Timeline, job_kind, operator_of
from pulsar2.timeline.trace import memory_range


def report_html(timeline: Timeline, title: str) -> str:
    """The page as text: units over time, what lies in OCM, DDR traffic, a table of operators."""
    page = resources.files("pulsar2.timeline").joinpath("report.html").read_text(encoding="utf-8")
    # Inside a script element, "</" in a string would end it.
    data = json.dumps(_data(timeline), ensure_ascii=False, separators=(",", ":"))
    page = page.replace("{{title}}", html.escape(title))
    return page.replace("{{data}}", data.replace("</", "<\\/"))


def _data(timeline: Timeline) -> dict[str, Any]:
    program = timeline.program
    numbers = {cost.name: i for i, cost in enumerate(timeline.operators)}
    kinds = {kind: i for i, kind in enumerate(KINDS)}
    lanes = timeline.timing["conv_lanes_in"] * timeline.timing["conv_lanes_out"]
    return {
        "target": program.target,
        "mode": program.npu_mode,
        "clock": timeline.timing["clock_mhz"],
        "invocation": timeline.mode.invocation_us,
        "cycles": timeline.cycles,
        "macs": timeline.macs,
        "utilization": timeline.conv_utilization,
        "eus": [program.eu_name(i) for i in range(len(program.eus))],
        "busy": timeline.busy,
        "bound": timeline.bound,
        "ocm": program.ocm_bytes,
        "peak": timeline.ocm_peak,
        "kinds": KINDS,
        "totals": [timeline.traffic_by_kind[k] for k in KINDS],
        "ddrRate": timeline.ddr_rate,
        "jobs": {
            "eu": [job.eu for job in program.jobs],
            "start": timeline.start.tolist(),
            "end": timeline.end.tolist(),
            "operator": [numbers[operator_of(job.label)] for job in program.jobs],
            "kind": [kinds.get(job_kind(job), -1) for job in program.jobs],
            "label": [job.label for job in program.jobs],
            "name": [OPCODES_BY_CODE[job.opcode].name for job in program.jobs],
            "macs": timeline.costs["macs"].tolist(),
            "waits": [list(job.waits) for job in program.jobs],
            "operands": [[memory_range(o) for o in job.operands] for job in program.jobs],
            "output": [OPCODES_BY_CODE[job.opcode].output for job in program.jobs],
        },
        "operators": [
            {
                "name": cost.name,
                "jobs": cost.jobs,
                "cycles": cost.cycles,
                "first": cost.first,
                "last": cost.last,
                "macs": cost.macs,
                "utilization": cost.macs / (cost.conv_cycles * lanes) if cost.conv_cycles else 0.0,
                "ddr": cost.ddr_bytes,
                "bound": cost.bound,
            }
            for cost in timeline.operators
        ],
        "blocks": [list(block) for block in timeline.ocm_blocks],
        "traffic": [[t.job, kinds[t.kind], t.nbytes] for t in timeline.traffic],
    }
