"""How the time of scheduling grows with the number of jobs: `python -m bench.scale`.

Residual blocks, one behind the other, until a program has so many jobs. Seconds are those of the
process, so that what else runs on the machine counts little.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh
from loguru import logger
from onnx import NodeProto, TensorProto, numpy_helper

from .builds import ROOT
from .chart import Series, log_log_chart
from .schedule_only import quantize_by_shape, schedule

_CHANNELS, _SIZE = 64, 28
SIZES = (500, 5_000, 50_000)
"""Jobs that are aimed at."""


@dataclass(frozen=True)
class Row:
    """One size: blocks and jobs of the program, and seconds in all and of each pass."""

    blocks: int
    jobs: int
    seconds: float
    passes: dict[str, float] = field(default_factory=dict[str, float])


def residual_blocks(count: int) -> onnx.ModelProto:
    """Convolutions 1 x 1, depthwise 3 x 3 and 1 x 1, and a sum, so many times."""
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []

    def conv(x: str, y: str, kernel: int, group: int) -> None:
        shape = (_CHANNELS, _CHANNELS // group, kernel, kernel)
        values = rng.normal(0, 1 / math.sqrt(math.prod(shape[1:])), shape).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"{y}_w"))
        nodes.append(
            oh.make_node(
                "Conv", [x, f"{y}_w"], [y], y, pads=[kernel // 2] * 4, group=group,
                kernel_shape=[kernel, kernel],
            )
        )  # fmt: skip

    x = "input"
    for block in range(count):
        conv(x, f"expand{block}", 1, 1)
        conv(f"expand{block}", f"depthwise{block}", 3, _CHANNELS)
        conv(f"depthwise{block}", f"project{block}", 1, 1)
        nodes.append(oh.make_node("Add", [x, f"project{block}"], [f"sum{block}"], f"add{block}"))
        x = f"sum{block}"
    shape = (1, _CHANNELS, _SIZE, _SIZE)
    ports = [oh.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("input", x)]
    graph = oh.make_graph(nodes, f"blocks_{count}", ports[:1], ports[1:], weights)
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)])


def measure_scale(sizes: Sequence[int], folder: Path, options: str = "") -> list[Row]:
    """Schedules programs of about so many jobs each; `options` are the pipeline's."""
    rows: list[Row] = []
    blocks = 8
    for size in sizes:
        if rows:
            blocks = max(1, round(rows[-1].blocks * size / rows[-1].jobs))
        row = _measure(blocks, folder, options)
        if not rows:
            row = _measure(max(1, round(blocks * size / row.jobs)), folder, options)
        rows.append(row)
    return rows


def _measure(blocks: int, folder: Path, options: str) -> Row:
    module, context = quantize_by_shape(residual_blocks(blocks), folder)
    scheduled = schedule(module, context, options)
    jobs = sum(len(each.program.jobs) for each in scheduled.compiled.programs)
    return Row(blocks, jobs, sum(scheduled.seconds.values()), scheduled.seconds)


def growth(rows: Sequence[Row]) -> float:
    """The power of the number of jobs with which the seconds grow, from first to last."""
    first, last = rows[0], rows[-1]
    return math.log(last.seconds / first.seconds) / math.log(last.jobs / first.jobs)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, the passes that take longest last."""
    names = sorted(rows[-1].passes, key=lambda name: -rows[-1].passes[name])[:6]
    lines = [
        f"| blocks | jobs | seconds | ms / job | {' | '.join(names)} |",
        f"| {' | '.join(['---'] * (4 + len(names)))} |",
    ]
    for row in rows:
        passes = " | ".join(f"{row.passes.get(name, 0.0):.2f}" for name in names)
        each = row.seconds / row.jobs * 1e3
        lines.append(
            f"| {row.blocks:,} | {row.jobs:,} | {row.seconds:.2f} | {each:.2f} | {passes} |"
        )
    lines.append(f"\nSeconds grow with the power {growth(rows):.2f} of the number of jobs.")
    return "\n".join(lines)


def chart(rows: Sequence[Row]) -> str:
    """The rows as an SVG chart, with the line of linear growth."""
    points = [(float(row.jobs), row.seconds) for row in rows]
    (jobs, seconds), last = points[0], points[-1][0]
    linear = [(jobs, seconds), (last, seconds * last / jobs)]
    title = "Scheduling, by the number of jobs"
    series = [Series("scheduling", points), Series("linear", linear, dashed=True)]
    return log_log_chart(title, "jobs", "seconds", series)


def main(words: Sequence[str] | None = None) -> None:
    """Prints the table, and writes the chart where a file is named."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--options", default="", help="options of the schedule pipeline")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg")
    arguments = parser.parse_args(words)
    logger.remove()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
        rows = measure_scale(arguments.jobs, Path(folder), arguments.options)
    print(table(rows))
    if arguments.chart:
        arguments.chart.write_text(chart(rows))


if __name__ == "__main__":
    main()
