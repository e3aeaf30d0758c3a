"""The log: lines of loguru's format on standard error, and in a file from when there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from pulsar2.diagnostics import UserError

if TYPE_CHECKING:
    from loguru import Message

_FORMAT = (
    "<green>{time:YYYY-MM-DD HH:mm:ss.SSS}</green> | <level>{level: <8}</level> | "
    "<cyan>{name}</cyan>:<cyan>{function}</cyan>:<cyan>{line}</cyan> - <level>{message}</level>"
)


def uses_color(stream: TextIO) -> bool:
    """Whether escape codes may go to `stream`: a terminal, and no NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def silent(*modules: str) -> Generator[None]:
    """What these modules log is not told: they do again what they have told of before."""
    for module in modules:
        logger.disable(module)
    try:
        yield
    finally:
        for module in modules:
            logger.enable(module)


@dataclass
class Log:
    """The log of one command. Between `start` and `stop` it has loguru to itself.

    `warnings` collects every warning, so that a summary can say them again.
    """

    warnings: list[str] = field(default_factory=list[str])
    _early: list[str] = field(default_factory=list[str])
    _early_sink: int | None = None
    _file: TextIO | None = None

    def start(self) -> Log:
        """Begins logging to standard error."""
        logger.remove()
        logger.add(_write_error, format=_FORMAT, level="INFO", colorize=uses_color(sys.stderr))
        logger.add(self._keep_warning, level="WARNING", format="{message}")
        keep = self._early.append
        self._early_sink = logger.add(keep, format=_FORMAT, level="DEBUG", colorize=False)
        return self

    def to_file(self, path: Path) -> None:
        """Logs to `path` too, what was said before included; what lay there is replaced."""
        if self._early_sink is None:
            return
        logger.remove(self._early_sink)
        self._early_sink = None
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
            self._file.write("".join(self._early))
        except OSError as error:
            raise UserError.of(f"cannot write the log: {error.strerror}", str(path)) from None
        logger.add(self._write_file, format=_FORMAT, level="DEBUG", colorize=False)

    def stop(self) -> None:
        """Closes the log file and gives loguru back."""
        logger.remove()
        self._early_sink = None
        self._close()

    def _write_file(self, text: str) -> None:
        """Writes to the file, as long as the disk takes it: what is built is worth more."""
        if self._file is not None:
            try:
                self._file.write(text)
            except OSError:
                self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def _keep_warning(self, message: Message) -> None:
        if message.record["level"].name == "WARNING":
            self.warnings.append(message.record["message"])


def _write_error(text: str) -> None:
    """Writes to what standard error is now, not to what it was when logging began."""
    sys.stderr.write(text)
