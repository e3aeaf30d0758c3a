"""The command line of a message: `--quant.check 1` is the key `quant.check`.

Read by hand rather than by argparse: every mistake is reported at once, negative numbers and flags
with and without a value need no tricks, and an unknown option suggests the nearest.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pulsar2.config.option import Message, Option, options
from pulsar2.config.tree import Node, Position, Scalar, Table, merge, scalars
from pulsar2.diagnostics import Diagnostics, nearest

_TRUE = {"1", "true", "on", "yes"}
_FALSE = {"0", "false", "off", "no"}
_INTEGER = re.compile(r"[-+]?\d{1,300}")
_WIDTH = 80


@dataclass
class Arguments:
    """What a command line says: the options' values, and words of their own such as `config`."""

    tree: Table
    config: str = ""
    usage: Diagnostics = field(default_factory=Diagnostics)


def command_line_options(model: type[Message], prefix: str = "") -> Iterator[tuple[str, Option]]:
    """Dotted name and option of everything that `model` offers on the command line."""
    for chosen in options(model):
        name = prefix + chosen.name
        if chosen.message is not None:
            if not chosen.repeated:
                yield from command_line_options(chosen.message, f"{name}.")
        elif chosen.kind != "any":
            yield name, chosen


def parse(model: type[Message], words: Sequence[str]) -> Arguments:
    """The values that `words` give to options of `model`; wrong usage goes into `usage`."""
    known = dict(command_line_options(model))
    result = Arguments(Table({}, Position("command line")))
    given: set[str] = set()
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("--") or word == "--":
            result.usage.error(f"unexpected argument '{word}'", accepted="options begin with --")
            continue
        name, equals, text = word[2:].partition("=")
        values: list[str] = [text] if equals else []
        chosen = known.get(name)
        while not equals and index < len(words) and not _is_option(words[index]):
            if values and not (chosen is not None and chosen.repeated):
                break
            values.append(words[index])
            index += 1
        if chosen is None and name != "config":
            hint = nearest(f"--{name}", [f"--{n}" for n in ("config", *known)])
            result.usage.error(f"unknown option --{name}", accepted=hint)
            continue
        if name in given:
            result.usage.error(f"--{name} is given twice", accepted="each option once")
            continue
        given.add(name)
        if not values and not (chosen is not None and chosen.kind == "bool"):
            result.usage.error(f"--{name} needs a value")
        elif chosen is None:
            result.config = values[0]
        else:
            node = _node(chosen, values, Position(f"--{name}"))
            result.tree = _put(result.tree, name.split("."), node)
    return result


def _is_option(word: str) -> bool:
    return word.startswith("--")


def _node(chosen: Option, values: list[str], position: Position) -> Node:
    typed = [_typed(chosen, text) for text in values]
    if chosen.repeated:
        return scalars(typed, position)
    return Scalar(typed[0] if typed else True, position)


def _typed(chosen: Option, text: str) -> str | int | float | bool:
    """`text` as the option's type; left as it is when it is not of that type."""
    if chosen.kind == "bool" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if chosen.kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if chosen.kind == "float":
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _put(tree: Table, names: list[str], node: Node) -> Table:
    for name in reversed(names):
        node = Table({name: node}, node.position, {name: node.position})
    merged = merge(tree, node)
    assert isinstance(merged, Table)
    return merged


def help_text(program: str, model: type[Message], about: str, config: str = "") -> str:
    """What `-h` prints: usage, then every option with help, type, default and limits."""
    known = list(command_line_options(model))
    names = ["[-h]", "[--config]" if config else ""]
    names += [f"[--{name}{_placeholder(o)}]" for name, o in known]
    usage = f"usage: {program} "
    lines = textwrap.wrap(
        " ".join(n.replace(" ", "\0") for n in names if n),
        _WIDTH - len(usage),
        break_long_words=False,
        break_on_hyphens=False,
    )
    indent = "\n" + " " * len(usage)
    parts = [usage + indent.join(lines).replace("\0", " "), "", about, "", "options:"]
    parts.append(_entry("-h, --help", "show this help and exit"))
    if config:
        parts.append(_entry("--config", config))
    parts += [_entry(f"--{name}{_placeholder(o)}", describe(o)) for name, o in known]
    return "\n".join(parts) + "\n"


def describe(chosen: Option) -> str:
    """Help, type, default and limits of one option, in one sentence each."""
    text = f"{chosen.help}. type: {chosen.type_text}."
    if chosen.extra.required:
        text += " required."
    else:
        text += f" default: {default_text(chosen)}."
    if chosen.choices:
        text += f" option: {', '.join(map(str, chosen.choices))}."
    if chosen.limits:
        text += f" limitation: {chosen.limits}."
    if not chosen.extra.built:
        text += " not built yet."
    elif chosen.extra.not_built_values:
        text += f" not built yet: {', '.join(map(str, chosen.extra.not_built_values))}."
    return text


def default_text(chosen: Option) -> str:
    """The default in words."""
    if chosen.extra.default_text:
        return chosen.extra.default_text
    if isinstance(chosen.default, bool):
        return "true" if chosen.default else "false"
    if chosen.default in ("", None):
        return "none"
    return str(chosen.default)


def _placeholder(chosen: Option) -> str:
    if chosen.repeated:
        return " [...]"
    return " []" if chosen.kind == "bool" else ""


def _entry(name: str, text: str) -> str:
    body = textwrap.wrap(text, _WIDTH - 24, break_long_words=False, break_on_hyphens=False)
    head = f"  {name}"
    if len(head) > 22:
        return "\n".join([head, *(" " * 24 + line for line in body)])
    return "\n".join([head.ljust(24) + body[0], *(" " * 24 + line for line in body[1:])])
