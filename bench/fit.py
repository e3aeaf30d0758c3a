"""``python -m bench.fit [TARGET ...]``: fits the assumed numbers of chips to published latencies.

Facts stay: the TOPS that vendors state, 10.7 GB/s on one sdma of the AX650. The assumed numbers are
tried in all combinations of plausible values; every step away from what we would assume without
any measurement costs a little, so that a number moves only where the points say something about
it. The schedules are those of the present target file; with numbers far from it, put them there
and run again.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from loguru import logger
from rich.console import Console

from pulsar2 import _kernels
from pulsar2.targets import load_target

from .published import POINTS, Point, schedule_points
from .report import Section, print_section

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Number:
    """An assumed number: the values tried, first what one would assume to begin with.

    `moves` are the entries of the timing table that it sets, as multiples of it. A number without
    any is the microseconds of an invocation in the mode that its name ends with.
    """

    values: tuple[float, ...]
    moves: Mapping[str, float] = field(default_factory=dict[str, float])


_TENG = {"teng_lanes": 1.0, "teng_table_lanes": 1 / 2, "teng_f32_lanes": 1 / 8}
_LAUNCH = {f"{unit}_launch": 1.0 for unit in ("conv", "teng", "cv", "sdma")}
PLAUSIBLE: dict[str, dict[str, Number]] = {
    "AX650": {
        "launch": Number((100, 50, 150, 200, 300, 400), _LAUNCH),
        "port bytes": Number((256, 64, 128), {"port_bytes": 1}),
        "depthwise lanes": Number((256, 128, 512), {"conv_depthwise_lanes": 1}),
        "teng lanes": Number((128, 16, 32, 64, 256), _TENG),
        "DDR bytes": Number((44, 20, 24, 28, 32, 36), {"ddr_bytes": 1}),
        "invocation NPU1": Number((100, 150, 200, 250, 300, 350, 400)),
        "invocation NPU3": Number((100, 200, 300, 400, 450, 500, 550, 600)),
    },
    # Launches, ports and depthwise lanes are the family's; one sdma draws all that the DDR gives.
    "AX620E": {
        "teng lanes": Number((16, 4, 8, 32), _TENG),
        "DDR bytes": Number((8, 6, 7, 9, 10, 12), {"ddr_bytes": 1, "sdma_bytes": 1}),
        "invocation NPU2": Number((350, 100, 150, 200, 250, 300, 400)),
    },
}
"""The numbers of each chip that are fitted."""
_MOVED = 0.01
_WORST = 0.3


def timing_with(
    plausible: Mapping[str, Number], numbers: Numbers, timing: Mapping[str, float]
) -> dict[str, float]:
    """The timing table with these numbers."""
    table = dict(timing)
    for name, number in plausible.items():
        table.update({entry: numbers[name] * factor for entry, factor in number.moves.items()})
    return table


@dataclass
class Fit:
    """Points of one target with the bytes of their programs, and what replays of them gave."""

    plausible: Mapping[str, Number]
    points: Sequence[tuple[Point, list[bytes]]]
    timing: Mapping[str, float]
    _known: dict[tuple[float, ...], list[float]] = field(
        default_factory=dict[tuple[float, ...], list[float]]
    )

    def errors(self, numbers: Numbers) -> list[float]:
        """The relative error of each point."""
        table = timing_with(self.plausible, numbers, self.timing)
        key = tuple(table.values())
        if key not in self._known:
            self._known[key] = [
                sum(_microseconds(code, table) for code in codes) for _, codes in self.points
            ]
        return [
            (cycles + numbers[f"invocation {point.npu_mode}"]) / (point.milliseconds * 1e3) - 1
            for cycles, (point, _) in zip(self._known[key], self.points, strict=True)
        ]

    def badness(self, numbers: Numbers) -> float:
        """Mean and worst error of the points that are not kept aside, and a little per move."""
        pairs = zip(self.errors(numbers), self.points, strict=True)
        errors = [abs(error) for error, (point, _) in pairs if not point.aside]
        moves = sum(
            abs(math.log(numbers[name] / number.values[0]))
            for name, number in self.plausible.items()
        )
        return sum(errors) / len(errors) + _WORST * max(errors) + _MOVED * moves

    def search(self) -> dict[str, float]:
        """The best of all combinations."""
        values = (number.values for number in self.plausible.values())
        trials = (
            dict(zip(self.plausible, each, strict=True)) for each in itertools.product(*values)
        )
        return min(trials, key=self.badness)


def _microseconds(code: bytes, table: dict[str, float]) -> float:
    _, ends = _kernels.replay_program(code, table)
    return float(np.max(ends, initial=0)) / table["clock_mhz"]


def _fit(target: str, console: Console) -> None:
    """Schedules a target's points, searches, prints the numbers and the error of each point."""
    plausible = PLAUSIBLE[target]
    with tempfile.TemporaryDirectory(prefix="fit-") as folder:
        points = [point for point in POINTS if point.target == target]
        scheduled, reasons = schedule_points(Path(folder), points)
    programs = [(p, [each.code for each in s.compiled.programs]) for p, s in scheduled]
    fit = Fit(plausible, programs, load_target(target).timing)
    best = fit.search()
    numbers = Section(f"Numbers of the {target}", ("number", "assumed at first", "fitted"))
    for name, number in plausible.items():
        numbers.add(name, number.values[0], best[name])
    errors = Section("Error of each point", ("network", "mode", "now", "fitted", "in the fit"))
    now = [
        each.compiled.estimate.latency_us / (point.milliseconds * 1e3) - 1
        for point, each in scheduled
    ]
    for (point, _), before, error in zip(programs, now, fit.errors(best), strict=True):
        part = "kept aside" if point.aside else "yes"
        errors.add(point.network, point.npu_mode, f"{before:+.1%}", f"{error:+.1%}", part)
    errors.notes += reasons
    print_section(numbers, console)
    print_section(errors, console)


def main() -> None:
    """Fits the targets that are named, or all that have published points."""
    logger.remove()
    for target in sys.argv[1:] or PLAUSIBLE:
        _fit(target, Console())


if __name__ == "__main__":
    main()
