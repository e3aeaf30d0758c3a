"""``python -m bench.frontend``: how import and optimization grow with the graph; table and chart.

``--docs docs`` writes the table into docs/frontend.md and the chart beside it.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from pulsar2.context import make_context
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

from .chart import Series, log_log_chart
from .measure import machine
from .report import Section, markdown_table, print_section
from .synthetic import synthetic_graph

SIZES = (500, 1000, 2000, 5000, 10_000)
HEADS = (
    *("nodes", "import, s", "optimize, s", "sum, s", "sum on the clock, s"),
    "sum / (n log n), from the smallest",
)
LIMIT_NODES, LIMIT_SECONDS = 5000, 15.0
"""The graph of so many nodes that has to be imported and optimized in so many seconds."""


@dataclass(frozen=True)
class Run:
    """What a graph of `nodes` nodes took: processor time and time on the clock, in seconds."""

    nodes: int
    imported: float
    optimized: float
    clock: float

    @property
    def total(self) -> float:
        return self.imported + self.optimized


def once(nodes: int) -> Run:
    """Import and optimization of a graph of about so many nodes.

    Both run in one thread, so on a machine that does nothing else processor time is the clock's;
    it tells how the work grows where other processes take turns.
    """
    proto = synthetic_graph(nodes)
    context = make_context()
    start, begin = time.perf_counter(), time.process_time()
    module = import_onnx(proto, context)
    middle = time.process_time()
    run_passes(context, module, parse_passes("optimize"))
    end = time.process_time()
    clock = time.perf_counter() - start
    return Run(len(proto.graph.node), middle - begin, end - middle, clock)


def measure_frontend(repeats: int, sizes: Sequence[int] = SIZES) -> Section:
    """Seconds for each size, and how they grow against n log n from the smallest on.

    The sizes take turns, so that a drifting machine moves all of them.
    """
    section = Section(
        "Import and optimization of synthetic graphs",
        HEADS,
        notes=[
            "convolutions, spelled-out normalizations and activations, shape arithmetic",
            "seconds of the processor (one thread); the sum on the clock beside it",
        ],
    )
    once(100)
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    for _ in range(repeats):
        for size in sizes:
            runs[size].append(once(size))
    base = 0.0
    for taken in runs.values():
        nodes = taken[0].nodes
        total = median(run.total for run in taken)
        unit = total / (nodes * math.log(nodes))
        base = base or unit
        section.add(
            nodes,
            median(run.imported for run in taken),
            median(run.optimized for run in taken),
            total,
            median(run.clock for run in taken),
            unit / base,
        )
    return section


def chart(section: Section) -> str:
    """The section as a chart in SVG, with n log n through its first point."""
    nodes = [float(row[0] or 0) for row in section.rows]
    series = [
        Series(name, list(zip(nodes, (float(row[i] or 0) for row in section.rows), strict=True)))
        for i, name in ((3, "sum"), (2, "optimize"), (1, "import"))
    ]
    first, start = series[0].points[0]
    grown = [(n, start * n * math.log(n) / (first * math.log(first))) for n in nodes]
    series.append(Series("n log n", grown, dashed=True))
    return log_log_chart("Import and optimization", "nodes", "seconds", series)


def write_docs(folder: Path, section: Section) -> None:
    """Replaces the table in frontend.md, and the chart beside it."""
    (folder / "images" / "frontend-scaling.svg").write_text(chart(section))
    replace_table(folder / "frontend.md", _MARK, section)


def replace_table(page: Path, mark: str, section: Section) -> None:
    """Writes a section's table between the comment `mark` and the next comment `end`."""
    on = ", ".join(f"{key} {value}" for key, value in machine().items())
    table = "\n".join([*markdown_table(section), "", f"Measured on: {on}."])
    marked = rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- end -->)"
    text = page.read_text()
    if not re.search(marked, text, re.DOTALL):
        raise ValueError(f"{page} has no place for the table: {mark}")
    page.write_text(re.sub(marked, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL))


_MARK = "python -m bench.frontend --docs docs"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.frontend", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs per median (default: 5)")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write the page and its chart")
    arguments = parser.parse_args(words)
    section = measure_frontend(arguments.repeats)
    print_section(section, Console())
    if arguments.docs:
        write_docs(arguments.docs, section)
    clock = HEADS.index("sum on the clock, s")
    seconds = [float(row[clock] or 0) for row in section.rows if int(row[0] or 0) >= LIMIT_NODES]
    return 0 if seconds[0] < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
