"""From command line and file to a checked configuration, and back to text."""

from __future__ import annotations

import json
from typing import Any

from pulsar2.config.build import BuildConfig
from pulsar2.config.option import Message
from pulsar2.config.readers import read_file
from pulsar2.config.rules import check_build
from pulsar2.config.run import RunConfig
from pulsar2.config.tree import Position, Table, merge
from pulsar2.config.validate import validate


def load_build_config(file: str = "", overrides: Table | None = None) -> BuildConfig:
    """The configuration of a file with the command line's values in their place.

    Raises `UserError` with every mistake of both, each with its key path and position.
    """
    return validate(BuildConfig, _merged(file, overrides), check_build)


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
    """JSON Schema of the build configuration, for editors."""
    return BuildConfig.model_json_schema()
