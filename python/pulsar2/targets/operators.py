"""What the chips' operators may be: the limits of attributes, as data that code checks.

A chip's file lists its operators; `common/operators.toml` has the limits that all chips share, the
chip's file those of its own. A limit is a fact of the public support list. Where our compiler does
more than it says, the limit has the text `ours`, and is shown but not enforced.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

CHECKS = (
    "constant_scalar",
    "default_activations",
    "last_axis",
    "no_operand",
    "one_per_channel",
    "pads_hold_output_padding",
    "rank",
    "small",
)
"""The names of limits that are more than a list of an attribute's values; see `Limit`."""


class Limit(BaseModel):
    """One limit of some operators.

    Either `attribute` has one of the values `allowed` (each of its elements, if it is a list; a
    `forbidden` one never; `absent`: it is not given), or `check` names what must hold of operand
    number `operand` (or of `number`). `text` says it to people; `ours`, when there is one, what we
    do beyond it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    operators: tuple[str, ...]
    text: str
    attribute: str = ""
    allowed: tuple[Any, ...] = ()
    forbidden: tuple[Any, ...] = ()
    absent: bool = False
    check: str = ""
    operand: int = 0
    number: int = 0
    ours: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Limit:
        if bool(self.attribute) == bool(self.check):
            raise ValueError("a limit has an attribute or a check")
        if self.check and self.check not in CHECKS:
            raise ValueError(f"unknown check '{self.check}'")
        if self.attribute and not (self.allowed or self.forbidden or self.absent):
            raise ValueError("a limit of an attribute says which values")
        return self


def read_limits(entries: Sequence[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """The limits that a file states; ValueError for one that says nothing that can be checked."""
    return tuple(Limit.model_validate(entry) for entry in entries)


@cache
def common_facts() -> dict[str, Any]:
    """What the support lists of all chips have in common: `limits`, and `aliases` of operators."""
    folder = resources.files(__package__ or "pulsar2.targets")
    return tomllib.loads(folder.joinpath("common", "operators.toml").read_text())


@cache
def common_limits() -> tuple[Limit, ...]:
    return read_limits(common_facts()["limits"])


def operator_aliases() -> dict[str, str]:
    """Names of the support lists that are not ONNX's, and the operator that each of them is."""
    return {name: entry["operator"] for name, entry in common_facts()["aliases"].items()}
