"""The options of a pass: from words to typed values, and back.

A pass is a dataclass whose fields are its options. A field may be an int, float, str, bool, an
Enum, a Literal, an optional of one of these, or a tuple `tuple[T, ...]` of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from xdsl.passes import ModulePass

from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.pass_text import PassText, quote_word


@dataclasses.dataclass(frozen=True)
class PassOption:
    """One option of a pass: its `name` and `default` as they are written, what it accepts."""

    name: str
    accepted: str
    default: str
    required: bool


def pass_options(pass_class: type[ModulePass]) -> list[PassOption]:
    """The options of a pass, in the order of its fields."""
    hints = get_type_hints(pass_class)
    return [
        PassOption(
            f.name.replace("_", "-"),
            accepted_values(hints[f.name]),
            "" if _required(f) else _text(_default(f)),
            _required(f),
        )
        for f in _fields(pass_class)
    ]


def make_pass(
    pass_class: type[ModulePass], given: PassText, diagnostics: Diagnostics
) -> ModulePass | None:
    """The pass with the options as they are written; None when mistakes went to `diagnostics`."""
    hints = get_type_hints(pass_class)
    fields = {f.name: f for f in _fields(pass_class)}
    count = len(diagnostics.errors)
    values: dict[str, object] = {}
    for name, words in given.options.items():
        if name not in fields:
            report_unknown_option(f"pass '{given.name}'", name, fields, diagnostics)
            continue
        try:
            values[name] = _convert(words, hints[name])
        except ValueError:
            diagnostics.error(
                f"option '{_shown(name)}' of pass '{given.name}' cannot be '{','.join(words)}'",
                accepted=f"expected {accepted_values(hints[name])}",
            )
    for name, field in fields.items():
        if _required(field) and name not in given.options:
            diagnostics.error(
                f"pass '{given.name}' needs the option '{_shown(name)}'",
                accepted=f"expected {accepted_values(hints[name])}",
            )
    if len(diagnostics.errors) > count:
        return None
    try:
        return pass_class(**values)
    except UserError as error:
        diagnostics.errors += error.diagnostics
        return None


def pass_text(each: ModulePass) -> str:
    """The pass as it is written in a pipeline, with the options that differ from their defaults."""
    options: list[str] = []
    for field in _fields(type(each)):
        value = getattr(each, field.name)
        if _required(field) or value != _default(field):
            options.append(f"{_shown(field.name)}={_text(value)}")
    return f"{each.name}{{{' '.join(options)}}}" if options else each.name


def report_unknown_option(
    owner: str, name: str, known: Mapping[str, object], diagnostics: Diagnostics
) -> None:
    """The error for an option that `owner` lacks, with those it has."""
    names = [_shown(n) for n in known]
    hint = nearest(_shown(name), names, 1)
    options = f"its options: {', '.join(names)}" if names else "it has no options"
    diagnostics.error(
        f"{owner} has no option '{_shown(name)}'", accepted=f"{hint} {options}".strip()
    )


def accepted_values(hint: Any) -> str:
    """What an option of this type takes, in words."""
    origin = get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(str(a) for a in get_args(hint))}"
    if origin in (Union, UnionType):
        parts = [accepted_values(a) for a in get_args(hint) if a is not NoneType]
        return " or ".join(parts)
    if origin is tuple:
        return f"a list of: {accepted_values(get_args(hint)[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(str(m.value) for m in hint)}"
    return {bool: "true or false", int: "an integer", float: "a number", str: "text"}[hint]


def _convert(words: Sequence[str], hint: Any) -> object:
    """The value of these words in a type; ValueError when they are none of it."""
    origin = get_origin(hint)
    if origin is tuple:
        item = get_args(hint)[0]
        return tuple(_convert([word], item) for word in words)
    if origin in (Union, UnionType):
        if not words:
            return None
        for option in get_args(hint):
            if option is not NoneType:
                try:
                    return _convert(words, option)
                except ValueError:
                    continue
        raise ValueError
    if hint is bool and not words:
        return True
    if len(words) != 1:
        raise ValueError
    return _convert_word(words[0], hint)


def _convert_word(word: str, hint: Any) -> object:
    if get_origin(hint) is Literal:
        choices: dict[str, object] = {str(a): a for a in get_args(hint)}
    elif isinstance(hint, type) and issubclass(hint, Enum):
        choices = {str(m.value): m for m in hint}
    elif hint is bool:
        choices = {"true": True, "false": False}
    elif hint is str:
        return word
    elif hint is float:
        number = float(word)
        if not math.isfinite(number):
            raise ValueError
        return number
    else:
        return int(word)
    if word not in choices:
        raise ValueError
    return choices[word]


def _text(value: object) -> str:
    """A value as it is written, so that reading it gives the same value."""
    if isinstance(value, tuple):
        return ",".join(_text(item) for item in cast("Sequence[object]", value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    return quote_word(value) if isinstance(value, str) else str(value)


def _fields(pass_class: type[ModulePass]) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(pass_class) if f.name != "name" and f.init]


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _shown(name: str) -> str:
    return name.replace("_", "-")
