"""How a command ends: its exit code, and what a user is told when something went wrong."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pulsar2.diagnostics import Diagnostic, UserError
from pulsar2.files import write_text

DONE = 0
MISTAKE = 1
WRONG_USAGE = 2
BUG = 70

_SYSTEM_LIMITS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE,
    errno.EIO,
}  # fmt: skip


class Crash:
    """Where the trace of a bug goes, and how to write down what it takes to repeat it.

    `folder` is None until a command knows its work folder. `reproducer`, where there is one, writes
    files into that folder and returns the command that repeats the crash.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.reproducer: Callable[[Path], str] | None = None


class _Signal(BaseException):
    """The process was asked to end."""


_AGAIN = 10.0
"""Seconds after which a signal is sent once more, to a command that has not ended."""


class _Signals:
    """Raises what the signals that end a command mean, and remembers the first one.

    A signal that arrives while an extension module is loaded comes out of it as some other
    exception, so what was raised does not always tell. One that arrives just after a lock was taken
    and before the block that releases it leaves the lock taken for good; whoever waits for it then,
    or for a thread that does, is woken by the signal sent again.
    """

    def __init__(self) -> None:
        self.received = 0
        self.ending = False
        self._before: list[tuple[int, Any]] = []
        self._hook = sys.unraisablehook

    def __enter__(self) -> _Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before.append((number, signal.signal(number, self._receive)))
        sys.unraisablehook = self._swallowed
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook
        for number, handler in self._before:
            signal.signal(number, handler)

    def _swallowed(self, what: sys.UnraisableHookArgs) -> None:
        """What was raised where nothing can be: in a finalizer, say, which Python goes on behind.

        The signal is then sent once more, a little later. Other complaints behind a signal are of
        objects that it left half made.
        """
        if isinstance(what.exc_value, _Signal):
            if not self.ending:
                self._send_again(0.01)
        elif not self.received:
            self._hook(what)

    def _send_again(self, seconds: float) -> None:
        again = threading.Timer(seconds, self._remind)
        again.daemon = True
        again.start()

    def _remind(self) -> None:
        if not self.ending:
            os.kill(os.getpid(), self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        if not self.ending:
            self._send_again(_AGAIN)
            raise _Signal


def guarded(command: Callable[[Crash], int], words: list[str], program: str = "pulsar2") -> int:
    """Runs a command of `program` and turns whatever it raises into a message and an exit code."""
    crash = Crash()
    with _Signals() as signals:
        try:
            code = command(crash)
            # From here on there is nothing left to end: a signal must not come out of this block.
            signals.ending = True
            return code
        except BaseException as error:
            signals.ending = True
            if signals.received:
                word = "interrupted" if signals.received == signal.SIGINT else "terminated"
                print(f"\n{program}: {word}", file=sys.stderr)
                _leave_threads(128 + signals.received)
                return 128 + signals.received
            return _ended(error, crash, words, program)


def _leave_threads(code: int) -> None:
    """Ends the process where threads are left that may never end: Python would wait for them."""
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(error: BaseException, crash: Crash, words: list[str], program: str) -> int:
    """The exit code of a command that raised `error`, which no signal brought about."""
    if isinstance(error, UserError):
        report(error)
        return MISTAKE
    if isinstance(error, BrokenPipeError):
        # What reads our output has ended; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MISTAKE
    if isinstance(error, OSError) and error.errno in _SYSTEM_LIMITS:
        report(UserError.of(error.strerror or str(error), str(error.filename or "")))
        return MISTAKE
    if not isinstance(error, Exception):
        raise error
    _report_bug(error, crash, words, program)
    return BUG


def report(error: UserError) -> None:
    """Prints every mistake on a line of its own."""
    for diagnostic in error.diagnostics:
        _print_error(diagnostic)
    if len(error.diagnostics) > 1:
        print(f"{len(error.diagnostics)} errors", file=sys.stderr)


def _print_error(diagnostic: Diagnostic) -> None:
    plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR")
    head = "error:" if plain else "\x1b[1;31merror:\x1b[0m"
    print(f"{head} {diagnostic}", file=sys.stderr)


def _report_bug(error: Exception, crash: Crash, words: list[str], program: str) -> None:
    """Writes the trace, and the reproducer where there is one; says where they are."""
    kind = f"{type(error).__name__}: {error}".splitlines()[0]
    print(f"{program}: internal error: {kind}", file=sys.stderr)
    print("This is a bug of pulsar2, not a mistake of yours.", file=sys.stderr)
    folder = crash.folder / "crash" if crash.folder is not None else None
    if folder is None and crash.reproducer is not None:
        folder = Path(tempfile.mkdtemp(prefix=f"{program}-crash-"))
    command = ""
    if folder is not None and crash.reproducer is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            command = crash.reproducer(folder)
        except Exception as second:
            command = f"(the reproducer could not be written: {second})"
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix=f"{program}-crash-"))
    trace = folder / "trace.txt"
    try:
        write_text(trace, _trace(error, [program, *words], command))
    except UserError as second:
        print(f"The trace could not be written: {second}", file=sys.stderr)
        return
    print(f"trace: {trace}", file=sys.stderr)
    if command:
        print(f"reproducer: {command}", file=sys.stderr)


def _trace(error: Exception, words: list[str], reproducer: str) -> str:
    from pulsar2.version import version

    lines = [
        f"pulsar2 {version()}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {shlex.join(words)}",
        f"reproducer: {reproducer or 'none'}",
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"
