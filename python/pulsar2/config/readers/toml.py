"""TOML, read by the standard library; a second look at the text finds where each value stands."""

from __future__ import annotations

import math
import re
import tomllib
from typing import Any, cast

from pulsar2.config.tree import MAX_DEPTH, Items, Lines, Node, Path, Position, Scalar, Table
from pulsar2.diagnostics import UserError

_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?s:(?:[^\\]|\\.)*?)"""+|' r"'''(?s:.*?)'''+|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'"
)
_ATOM = re.compile(r"[^\s,\]}#]+(?: \d{2}:[^\s,\]}#]+)?")
_DOT = re.compile(r"[ \t]*\.[ \t]*")


def read_toml(text: str, source: str) -> Node:
    """The tree of a TOML text; `UserError` with line and column when it is not one."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _PLACE.match(str(error))
        end = Lines(source, text).position(len(text))
        where = f"{source}:{match[2]}:{match[3]}" if match and match[2] else str(end)
        problem = match[1] if match else str(error)
        raise UserError.of(f"not TOML: {problem}", where) from None
    except (RecursionError, ValueError):
        raise UserError.of("not TOML: nested too deep, or a number too large", source) from None
    places = _Locator(text, source).places()
    return _convert(values, (), places, Position(source, 1, 1))


def _convert(value: Any, path: Path, places: dict[Path, Position], outer: Position) -> Node:
    position = places.get(path, outer)
    if len(path) > MAX_DEPTH:
        raise UserError.of(f"nested more than {MAX_DEPTH} levels deep", str(position))
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        entries = {k: _convert(v, (*path, k), places, position) for k, v in table.items()}
        keys = {k: places.get((*path, k, ""), position) for k in table}
        return Table(entries, position, keys)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        nodes = (_convert(v, (*path, i), places, position) for i, v in enumerate(items))
        return Items(tuple(nodes), position)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError.of(f"{value} is not accepted as a number", str(position))
    if not isinstance(value, str | int | float | bool):
        raise UserError.of("dates and times are not accepted here", str(position))
    return Scalar(value, position)


class _Locator:
    """Finds the position of every value of a text that is known to be TOML.

    A key's own position is kept under the path with an empty string at its end.
    """

    def __init__(self, text: str, source: str):
        self._text = text
        self._lines = Lines(source, text)
        self._at = 0
        self._places: dict[Path, Position] = {}
        self._counts: dict[Path, int] = {}

    def places(self) -> dict[Path, Position]:
        prefix: Path = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return self._places
            if self._text[self._at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()

    def _here(self) -> Position:
        return self._lines.position(self._at)

    def _header(self) -> Path:
        array = self._text.startswith("[[", self._at)
        position = self._here()
        self._at += 2 if array else 1
        self._skip(_BLANK)
        names, _ = self._key()
        self._skip(_BLANK)
        self._at += 2 if array else 1
        path = self._resolve((), names[:-1])
        path = (*path, names[-1])
        self._places.setdefault(path, position)
        self._places.setdefault((*path, ""), position)
        if array:
            index = self._counts.get(path, -1) + 1
            self._counts[path] = index
            path = (*path, index)
            self._places[path] = position
        elif path in self._counts:
            path = (*path, self._counts[path])
        return path

    def _resolve(self, path: Path, names: list[str]) -> Path:
        """`names` under `path`, in the latest element of each array of tables on the way."""
        for name in names:
            path = (*path, name)
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _key(self) -> tuple[list[str], Position]:
        names: list[str] = []
        position = self._here()
        while True:
            quoted = self._skip(_STRING)
            if quoted:
                names.append(tomllib.loads(f"k={quoted}")["k"])
            else:
                names.append(self._skip(_BARE_KEY))
            if not self._skip(_DOT):
                return names, position

    def _pair(self, prefix: Path) -> None:
        names, position = self._key()
        self._skip(_BLANK)
        self._at += 1
        self._skip(_BLANK)
        path = prefix
        for name in names:
            path = (*path, name)
            self._places.setdefault((*path, ""), position)
            self._places.setdefault(path, position)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._places[path] = self._here()
        character = self._text[self._at]
        if character in "\"'":
            self._skip(_STRING)
        elif character == "[":
            self._items(path)
        elif character == "{":
            self._at += 1
            self._skip(_BLANK)
            while self._text[self._at] != "}":
                self._pair(path)
                self._separator()
            self._at += 1
        else:
            self._skip(_ATOM)

    def _items(self, path: Path) -> None:
        self._at += 1
        self._skip(_BLANK)
        index = 0
        while self._text[self._at] != "]":
            self._value((*path, index))
            self._separator()
            index += 1
        self._at += 1

    def _separator(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
