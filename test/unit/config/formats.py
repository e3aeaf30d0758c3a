"""Writes one value in each of the four configuration formats."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

FORMATS = ("json", "yaml", "toml", "prototxt")


def dump(value: dict[str, Any], format_: str) -> str:
    """The text of `value` in the format."""
    match format_:
        case "json":
            return json.dumps(value, indent=1)
        case "yaml":
            return yaml.safe_dump(value, sort_keys=False)
        case "toml":
            return "".join(f"{k} = {_toml(v)}\n" for k, v in value.items())
        case _:
            return _prototxt(value, "")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value)


def _prototxt(value: dict[str, Any], indent: str) -> str:
    """Enumerations as identifiers, lists of messages as repeated fields, attrs as a Struct."""
    text = ""
    for key, entry in value.items():
        if key == "attrs" and isinstance(entry, dict):
            fields = "".join(
                f" fields {{ key: '{k}' {_struct_value(v)} }}" for k, v in entry.items()
            )
            text += f"{indent}attrs {{{fields} }}\n"
        elif isinstance(entry, dict):
            text += f"{indent}{key} {{\n{_prototxt(entry, indent + '  ')}{indent}}}\n"
        elif isinstance(entry, list) and entry and all(isinstance(e, dict) for e in entry):
            for item in entry:
                text += f"{indent}{key} {{\n{_prototxt(item, indent + '  ')}{indent}}}\n"
        elif isinstance(entry, list) and len(entry) != 1:
            text += f"{indent}{key}: [{', '.join(_scalar(i) for i in entry)}]\n"
        else:
            text += f"{indent}{key}: {_scalar(entry[0] if isinstance(entry, list) else entry)}\n"
    return text


def _scalar(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("[A-Z][A-Za-z0-9]*", value) and value != "Add":
        return value
    return json.dumps(value)


def _struct_value(value: Any) -> str:
    if isinstance(value, list):
        inner = " ".join(f"values {_struct_value(v).removeprefix('value ')}" for v in value)
        return f"value {{ list_value {{ {inner} }} }}"
    if isinstance(value, str):
        return f"value {{ string_value: {json.dumps(value)} }}"
    return f"value {{ number_value: {json.dumps(value)} }}"
