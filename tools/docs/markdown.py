"""Pieces of Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `make docs` from the code; a change here is lost. -->"


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page: title, notice that it is generated, parts set apart by empty lines."""
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; text in a cell may hold anything but line breaks."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def code(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"


def documentation(documented: object) -> str:
    """The docstring of a class or module without indentation, its code blocks marked as IR."""
    lines: list[str] = []
    inside = False
    for line in (inspect.getdoc(documented) or "").splitlines():
        if line.startswith("```"):
            line = "```mlir" if line == "```" and not inside else line
            inside = not inside
        lines.append(line)
    return "\n".join(lines)


def first_paragraph(documented: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(documentation(documented).partition("\n\n")[0].split())


def anchor(name: str) -> str:
    """The anchor that Markdown gives the heading of that name."""
    kept = "".join(c for c in name.lower() if c.isalnum() or c in "-_ ")
    return kept.replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
