"""The chips, as files of facts.

A target file (TOML) holds every number that the compiler, the scheduler and the emulator's clock
use. Each number is a table `{ value, basis, source }`: basis "F" is a public fact, with its source,
"A" is an assumption of ours, with the reason. Nothing else in the tree knows a chip's name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from pulsar2.diagnostics import UserError, nearest

if TYPE_CHECKING:
    from pulsar2.targets.operators import Limit


@dataclass(frozen=True)
class Mode:
    """What one npu_mode gives: units of each class, and bytes of OCM.

    `invocation_us` is what one inference takes beside its cycles: start and synchronization.
    """

    name: str
    units: dict[str, int]
    ocm_bytes: int
    invocation_us: float


@dataclass(frozen=True)
class Target:
    """One chip.

    `timing` is the flat table of numbers that the timing model takes (see `pulsar2._kernels`);
    `operators` are the names of its support list, `beyond` what we run though the list lacks it,
    with the reason; `limits` are those of attributes. `element_types` are the types that operands
    may have; `raw` is the whole file, with sources, for the docs.
    """

    name: str
    generation: str
    modes: dict[str, Mode]
    timing: dict[str, float]
    operators: frozenset[str]
    beyond: dict[str, str]
    limits: tuple[Limit, ...]
    element_types: frozenset[str]
    raw: dict[str, Any]

    def mode(self, name: str) -> Mode:
        """The npu_mode of that name; `UserError` when the chip has none such."""
        if name not in self.modes:
            raise UserError.of(
                f"{self.name} has no npu_mode '{name}'", accepted=f"one of {', '.join(self.modes)}"
            )
        return self.modes[name]

    def lacks(self, operator: str) -> bool:
        """Whether other chips' support lists have an operator that this one's has not.

        An operator that no list speaks of is no chip's lack: what we do of it, each chip does.
        """
        return (
            operator in listed_operators()
            and operator not in self.beyond
            and operator not in _onnx_names(self.operators)
        )

    def limits_of(self, operator: str) -> tuple[Limit, ...]:
        """The limits of an operator, those that we go beyond included."""
        return tuple(limit for limit in self.limits if operator in limit.operators)

    @property
    def clock_hz(self) -> float:
        return self.timing["clock_mhz"] * 1e6

    @property
    def macs_per_cycle(self) -> int:
        """Best int8 multiply-accumulates per cycle of one conv unit."""
        return int(self.timing["conv_lanes_in"] * self.timing["conv_lanes_out"])


def target_names() -> tuple[str, ...]:
    """Names of the chips there are files for, sorted."""
    folder = resources.files(__name__)
    return tuple(sorted(f.name[:-5].upper() for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def load_target(name: str) -> Target:
    """The chip of that name (any case); `UserError` when there is no file for it."""
    # Names of chips are wanted at every start, and their limits, which need pydantic, rarely.
    from pulsar2.targets.operators import common_limits, read_limits

    if name.upper() not in target_names():
        hint = nearest(name.upper(), target_names())
        known = f"one of {', '.join(target_names())}"
        raise UserError.of(
            f"unknown target hardware '{name}'", accepted=f"{known}; {hint}" if hint else known
        )
    text = resources.files(__name__).joinpath(f"{name.lower()}.toml").read_text()
    raw = tomllib.loads(text)
    modes = {
        mode: Mode(
            mode,
            {kind: entry["value"] for kind, entry in table["units"].items()},
            table["ocm_bytes"]["value"],
            float(table["invocation_us"]["value"]),
        )
        for mode, table in raw["modes"].items()
    }
    timing = {key: float(entry["value"]) for key, entry in raw["timing"].items()}
    listed = raw["operators"]
    return Target(
        raw["name"],
        raw["generation"],
        modes,
        timing,
        frozenset(listed["names"]),
        dict(listed.get("beyond", {})),
        (*common_limits(), *read_limits(listed.get("limits", ()))),
        frozenset(raw["types"]["names"]),
        raw,
    )


@cache
def listed_operators() -> frozenset[str]:
    """Every operator that a chip's support list has, under ONNX's name where it has one."""
    return _onnx_names(op for name in target_names() for op in load_target(name).operators)


def _onnx_names(operators: Iterable[str]) -> frozenset[str]:
    from pulsar2.targets.operators import operator_aliases

    aliases = operator_aliases()
    return frozenset(aliases.get(op, op) for op in operators)
