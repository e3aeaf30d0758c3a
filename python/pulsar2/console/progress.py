"""Progress bars on standard output; away from a terminal one plain line when a bar is full."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

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


def full_bar(label: str, total: int, seconds: float) -> None:
    """A bar of something that is already done."""
    if not sys.stdout.isatty():
        print(f"{label} {total}/{total} {_clock(seconds)}", flush=True)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(separator="/"),
        TextColumn(_clock(seconds)),
    )
    with Progress(*columns, console=make_console()) as progress:
        progress.add_task(label, total=max(total, 1), completed=max(total, 1))


@contextmanager
def sample_bar(label: str, total: int) -> Generator[Advance]:
    """A bar with a rate, as of samples that are run; call what it gives once for each step."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    progress = tqdm(total=total, desc=label, disable=not terminal, file=sys.stderr)
    with progress:
        yield lambda: (progress.update(), None)[1]
    if not terminal:
        print(f"{label}: 100% {total}/{total}", flush=True)


def calibration_bar(total: int) -> AbstractContextManager[Advance]:
    """The bar of a calibration; call what it gives once for each sample."""
    return sample_bar("Calibration Progress(Phase 1)", total)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _nothing() -> None:
    """A step of a bar that is not drawn."""
