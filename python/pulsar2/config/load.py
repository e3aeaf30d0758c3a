"""From command line and file to a checked configuration, and back to text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pulsar2.config.build import BuildConfig
from pulsar2.config.option import Message
from pulsar2.config.readers import read_file
from pulsar2.config.rules import check_build
from pulsar2.config.run import RunConfig
from pulsar2.config.tree import Path, Position, Table, find, merge
from pulsar2.config.validate import validate

Where = Callable[[Path], str]
"""The place of a key path in the user's files, as messages show it."""


def load_build_config(file: str = "", overrides: Table | None = None) -> BuildConfig:
    """The configuration of a file with the command line's values in their place.

    Raises `UserError` with every mistake of both, each with its key path and position.
    """
    return locate_build_config(file, overrides)[0]


def locate_build_config(
    file: str = "", overrides: Table | None = None
) -> tuple[BuildConfig, Where]:
    """As `load_build_config`, with what finds the places of its keys."""
    tree = _merged(file, overrides)
    config = validate(BuildConfig, tree, check_build)
    return config, lambda path: str(find(tree, path))


def load_run_config(file: str = "", overrides: Table | None = None) -> RunConfig:
    """As `load_build_config`, for `pulsar2 run`."""
    return validate(RunConfig, _merged(file, overrides))


def _merged(file: str, overrides: Table | None) -> Table:
    tree = read_file(file) if file else Table({}, Position("command line"))
    if overrides is not None:
        merged = merge(tree, overrides)
        assert isinstance(merged, Table)
        tree = merged
    return tree


def to_json(config: Message) -> str:
    """The configuration as JSON that `load_build_config` reads back to an equal one."""
    values: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema of the build configuration, for editors.

    It takes what the readers take: a single value where a list is meant, and 0 and 1 for a flag.
    """
    schema = BuildConfig.model_json_schema()
    messages: dict[str, dict[str, Any]] = schema.get("$defs", {})
    for message in (schema, *messages.values()):
        known: dict[str, dict[str, Any]] = message.get("properties", {})
        for name, entry in known.items():
            known[name] = _lenient(entry)
    schema["properties"]["$schema"] = {"type": "string", "description": "this schema, for editors"}
    # The command line may give them instead.
    schema.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _lenient(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in entry.items() if k in ("title", "description", "default")}
    if entry.get("type") == "array":
        return kept | {"anyOf": [{"type": "array", "items": entry["items"]}, entry["items"]]}
    if entry.get("type") == "boolean":
        return kept | {"enum": [True, False, 0, 1]}
    return entry
