"""From a tree of values to a typed configuration, or to every mistake in it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from pulsar2.config.option import Message, Option, options
from pulsar2.config.tree import (
    Items,
    Node,
    Path,
    Scalar,
    Table,
    find,
    find_key,
    path_text,
    plain,
)
from pulsar2.diagnostics import Diagnostics, nearest

M = TypeVar("M", bound=Message)
_ROUNDS = 8
EDITOR_KEY = "$schema"
"""A key at the root by which editors find the schema; it says nothing of the build."""


class Report:
    """Collects mistakes by key path: one for each path, none for what contains a mistake."""

    def __init__(self, root: Table):
        self.diagnostics = Diagnostics()
        self._root = root
        self._seen: set[Path] = set()

    def error(self, path: Path, message: str, accepted: str = "", at_key: bool = False) -> None:
        """Records that the value (or, `at_key`, the key) at `path` is wrong."""
        if any(seen[: len(path)] == path for seen in self._seen):
            return
        self._seen.add(path)
        place = (find_key if at_key else find)(self._root, path)
        key = path_text(path)
        self.diagnostics.error(message, f"{place}: {key}" if key else str(place), accepted)

    def covers(self, path: Path) -> bool:
        """Whether a mistake was recorded at `path` or above it."""
        return any(path[:n] in self._seen for n in range(len(path) + 1))


def validate(
    model: type[M],
    root: Table,
    rules: Callable[[M, Report], None] | None = None,
    *,
    allow_unbuilt: bool = False,
) -> M:
    """The configuration that `root` says.

    `rules` checks what one option alone cannot show, on a configuration in which every wrong value
    is replaced by its default. Raises `UserError` with every mistake: unknown keys, wrong types,
    values out of range, missing values, what is not built yet (unless `allow_unbuilt`), and what
    the rules find.
    """
    report = Report(root)
    values: dict[str, Any] = _prepare(model, root, (), report)
    config: M | None = None
    for _ in range(_ROUNDS):
        try:
            config = model.model_validate(values)
            break
        except ValidationError as error:
            for mistake in error.errors(include_url=False, include_context=False):
                path: Path = tuple(mistake["loc"])
                _explain(model, path, mistake, report)
                _drop(values, path)
    if config is None:
        report.diagnostics.raise_if_any()
        raise AssertionError("a configuration could not be read, without a mistake in it")
    _check_options(config, (), report, allow_unbuilt)
    if rules is not None:
        rules(config, report)
    report.diagnostics.raise_if_any()
    return config


def option_at(model: type[Message], path: Path) -> Option | None:
    """The option that the value at `path` belongs to."""
    found: Option | None = None
    current: type[Message] | None = model
    for step in path:
        if isinstance(step, int):
            continue
        if current is None:
            break
        found = next((o for o in options(current) if o.name == step), None)
        current = found.message if found else None
    return found


def _prepare(model: type[Message], table: Table, path: Path, report: Report) -> dict[str, Any]:
    """Plain values of `table`; reports unknown keys, nulls and values given twice."""
    known = {o.name: o for o in options(model)}
    values: dict[str, Any] = {}
    for key, node in table.entries.items():
        here = (*path, key)
        if here == (EDITOR_KEY,):
            continue
        chosen = known.get(key)
        if chosen is None:
            names = [o.name for o in known.values()]
            hint = nearest(key, names)
            report.error(
                here, f"unknown key '{key}'", hint or f"keys here: {', '.join(names)}", True
            )
        elif isinstance(node, Scalar) and node.value is None:
            report.error(here, "has no value", f"accepted: {chosen.accepted()}", True)
        elif isinstance(node, Items) and node.repeated and not chosen.repeated:
            report.error(here, "is given more than once", f"accepted: {chosen.accepted()}", True)
        elif chosen.kind == "any":
            values[key] = plain(_unwrap_struct(node))
        elif chosen.kind == "int" and isinstance(node, Scalar) and isinstance(node.value, bool):
            shown = _shown(node.value)
            report.error(here, f"{shown} is not accepted", f"accepted: {chosen.accepted()}")
        else:
            values[key] = _prepare_value(chosen, node, here, report)
    return values


def _prepare_value(chosen: Option, node: Node, path: Path, report: Report) -> Any:
    if chosen.message is None:
        return plain(node)
    if isinstance(node, Table) and chosen.repeated:
        return [_prepare(chosen.message, node, path, report)]
    if isinstance(node, Table):
        return _prepare(chosen.message, node, path, report)
    if isinstance(node, Items) and chosen.repeated:
        return [
            _prepare(chosen.message, item, (*path, index), report)
            if isinstance(item, Table)
            else plain(item)
            for index, item in enumerate(node.items)
        ]
    return plain(node)


def _unwrap_struct(node: Node) -> Node:
    """Undoes protobuf's spelling of free-form values, `fields { key: .. value { .. } }`."""
    if isinstance(node, Items):
        items = tuple(_unwrap_struct(i) for i in node.items)
        return Items(items, node.position, node.repeated)
    if not isinstance(node, Table):
        return node
    names = set(node.entries)
    if names == {"fields"}:
        fields = node.entries["fields"]
        pairs = fields.items if isinstance(fields, Items) else (fields,)
        entries = {
            str(plain(p.entries["key"])): _unwrap_struct(p.entries["value"])
            for p in pairs
            if isinstance(p, Table) and set(p.entries) == {"key", "value"}
        }
        return Table(entries, node.position) if len(entries) == len(pairs) else node
    if names == {"list_value"} and isinstance(inner := node.entries["list_value"], Table):
        values = inner.entries.get("values", Items((), node.position))
        return _unwrap_struct(
            values if isinstance(values, Items) else Items((values,), node.position)
        )
    if len(names) == 1 and names <= {"number_value", "string_value", "bool_value", "struct_value"}:
        return _unwrap_struct(next(iter(node.entries.values())))
    entries = {key: _unwrap_struct(value) for key, value in node.entries.items()}
    return Table(entries, node.position, node.keys)


