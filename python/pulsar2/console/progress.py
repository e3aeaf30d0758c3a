"""Progress bars on standard output; away from a terminal one plain line when a bar is full."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pulsar2.console.tables import make_console

Advance = Callable[[], None]


@contextmanager
def bar(label: str, total: int) -> Generator[Advance]:
    """A bar of `total` steps; call what it gives once for each step done."""
    if not sys.stdout.isatty():
        yield _nothing
        print(f"{label} {total}/{total}", flush=True)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(separator="/"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=make_console()) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


def _nothing() -> None:
    """A step of a bar that is not drawn."""
