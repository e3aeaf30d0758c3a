"""The text of a pipeline: `a,b{key=value other=1,2}` or `builtin.module(a,b{key=value})`.

Words need no quotes unless they hold white space, commas, braces, parentheses, `=` or `"`; quoted
words have JSON's escapes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from pulsar2.diagnostics import UserError

_MODULE = re.compile(r"\s*(?:builtin\.)?module\s*\(")
_WORD = re.compile(r'[^\s,{}()="]+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class PassText:
    """A pass or pipeline as it was written: its name and its options, each a list of words.

    An option without `=` has no words. Names of options have `_` where the text has `-`.
    """

    name: str
    options: dict[str, tuple[str, ...]]


def parse_pass_texts(text: str) -> list[PassText]:
    """The passes that `text` lists, in order; `UserError` where it breaks the grammar."""
    return _Reader(text).read()


def quote_word(text: str) -> str:
    """`text` as a word of a pipeline, in quotes where they are needed."""
    return text if _WORD.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str):
        self._text = text
        self._at = 0

    def read(self) -> list[PassText]:
        anchor = _MODULE.match(self._text)
        if anchor is not None:
            self._at = anchor.end()
        passes: list[PassText] = []
        if not self._ends(anchor is not None):
            passes.append(self._pass())
            while self._accept(","):
                passes.append(self._pass())
        if anchor is not None and not self._accept(")"):
            self._fail("',' or ')'")
        self._skip()
        if self._at < len(self._text):
            self._fail("','" if anchor is None else "the end")
        return passes

    def _ends(self, anchored: bool) -> bool:
        self._skip()
        rest = self._text[self._at :]
        return rest.startswith(")") if anchored else not rest

    def _pass(self) -> PassText:
        name = self._match(_WORD, "the name of a pass")
        if self._accept("("):
            raise UserError.of(
                f"cannot read the pipeline: passes cannot be nested in '{name}(...)'",
                accepted="every pass runs on the module: 'builtin.module(a,b{k=1})'",
            )
        options: dict[str, tuple[str, ...]] = {}
        if self._accept("{"):
            while not self._accept("}"):
                key = self._match(_WORD, "the name of an option or '}'").replace("-", "_")
                if key in options:
                    raise UserError.of(
                        f"option '{key.replace('_', '-')}' of '{name}' is given twice"
                    )
                options[key] = self._words() if self._accept("=") else ()
        return PassText(name, options)

    def _words(self) -> tuple[str, ...]:
        words = [self._word()]
        while self._accept(","):
            words.append(self._word())
        return tuple(words)

    def _word(self) -> str:
        self._skip()
        start = self._at
        if not self._text.startswith('"', start):
            return self._match(_WORD, "a value")
        quoted = self._match(_QUOTED, "a closing '\"'")
        try:
            return json.loads(quoted)
        except json.JSONDecodeError:
            self._at = start
            self._fail("a string with JSON's escapes")

    def _accept(self, mark: str) -> bool:
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _match(self, pattern: re.Pattern[str], wanted: str) -> str:
        self._skip()
        match = pattern.match(self._text, self._at)
        if match is None:
            self._fail(wanted)
        self._at = match.end()
        return match[0]

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        if space is not None:
            self._at = space.end()

    def _fail(self, wanted: str) -> NoReturn:
        rest = self._text[self._at :]
        shown = f"'{rest[:20]}{'...' if len(rest) > 20 else ''}'" if rest else "the end"
        raise UserError.of(
            f"cannot read the pipeline at column {self._at + 1}: expected {wanted}, got {shown}",
            accepted="a list such as 'a,b{k=1}' or 'builtin.module(a,b{k=1})'",
        )
