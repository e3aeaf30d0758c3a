"""YAML with the types of its core schema (1.2): `yes` is a string, `1e-5` is a number."""

from __future__ import annotations

import math
import re
from typing import Any, cast

from pulsar2.config.tree import MAX_DEPTH, MAX_NODES, Items, Node, Position, Scalar, Table
from pulsar2.diagnostics import UserError

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_RADIX = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_STRING_TAG = "tag:yaml.org,2002:str"
_KNOWN_TAGS = {_STRING_TAG, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}


def read_yaml(text: str, source: str) -> Node:
    """The tree of a YAML text; `UserError` with line and column when it is not one."""
    import yaml

    try:
        root: Any = cast("Any", yaml).compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise UserError.of(f"not YAML: {error.problem or error.context}", where) from None
    except (yaml.YAMLError, RecursionError) as error:
        problem = str(error).splitlines()[0] if str(error) else "unreadable"
        raise UserError.of(f"not YAML: {problem}", source) from None
    if root is None:
        return Table({}, Position(source, 1, 1))
    return _Converter(source).convert(root, 0)


class _Converter:
    def __init__(self, source: str):
        self._source = source
        self._left = MAX_NODES

    def convert(self, node: Any, depth: int) -> Node:
        """The tree of a PyYAML node."""
        import yaml

        position = Position(self._source, node.start_mark.line + 1, node.start_mark.column + 1)
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise UserError.of(
                f"nested more than {MAX_DEPTH} levels deep, or more than {MAX_NODES} values",
                str(position),
            )
        if node.tag not in _KNOWN_TAGS:
            raise UserError.of(f"the YAML tag '{node.tag}' is not accepted here", str(position))
        if isinstance(node, yaml.ScalarNode):
            plain = node.style is None and node.tag == _STRING_TAG
            return Scalar(_resolve(node.value) if plain else node.value, position)
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.convert(item, depth + 1) for item in node.value)
            return Items(items, position)
        return self._mapping(node, position, depth)

    def _mapping(self, node: Any, position: Position, depth: int) -> Table:
        import yaml

        entries: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            place = Position(self._source, mark.line + 1, mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError.of("a key must be a plain name", str(place))
            key: str = key_node.value
            if key in entries:
                first = f"first at line {keys[key].line}"
                raise UserError.of(f"the key '{key}' is written twice", str(place), first)
            keys[key] = place
            entries[key] = self.convert(value_node, depth + 1)
        return Table(entries, position, keys)


def _resolve(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not math.isinf(float(text)):
        return float(text)
    return text