def _explain(model: type[Message], path: Path, mistake: Any, report: Report) -> None:
    """Reports one of pydantic's findings in our words."""
    chosen = option_at(model, path)
    accepted = f"accepted: {chosen.accepted()}" if chosen else ""
    if mistake["type"] == "value_error":
        report.error(path, str(mistake["msg"]).removeprefix("Value error, "), accepted)
        return
    value = mistake["input"]
    hint = ""
    if chosen and chosen.kind == "enum" and isinstance(value, str):
        hint = nearest(value, [str(c) for c in chosen.choices], 1)
    shown = repr(value) if isinstance(value, str) else _shown(value)
    report.error(path, f"{shown} is not accepted", f"{accepted}; {hint}" if hint else accepted)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table of keys"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _drop(values: dict[str, Any], path: Path) -> None:
    """Removes the innermost named value on `path`, so that the rest can be looked at."""
    holder: Any = values
    innermost, name = values, ""
    for step in path:
        if isinstance(holder, dict) and isinstance(step, str) and step in holder:
            innermost, name = cast("dict[str, Any]", holder), step
        elif not (isinstance(holder, list) and isinstance(step, int)):
            break
        holder = cast("Any", holder)[step]
    innermost.pop(name, None)


def _check_options(config: Message, path: Path, report: Report, allow_unbuilt: bool) -> None:
    """Reports missing values and what is not built yet, in `config` and all inside it."""
    for chosen in options(type(config)):
        here = (*path, chosen.name)
        value = getattr(config, chosen.name)
        given = chosen.name in config.model_fields_set
        if chosen.extra.required and not given and not report.covers(here):
            report.error(here, "is required but missing", f"accepted: {chosen.accepted()}")
        refused = not chosen.extra.built and given and value != chosen.default
        if chosen.message is not None and (allow_unbuilt or not refused):
            for inner, message in _messages(value, here):
                _check_options(message, inner, report, allow_unbuilt)
        elif allow_unbuilt:
            continue
        elif refused:
            report.error(here, "not built yet", f"only {_shown_default(chosen)} is built so far")
        elif isinstance(value, str | int) and value in chosen.extra.not_built_values:
            built = [c for c in chosen.choices if c not in chosen.extra.not_built_values]
            names = ", ".join(map(str, built))
            report.error(here, f"{value} is not built yet", f"built so far: {names}")


def _shown_default(chosen: Option) -> str:
    if isinstance(chosen.default, list | dict):
        return "leaving it empty"
    if chosen.default == "" or chosen.default is None:
        return "leaving it out"
    return f"the default {_shown(chosen.default)}"


def _messages(value: Any, path: Path) -> Iterator[tuple[Path, Message]]:
    if isinstance(value, Message):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            if isinstance(item, Message):
                yield (*path, index), item
