"""What a user is told when something is wrong.

A mistake is a `Diagnostic`: what, where, and what would be accepted. Code that can find several
mistakes collects them in a `Diagnostics` and raises them all at once as one `UserError`, before any
long work starts. `UserError` ends a command with exit code 1; any other exception is a bug of ours
and ends it with 70.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Diagnostic:
    """One mistake or warning.

    `where` names the place as a user knows it: a file, a `file:line:column`, a key path of the
    configuration, or an ONNX node. `accepted` says what would have been accepted. `source` is the
    operation of the IR, where it is about one: tools that know the text find the line by it.
    """

    message: str
    where: str = ""
    accepted: str = ""
    source: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.accepted})" if self.accepted else text


class UserError(Exception):
    """One or more mistakes in what the user gave us."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))

    @staticmethod
    def of(message: str, where: str = "", accepted: str = "", source: Any = None) -> UserError:
        """A `UserError` of a single diagnostic."""
        return UserError([Diagnostic(message, where, accepted, source)])


@dataclass
class Diagnostics:
    """Collects mistakes, so that a user sees all of them at once."""

    errors: list[Diagnostic] = field(default_factory=list[Diagnostic])

    def error(self, message: str, where: str = "", accepted: str = "", source: Any = None) -> None:
        self.errors.append(Diagnostic(message, where, accepted, source))

    def raise_if_any(self) -> None:
        """Raises `UserError` when at least one mistake was recorded."""
        if self.errors:
            raise UserError(self.errors)


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The phrase `did you mean 'a', 'b'?` for the known names closest to `name`, or ''."""
    close = difflib.get_close_matches(name, list(known), n=count, cutoff=0.5)
    return f"did you mean {', '.join(repr(c) for c in close)}?" if close else ""


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its type."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
