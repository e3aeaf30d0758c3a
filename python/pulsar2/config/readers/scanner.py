"""What the hand-written readers share: a cursor over a text that knows its place."""

from __future__ import annotations

import math
import re
from typing import NoReturn

from pulsar2.config.tree import MAX_DEPTH, Lines, Position
from pulsar2.diagnostics import UserError

_INTEGER_DIGITS = 300


class Scanner:
    """A cursor over `text`, which stands in the file `source`."""

    def __init__(self, text: str, source: str, skipped: re.Pattern[str]):
        self.text = text
        self.at = 0
        self.depth = 0
        self._lines = Lines(source, text)
        self._skipped = skipped

    def position(self, offset: int | None = None) -> Position:
        return self._lines.position(self.at if offset is None else offset)

    def fail(self, message: str, accepted: str = "", offset: int | None = None) -> NoReturn:
        """Raises `UserError` at the cursor, or at `offset`."""
        raise UserError.of(message, str(self.position(offset)), accepted)

    def skip(self) -> None:
        """Moves over white space and comments."""
        match = self._skipped.match(self.text, self.at)
        if match:
            self.at = match.end()

    def peek(self) -> str:
        """The character at the cursor, '' at the end."""
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Moves over what `pattern` matches at the cursor and returns it."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def found(self) -> str:
        """What stands at the cursor, as an error message names it."""
        if self.at >= len(self.text):
            return "the end of the file"
        match = re.compile(r"[\w.+-]+").match(self.text, self.at)
        return f"'{match.group()[:40] if match else self.text[self.at]}'"

    def descend(self) -> None:
        """Enters one level of nesting; `UserError` when there are too many."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} levels deep")

    def ascend(self) -> None:
        self.depth -= 1

    def integer(self, text: str, base: int, offset: int) -> int:
        """The value of `text`; `UserError` at `offset` when it is absurdly long."""
        if len(text) > _INTEGER_DIGITS:
            self.fail("number too large", offset=offset)
        return int(text, base)

    def real(self, text: str, offset: int) -> float:
        """The value of `text`; `UserError` at `offset` when f64 cannot hold it."""
        value = float(text)
        if math.isinf(value):
            self.fail(f"number too large: {text[:40]}", offset=offset)
        return value
