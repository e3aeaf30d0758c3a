"""`--verify-diagnostics`: the errors that come out are exactly those that the text expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulsar2.diagnostics import Diagnostic

if TYPE_CHECKING:
    from pulsar2.ir import ParsedModule

_EXPECTED = re.compile(
    r"expected-error\s*(?:@\s*(?P<at>[+-]\d+|above|below|\*))?\s*\{\{(?P<text>.*?)\}\}"
)


@dataclass(frozen=True)
class Found:
    """An error: its text, the line of the operation it is about (None if unknown), and the place."""

    message: str
    line: int | None
    place: str

    @staticmethod
    def of(diagnostic: Diagnostic, parsed: ParsedModule | None) -> Found:
        """What a diagnostic says, and where, by the operation or line that it carries."""
        source = diagnostic.source
        if isinstance(source, int):
            return Found(diagnostic.message, source, diagnostic.where)
        position = parsed.position(source) if parsed is not None and source is not None else None
        message = diagnostic.message
        if diagnostic.accepted:
            message += f" ({diagnostic.accepted})"
        return Found(message, position[0] if position else None, diagnostic.where)

    def render(self, file: str) -> str:
        """The line that a user sees."""
        parts = [self.place] if self.place else []
        if self.line is not None and not self.place.startswith(f"{file}:"):
            parts.insert(0, f"{file}:{self.line}")
        return ": ".join([*parts, f"error: {self.message}"])


@dataclass(frozen=True)
class _Expected:
    line: int | None
    text: str
    at: int


def _expectations(text: str, first_line: int) -> list[_Expected]:
    lines = text.split("\n")
    found: list[_Expected] = []
    for index, content in enumerate(lines):
        for match in _EXPECTED.finditer(content):
            here = first_line + index + 1
            at = match["at"]
            if at is None:
                line: int | None = here
            elif at == "*":
                line = None
            elif at in ("above", "below"):
                line = _neighbour(lines, index, -1 if at == "above" else 1) + first_line + 1
            else:
                line = here + int(at)
            found.append(_Expected(line, match["text"], here))
    return found


def _neighbour(lines: Sequence[str], index: int, step: int) -> int:
    """The next line in a direction that holds no expectation itself."""
    index += step
    while 0 <= index < len(lines) and _EXPECTED.search(lines[index]):
        index += step
    return index


def check_expected(
    text: str, file: str, first_line: int, found: Sequence[Found]
) -> list[str]:
    """What differs between the errors found and those expected in `text`; nothing if they agree.

    Each `expected-error {{text}}` (with `@+N`, `@-N`, `@above`, `@below` for another line, `@*` for
    an error without one) stands for one error on that line whose message contains the text.
    """
    left = list(found)
    problems: list[str] = []
    for expected in _expectations(text, first_line):
        for each in left:
            if each.line == expected.line and expected.text in each.message:
                left.remove(each)
                break
        else:
            problems.append(
                f"{file}:{expected.at}: error: expected error was not produced: {expected.text}"
            )
    for each in left:
        problems.append(f"{each.render(file)} [unexpected]")
    return problems
