"""What a configuration file says, before its meaning: values that know where they were written.

Every reader (JSON, YAML, TOML, prototxt, command line) results in such a tree, so a mistake is
reported in the same way, with its place, whatever the format.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 64
"""Nesting beyond this is refused: no configuration needs it, and readers recurse."""

MAX_NODES = 200_000
"""Values beyond this are refused: YAML aliases can make billions out of a few lines."""


@dataclass(frozen=True)
class Position:
    """A place: a file with 1-based line and column, or (line 0) a source without lines."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Scalar:
    """A string, number, boolean, or None for an explicit null."""

    value: str | int | float | bool | None
    position: Position


@dataclass(frozen=True)
class Items:
    """A list. `repeated` marks a prototxt field that was simply given more than once."""

    items: tuple[Node, ...]
    position: Position
    repeated: bool = False


@dataclass(frozen=True)
class Table:
    """Keys and values, in the order written, with the position of each key."""

    entries: dict[str, Node]
    position: Position
    keys: dict[str, Position] = field(default_factory=dict[str, Position])


Node = Scalar | Items | Table
Path = tuple[str | int, ...]


def plain(node: Node) -> Any:
    """The tree without positions: dicts, lists and scalars."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(value) for key, value in node.entries.items()}


def find(node: Node, path: Path) -> Position:
    """The position of the value at `path`, or of its nearest ancestor that was written."""
    for step in path:
        child: Node | None = None
        if isinstance(node, Table) and isinstance(step, str):
            child = node.entries.get(step)
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            child = node.items[step]
        if child is None:
            break
        node = child
    return node.position


def find_key(node: Node, path: Path) -> Position:
    """The position of the key that ends `path`, or what `find` says when there is none."""
    for step in path[:-1]:
        if isinstance(node, Table) and isinstance(step, str) and step in node.entries:
            node = node.entries[step]
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return find(node, ())
    last = path[-1] if path else ""
    if isinstance(node, Table) and isinstance(last, str) and last in node.keys:
        return node.keys[last]
    return find(node, path[-1:])


def merge(base: Node, over: Node) -> Node:
    """`base` with what `over` says put in its place: tables by key, anything else whole."""
    if not (isinstance(base, Table) and isinstance(over, Table)):
        return over
    entries = dict(base.entries)
    for key, value in over.entries.items():
        entries[key] = merge(entries[key], value) if key in entries else value
    return Table(entries, base.position, {**base.keys, **over.keys})


def path_text(path: Path) -> str:
    """A key path as it is shown: `quant.input_configs[0].tensor_name`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node under `node` with its path, itself first."""
    yield path, node
    if isinstance(node, Table):
        for key, value in node.entries.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from walk(item, (*path, index))


class Lines:
    """Turns offsets in a text into positions quickly."""

    def __init__(self, source: str, text: str):
        self._source = source
        self._starts = [0]
        for index, character in enumerate(text):
            if character == "\n":
                self._starts.append(index + 1)

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(self._source, line, offset - self._starts[line - 1] + 1)


def scalars(values: Sequence[str | int | float | bool], position: Position) -> Items:
    """A list of scalars that all stand at `position`."""
    return Items(tuple(Scalar(v, position) for v in values), position)
