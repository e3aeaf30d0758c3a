"""trace.json: a Chrome trace of a program, for Perfetto and chrome://tracing."""

from __future__ import annotations

import json
from typing import Any

from pulsar2.program import OPCODES_BY_CODE, Job, Operand, Space, operand_extent
from pulsar2.timeline.model import Timeline, job_kind

_MEMORY = {
    Space.OCM: "ocm_base",
    Space.INPUT: "ddr_input",
    Space.OUTPUT: "ddr_output",
    Space.PARAM: "ddr_param",
    Space.SWAP: "ddr_swap",
}
_COLOURS = {
    "st:ddr_swap": "terrible",  # red
    "ld:ddr_swap": "rail_response",  # blue
    "ld:param": "yellow",
    "ld:input": "good",  # green
    "st:output": "thread_state_iowait",  # orange
}
"""Chrome's own names for the colours; it knows no others."""


def memory_range(operand: Operand) -> str:
    """As `ocm_base:[0:461824]`."""
    end = operand.address + operand_extent(operand)
    return f"{_MEMORY[operand.space]}:[{operand.address}:{end}]"


def trace_json(timeline: Timeline) -> str:
    """The trace as text. One track per unit, one event per job.

    An event's category names the jobs that it waits for. `args.starts` and `args.dur` are in
    cycles, the event's own `ts` and `dur` in microseconds.
    """
    program = timeline.program
    followers: list[list[int]] = [[] for _ in program.jobs]
    for index, job in enumerate(program.jobs):
        for other in job.waits:
            followers[other].append(index)
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 0, "name": "process_name", "args": {"name": f"{program.target} NPU"}}
    ]
    for eu in range(len(program.eus)):
        track = {"ph": "M", "pid": 0, "tid": eu}
        name = program.eu_name(eu)
        events.append({**track, "name": "thread_name", "args": {"name": name}})
        events.append({**track, "name": "thread_sort_index", "args": {"sort_index": eu}})
    starts, ends = timeline.start.tolist(), timeline.end.tolist()
    for index, (job, start, end) in enumerate(zip(program.jobs, starts, ends, strict=True)):
        kind = job_kind(job)
        event: dict[str, Any] = {
            "ph": "X",
            "pid": 0,
            "tid": job.eu,
            "name": job.label,
            "cat": ",".join(program.jobs[w].label for w in job.waits),
            "ts": round(timeline.microseconds(start), 3),
            "dur": round(timeline.microseconds(end - start), 3),
            "args": {
                "label": job.label,
                "inputs": _operands(job, written=False),
                "outputs": _operands(job, written=True),
                "cname": kind,
                "dur": end - start,
                "starts": start,
                "index": index,
                "dep_by": [program.jobs[f].label for f in followers[index]],
            },
        }
        if kind:
            event["cname"] = _COLOURS[kind]
        events.append(event)
    header = {
        "displayTimeUnit": "ns",
        "otherData": {
            "target": program.target,
            "npu_mode": program.npu_mode,
            "clock_mhz": timeline.timing["clock_mhz"],
            "max_cycle": timeline.cycles,
        },
    }
    lines = ",\n".join(json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in events)
    return json.dumps(header)[:-1] + f', "traceEvents": [\n{lines}\n]}}\n'


def _operands(job: Job, *, written: bool) -> list[str]:
    op = OPCODES_BY_CODE[job.opcode]
    names = [*op.operands, *op.optional]
    return [
        f"{names[i]} {memory_range(operand)}"
        for i, operand in enumerate(job.operands)
        if (i == op.output) == written
    ]
