"""How the schema writes down one option.

A pydantic model per message of the configuration, a field per option, made by `option()`. From
these fields alone come parsing, defaults, limits, the command line and its help, the JSON Schema,
the docs and the table of what is not built yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo


class Message(BaseModel):
    """Base of every message: no unknown key, no silent conversion, no change once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _as_list(value: Any) -> Any:
    """A single value where a list is meant, as the build guide's own examples write it."""
    return [value] if isinstance(value, str | int | float | dict) else value


def _as_bool(value: Any) -> Any:
    """0 and 1 for a flag."""
    return bool(value) if type(value) is int and value in (0, 1) else value


T = TypeVar("T")
Repeated = Annotated[list[T], BeforeValidator(_as_list)]
Flag = Annotated[bool, BeforeValidator(_as_bool)]


@dataclass(frozen=True)
class Extra:
    """What an option carries beside pydantic's own metadata."""

    required: bool
    built: bool
    not_built_values: Mapping[Any, str]
    limits: str
    default_text: str


def option(
    default: Any,
    help: str,
    *,
    required: bool = False,
    built: bool = True,
    not_built_values: Mapping[Any, str] | None = None,
    limits: str = "",
    default_text: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """One option of the configuration. A type as `default` is called to make the default.

    `built` False: any value but the default is refused by name until the feature lands.
    `not_built_values` does the same for single values of an enumeration (value -> what is missing,
    or '').
    `limits` and `default_text` replace the text that types and defaults give by themselves.
    """
    extra = Extra(required, built, not_built_values or {}, limits, default_text)
    chosen: dict[str, Any] = {
        "default_factory" if isinstance(default, type) else "default": default
    }
    info = cast("FieldInfo", Field(description=help, ge=ge, gt=gt, le=le, lt=lt, **chosen))
    info.metadata.append(extra)
    return info


Kind = Literal["bool", "int", "float", "string", "enum", "message", "any"]


@dataclass(frozen=True)
class Option:
    """One option, as the readers of the schema see it."""

    name: str
    kind: Kind
    repeated: bool
    choices: tuple[str | int, ...]
    message: type[Message] | None
    default: Any
    help: str
    extra: Extra
    bounds: str = field(default="")

    @property
    def limits(self) -> str:
        """The limits in words, '' when only the type limits the value."""
        return self.extra.limits or self.bounds

    @property
    def type_text(self) -> str:
        """The type in words: `int`, `list of string`, `enum`."""
        return f"list of {self.kind}" if self.repeated else self.kind

    def accepted(self) -> str:
        """What the option accepts, for an error message."""
        words: dict[Kind, str] = {
            "enum": "",
            "bool": "true or false",
            "int": "an integer",
            "float": "a number",
            "string": "a string",
            "message": "a table of keys",
            "any": "a table of attribute names and values",
        }
        one_of = f"one of {', '.join(map(str, self.choices))}"
        text = one_of if self.choices else words[self.kind]
        if self.repeated:
            text = f"a list, each item {text}"
        return f"{text}; {self.limits}" if self.limits else text


@cache
def options(model: type[Message]) -> tuple[Option, ...]:
    """The options of a message, in the order in which the schema writes them."""
    return tuple(_describe(name, info) for name, info in model.model_fields.items())


def _describe(name: str, info: FieldInfo) -> Option:
    extra = next(m for m in info.metadata if isinstance(m, Extra))
    kind, repeated, choices, message = _kind_of(info.annotation)
    default = info.get_default(call_default_factory=True, validated_data={})
    help_text = info.description or ""
    return Option(name, kind, repeated, choices, message, default, help_text, extra, _bounds(info))


def _bounds(info: FieldInfo) -> str:
    """The limits of a number, in words."""
    least = [m.ge for m in info.metadata if isinstance(m, Ge)]
    most = [m.le for m in info.metadata if isinstance(m, Le)]
    if least and most:
        return f"{least[0]} to {most[0]}"
    words = [f"at least {v}" for v in least] + [f"at most {v}" for v in most]
    words += [f"more than {m.gt}" for m in info.metadata if isinstance(m, Gt)]
    words += [f"less than {m.lt}" for m in info.metadata if isinstance(m, Lt)]
    return ", ".join(words)


def _kind_of(
    annotation: Any,
) -> tuple[Kind, bool, tuple[str | int, ...], type[Message] | None]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _kind_of(next(a for a in get_args(annotation) if a is not type(None)))
    if origin is list:
        kind, _, choices, message = _kind_of(get_args(annotation)[0])
        return kind, True, choices, message
    if origin is Literal:
        choices: tuple[str | int, ...] = get_args(annotation)
        return ("int" if isinstance(choices[0], int) else "enum"), False, choices, None
    if origin is dict or annotation is Any:
        return "any", False, (), None
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return "message", False, (), annotation
    kinds: dict[Any, Kind] = {bool: "bool", int: "int", float: "float", str: "string"}
    return kinds[annotation], False, (), None
