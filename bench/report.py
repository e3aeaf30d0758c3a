"""What the benchmark has to say, as rich tables, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

Cell = str | float | int | None


@dataclass
class Section:
    """One table; ``notes`` stand below it."""

    title: str
    columns: Sequence[str]
    rows: list[list[Cell]] = field(default_factory=list[list[Cell]])
    notes: list[str] = field(default_factory=list[str])

    def add(self, *cells: Cell) -> None:
        self.rows.append(list(cells))


@dataclass(frozen=True)
class Target:
    """A figure to reach: ``measured`` is None when it could not be taken."""

    name: str
    wanted: str
    measured: Cell
    reached: bool


@dataclass
class Report:
    machine: dict[str, str]
    sections: list[Section] = field(default_factory=list[Section])
    targets: list[Target] = field(default_factory=list[Target])

    def targets_section(self) -> Section:
        section = Section("Targets", ("measure", "wanted", "measured", "reached"))
        for target in self.targets:
            reached = "yes" if target.reached else "no"
            section.add(target.name, target.wanted, target.measured, reached)
        return section


def _text(cell: Cell) -> str:
    """Three significant digits for fractions, separators for whole numbers, a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
    return cell


def print_section(section: Section, console: Console) -> None:
    table = Table(title=section.title, title_justify="left")
    for column in section.columns:
        table.add_column(column)
    for index, cell in enumerate(section.rows[0] if section.rows else []):
        if not isinstance(cell, str):
            table.columns[index].justify = "right"
    for row in section.rows:
        table.add_row(*(_text(cell) for cell in row))
    console.print(table)
    for note in section.notes:
        console.print(f"  {note}", highlight=False)
    console.print()


def write_json(report: Report, path: Path) -> None:
    sections = [
        {"title": s.title, "columns": list(s.columns), "rows": s.rows, "notes": s.notes}
        for s in report.sections
    ]
    targets = [vars(target) for target in report.targets]
    content = {"machine": report.machine, "sections": sections, "targets": targets}
    path.write_text(json.dumps(content, indent=2) + "\n")


def markdown_table(section: Section) -> list[str]:
    """The lines of a section's table."""
    lines = ["| " + " | ".join(section.columns) + " |", "| --- " * len(section.columns) + "|"]
    return lines + ["| " + " | ".join(_text(cell) for cell in row) + " |" for row in section.rows]


def write_markdown(report: Report, path: Path) -> None:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Absolute times drift with the machine; a claim is always a ratio",
        "of two sides that took turns in one run.",
        "",
        "Measured on: "
        + ", ".join(f"{key} {value}" for key, value in report.machine.items())
        + ".",
    ]
    for section in (*report.sections, report.targets_section()):
        lines += ["", f"## {section.title}", ""]
        lines += markdown_table(section)
        for note in section.notes:
            lines += ["", note]
    path.write_text("\n".join(lines) + "\n")
