"""Every option with a wrong value: one mistake each, all at once, with key path and position."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from test_schema import all_mistakes

from pulsar2.config import BuildConfig, RunConfig
from pulsar2.config.command_line import command_line_options, parse
from pulsar2.config.option import Message, Option, options
from pulsar2.config.readers import read_text
from pulsar2.config.rules import check_build
from pulsar2.config.tree import Path, Table, path_text
from pulsar2.config.validate import validate
from pulsar2.diagnostics import UserError

WRONG: dict[str, Any] = {
    "bool": "perhaps", "int": "many", "float": "a lot", "string": {"a": 1}, "enum": "NOPE",
    "any": 5,
}  # fmt: skip
"""A value of the wrong type for an option of each kind; for an enumeration an unknown name."""


def leaves(model: type[Message], path: Path = ()) -> Iterator[tuple[Path, Option, type[Message]]]:
    """Every option that holds a value; of a list of messages those of its first entry."""
    for chosen in options(model):
        here = (*path, chosen.name)
        if chosen.message is not None:
            yield from leaves(chosen.message, (*here, 0) if chosen.repeated else here)
        else:
            yield here, chosen, model


def nested(values: dict[Path, Any]) -> dict[str, Any]:
    """The configuration in which each path has its value."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        holder: Any = root
        for step, after in pairwise(path):
            if isinstance(step, str):
                holder = holder.setdefault(step, [{}] if isinstance(after, int) else {})
            else:
                holder = holder[step]
        holder[path[-1]] = value
    return root


def mistakes_of(value: dict[str, Any]) -> list[str]:
    tree = read_text(json.dumps(value, indent=1), "c", "json")
    return all_mistakes(tree)


def line_of(value: dict[str, Any], path: Path) -> int:
    """The line on which the value at `path` stands in the text that `mistakes_of` reads."""
    marked = json.loads(json.dumps(value))
    holder: Any = marked
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = "HERE"
    text = json.dumps(marked, indent=1)
    return text[: text.index('"HERE"')].count("\n") + 1


def test_a_wrong_type_for_every_option_at_once() -> None:
    wrong = {p: WRONG[o.kind] for p, o, _ in leaves(BuildConfig)}
    value = nested(wrong)
    found = mistakes_of(value)
    assert len(wrong) > 80
    for path in wrong:
        said = [m for m in found if f": {path_text(path)}: " in m]
        inner = [m for m in found if f": {path_text(path)}[0]: " in m]
        assert len(said + inner) == 1, (path, said, inner)
        assert (said + inner)[0].startswith(f"c:{line_of(value, path)}:"), (path, said, inner)
        assert "accepted: " in (said + inner)[0]
    assert len(found) == len(wrong)


def bounds(model: type[Message], name: str) -> list[Any]:
    """Values just beyond the limits of an option."""
    beyond: list[Any] = []
    for limit in model.model_fields[name].metadata:
        match limit:
            case Ge(ge):
                beyond.append(ge - 1)
            case Gt(gt):
                beyond.append(gt)
            case Le(le):
                beyond.append(le + 1)
            case Lt(lt):
                beyond.append(lt)
            case _:
                pass
    return beyond


RANGES = [
    (path, value)
    for path, _, model in leaves(BuildConfig)
    for value in bounds(model, str(path[-1]))
] + [(p, 99) for p, o, _ in leaves(BuildConfig) if o.kind == "int" and o.choices]


@pytest.mark.parametrize(("path", "value"), RANGES, ids=lambda v: str(v))
def test_out_of_range(path: Path, value: Any) -> None:
    found = mistakes_of(nested({("input",): "m", ("output_dir",): "o", path: value}))
    mine = [m for m in found if f": {path_text(path)}: " in m]
    assert len(mine) == 1, found
    assert "is not accepted" in mine[0] or "not built yet" in mine[0]


def test_there_are_ranges() -> None:
    assert len(RANGES) > 15


@pytest.mark.parametrize("path", [p[:-1] for p, _, _ in leaves(BuildConfig)], ids=path_text)
def test_an_unknown_name_in_every_message(path: Path) -> None:
    found = mistakes_of(nested({(*path, "nonesuch"): 1}))
    shown = path_text((*path, "nonesuch"))
    assert len([m for m in found if f": {shown}: unknown key 'nonesuch'" in m]) == 1, found


@pytest.mark.parametrize("model", [BuildConfig, RunConfig])
def test_a_wrong_value_for_every_option_of_the_command_line(model: type[Message]) -> None:
    """At once too, each by the option's name."""
    words: list[str] = []
    expected: list[str] = []
    for name, chosen in command_line_options(model):
        if chosen.kind in ("string", "any"):
            continue
        words += [f"--{name}", str(WRONG[chosen.kind])]
        expected.append(name)
    arguments = parse(model, words)
    assert not arguments.usage.errors
    assert isinstance(arguments.tree, Table)
    with pytest.raises(UserError) as caught:
        validate(model, arguments.tree, check_build if model is BuildConfig else None)
    found = [str(d) for d in caught.value.diagnostics]
    for name in expected:
        assert len([m for m in found if m.startswith(f"--{name}: {name}")]) == 1, (name, found)
