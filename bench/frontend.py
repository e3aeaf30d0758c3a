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
LIMIT_NODES, LIMIT_SECONDS = 5000, 15.0
"""The graph of so many nodes that has to be imported and optimized in so many seconds."""


def once(nodes: int) -> tuple[int, float, float]:
    """The exact number of nodes of a graph, and the seconds that import and optimization took."""
    proto = synthetic_graph(nodes)
    context = make_context()
    begin = time.perf_counter()
    module = import_onnx(proto, context)
    middle = time.perf_counter()
    run_passes(context, module, parse_passes("optimize"))
    return len(proto.graph.node), middle - begin, time.perf_counter() - middle


def measure_frontend(repeats: int, sizes: Sequence[int] = SIZES) -> Section:
    """Seconds for each size, and how they grow against n log n from the smallest on.

    The sizes take turns, so that a drifting machine moves all of them.
    """
    section = Section(
        "Import and optimization of synthetic graphs",
        ("nodes", "import, s", "optimize, s", "sum, s", "sum / (n log n), from the smallest"),
        notes=["convolutions, spelled-out normalizations and activations, shape arithmetic"],
    )
    once(100)
    runs: dict[int, list[tuple[int, float, float]]] = {size: [] for size in sizes}
    for _ in range(repeats):
        for size in sizes:
            runs[size].append(once(size))
    base = 0.0
    for size in sizes:
        nodes = runs[size][0][0]
        imported, optimized = (median(run[i] for run in runs[size]) for i in (1, 2))
        total = median(run[1] + run[2] for run in runs[size])
        unit = total / (nodes * math.log(nodes))
        base = base or unit
        section.add(nodes, imported, optimized, total, unit / base)
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
    seconds = next(float(row[3] or 0) for row in section.rows if float(row[0] or 0) >= LIMIT_NODES)
    return 0 if seconds < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
