"""`--verify-diagnostics`: the errors that come out are exactly those that the text expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulsar2.diagnostics import Diagnostic

if TYPE_CHECKING:
    from pulsar2.ir import ParsedModule

_MENTIONED = re.compile(r"//.*?\bexpected-error")
_EXPECTED = re.compile(
    r"\bexpected-error\s*(?:@\s*(?P<at>[+-]\d+|above|below|unknown))?\s*\{\{(?P<text>.+?)\}\}"
)


@dataclass(frozen=True)
class Found:
    """An error: its text, the line that it is about (None if unknown), and the place in words."""

    message: str
    line: int | None
    place: str

    @staticmethod
    def of(diagnostic: Diagnostic, parsed: ParsedModule | None) -> Found:
        """What a diagnostic says, and where, by the operation or line that it carries."""
        source, message = diagnostic.source, diagnostic.message
        if isinstance(source, int):
            return Found(message, source, diagnostic.where)
        position = parsed.position(source) if parsed is not None and source is not None else None
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
    """An error that should come: on which line (None: on none), its text, and where it says so."""

    line: int | None
    text: str
    at: int


def check_expected(text: str, file: str, first_line: int, found: Sequence[Found]) -> list[str]:
    """What differs between the errors found and those expected in `text`; nothing if they agree.

    Each `expected-error {{text}}` stands for one error on its own line whose message contains the
    text; `@+N`, `@-N`, `@above` and `@below` name another line, the two words the next that expects
    nothing itself, and `@unknown` an error that is about no line.
    """
    left = list(found)
    expectations, problems = _read(text, file, first_line)
    for expected in expectations:
        match = next(
            (f for f in left if f.line == expected.line and expected.text in f.message), None
        )
        if match is not None:
            left.remove(match)
            continue
        where = "no line" if expected.line is None else f"line {expected.line}"
        problems.append(
            f"{file}:{expected.at}: error: expected error was not produced on {where}:"
            f" {expected.text}"
        )
    return problems + [f"{each.render(file)} [unexpected]" for each in left]


def _read(text: str, file: str, first_line: int) -> tuple[list[_Expected], list[str]]:
    """What a text expects, and what is wrong with how it says so."""
    lines = text.split("\n")
    expected: list[_Expected] = []
    problems: list[str] = []
    for index, content in enumerate(lines):
        here = first_line + index + 1
        matches = list(_EXPECTED.finditer(content))
        if len(matches) != content.count("expected-error") and _MENTIONED.search(content):
            problems.append(
                f"{file}:{here}: error: cannot read what is expected here"
                " (as in '// expected-error@+1 {{text of the error}}')"
            )
        for match in matches:
            expected.append(_Expected(_line(match["at"], lines, index, here), match["text"], here))
    return expected, problems


def _line(at: str | None, lines: Sequence[str], index: int, here: int) -> int | None:
    """The line that `@at` in line `here`, the `index`th of the text, names."""
    if at is None:
        return here
    if at == "unknown":
        return None
    if at in ("above", "below"):
        step = -1 if at == "above" else 1
        there = index + step
        while 0 <= there < len(lines) and _EXPECTED.search(lines[there]):
            there += step
        return here + there - index
    return here + int(at)
