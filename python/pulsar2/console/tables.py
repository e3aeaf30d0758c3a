"""Tables on standard output, as rich draws them."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

_LEAST_ROOM = 20
"""Columns for the values of a summary, below which wrapping would not make it readable."""
_PLAIN_WIDTH = 160
"""Columns of a table that does not go to a terminal, where COLUMNS does not say."""
_FILE_WIDTH = 1 << 16
"""Columns that a table in a file may have."""


def make_console() -> Console:
    """A console on standard output; without escape codes when it is not a terminal."""
    plain = not sys.stdout.isatty()
    width = _PLAIN_WIDTH if plain and not os.environ.get("COLUMNS") else None
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table with a line between rows; text is shown as it is, without markup."""
    make_console().print(_table(title, columns, rows))
    sys.stdout.flush()


def table_text(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table as text, for a file: as wide as its longest cells."""
    text = StringIO()
    Console(file=text, width=_FILE_WIDTH, color_system=None).print(_table(title, columns, rows))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.text import Text

    table = Table(title=title, show_lines=True)
    for column in columns:
        # On a narrow terminal a long word is broken rather than cut: it may be a path. A heading's
        # words stay whole.
        least = max(map(len, column.split()), default=None)
        table.add_column(column, overflow="fold", min_width=least)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_summary(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Prints names and values in two columns under a title, as plain text.

    On a terminal long values are wrapped within their column; elsewhere each has one line.
    """
    width = max(len(name) for name, _ in rows)
    room = shutil.get_terminal_size().columns - width - 4 if sys.stdout.isatty() else 0
    print(title)
    for name, value in rows:
        lines = [value]
        if room >= _LEAST_ROOM:
            lines = textwrap.wrap(value, room, break_on_hyphens=False) or [value]
        for head, line in zip([name, *[""] * (len(lines) - 1)], lines, strict=True):
            print(f"  {head.ljust(width)}  {line}")
    sys.stdout.flush()
