"""``python -m bench.fit``: fits the assumed numbers of the AX650 to the published latencies.

Facts stay: 18.0 TOPS int8 on six conv units, 10.7 GB/s on one sdma. The assumed numbers move over
grids of plausible values, one at a time, until none makes the errors smaller; every jump from the
numbers that we would assume without any measurement costs a little, so that a number moves only
where the points say something about it. The schedules are those of the present target file; with
numbers far from it, put them there and run again.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from loguru import logger
from rich.console import Console

from pulsar2 import _kernels
from pulsar2.targets import load_target

from .published import Point, schedule_points
from .report import Section, print_section

Numbers = Mapping[str, float]

PLAUSIBLE: dict[str, tuple[float, ...]] = {
    "launch": (100, 50, 150, 200, 300, 400),
    "port_bytes": (256, 64, 128),
    "conv_depthwise_lanes": (256, 128, 512),
    "teng_lanes": (128, 16, 32, 64, 256),
    "ddr_bytes": (44, 20, 24, 28, 32, 36),
    "invocation NPU1": (100, 150, 200, 250, 300, 350, 400),
    "invocation NPU3": (100, 200, 300, 400, 450, 500, 550, 600),
}
"""For each number the values tried; the first is what one would assume to begin with."""
_MOVED = 0.01
_WORST = 0.3


def timing_with(numbers: Numbers, timing: Mapping[str, float]) -> dict[str, float]:
    """The timing table with these numbers; those that go together move together."""
    table = dict(timing)
    for unit in ("conv", "teng", "cv", "sdma"):
        table[f"{unit}_launch"] = numbers["launch"]
    for name in ("port_bytes", "conv_depthwise_lanes", "teng_lanes", "ddr_bytes"):
        table[name] = numbers[name]
    table["teng_table_lanes"] = numbers["teng_lanes"] / 2
    table["teng_f32_lanes"] = numbers["teng_lanes"] / 8
    return table


@dataclass
class Fit:
    """Points with the bytes of their programs, and what replays of them gave."""

    points: Sequence[tuple[Point, list[bytes]]]
    timing: Mapping[str, float]
    _known: dict[tuple[float, ...], list[float]] = field(
        default_factory=dict[tuple[float, ...], list[float]]
    )

    def errors(self, numbers: Numbers) -> list[float]:
        """The relative error of each point."""
        table = timing_with(numbers, self.timing)
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
        moves = sum(abs(math.log(numbers[name] / tried[0])) for name, tried in PLAUSIBLE.items())
        return sum(errors) / len(errors) + _WORST * max(errors) + _MOVED * moves

    def search(self) -> dict[str, float]:
        """Coordinate descent over the grids."""
        best = {name: tried[0] for name, tried in PLAUSIBLE.items()}
        least = self.badness(best)
        moved = True
        while moved:
            moved = False
            for name, tried in PLAUSIBLE.items():
                for value in tried:
                    trial = {**best, name: value}
                    badness = self.badness(trial)
                    if badness < least - 1e-9:
                        best, least, moved = trial, badness, True
        return best


def _microseconds(code: bytes, table: dict[str, float]) -> float:
    _, ends = _kernels.replay_program(code, table)
    return float(np.max(ends, initial=0)) / table["clock_mhz"]


def main() -> None:
    """Schedule the points, search, print the numbers and the error of each point."""
    logger.remove()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="fit-") as folder:
        scheduled, reasons = schedule_points(Path(folder))
    programs = [(p, [each.code for each in s.compiled.programs]) for p, s in scheduled]
    fit = Fit(programs, load_target("AX650").timing)
    best = fit.search()
    numbers = Section("Numbers of the AX650", ("number", "assumed at first", "fitted"))
    for name, tried in PLAUSIBLE.items():
        numbers.add(name, tried[0], best[name])
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


if __name__ == "__main__":
    main()
