"""A picture of the timeline, for a page that cannot hold the HTML report."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pulsar2.timeline.model import KINDS, Timeline, job_kind, operator_of

_KIND_COLOURS = ("#2ca25f", "#e6b800", "#3b7dd8", "#d7301f", "#f28e2b")
_OPERATOR_COLOURS = (
    "#6a8caf",
    "#8aa29e",
    "#9c89b8",
    "#7fb3b0",
    "#b08ea2",
    "#8c9e6e",
    "#a3a3c2",
    "#7a9cc6",
)
_INK, _SOFT, _LINE = "#1c2733", "#5c6b7a", "#e3e8ed"
_WIDTH, _LEFT, _RIGHT, _TOP = 1600, 96, 24, 92
_TRACK, _GAP, _OCM, _DDR = 38, 46, 260, 130


def picture(timeline: Timeline, title: str) -> bytes:
    """A PNG of 1600 pixels' width: units, what lies in OCM, DDR traffic, over time."""
    units = len(timeline.program.eus)
    height = _TOP + units * _TRACK + _GAP + _OCM + _GAP + _DDR + 56
    image = Image.new("RGB", (_WIDTH, height), "white")
    painter = _Painter(timeline, ImageDraw.Draw(image))
    painter.header(title)
    painter.units(_TOP)
    painter.ocm(_TOP + units * _TRACK + _GAP)
    painter.ddr(_TOP + units * _TRACK + _GAP + _OCM + _GAP)
    painter.legend(height - 26)
    file = io.BytesIO()
    # Fewer colours than 256 are in use: a palette makes the file a third of the size.
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class _Painter:
    def __init__(self, timeline: Timeline, draw: ImageDraw.ImageDraw):
        self._timeline = timeline
        self._draw = draw
        self._span = max(timeline.cycles, 1)
        self._width = _WIDTH - _LEFT - _RIGHT
        numbers: dict[str, int] = {}
        self._colours = [
            _KIND_COLOURS[KINDS.index(kind)]
            if (kind := job_kind(job))
            else _OPERATOR_COLOURS[
                numbers.setdefault(operator_of(job.label), len(numbers)) % len(_OPERATOR_COLOURS)
            ]
            for job in timeline.program.jobs
        ]

    def _x(self, cycles: float) -> float:
        return _LEFT + cycles / self._span * self._width

    def _text(
        self, x: float, y: float, text: str, anchor: str, size: int = 14, fill: str = _INK
    ) -> None:
        self._draw.text((x, y), text, fill=fill, anchor=anchor, font=_font(size))

    def _grid(self, top: int, bottom: int) -> None:
        """Lines at round times, labelled below."""
        step = _round_step(self._timeline.microseconds(self._span) / 10)
        clock = self._timeline.timing["clock_mhz"]
        for number in range(int(self._timeline.microseconds(self._span) / step) + 1):
            x = self._x(number * step * clock)
            self._draw.line([(x, top), (x, bottom)], fill=_LINE)
            self._text(x, bottom + 4, f"{number * step:g} us", "ma", 12, _SOFT)

    def _scale(self, top: int, bottom: int, most: float, label: Callable[[float], str]) -> None:
        for part in (0.0, 0.5, 1.0):
            y = bottom - part * (bottom - top)
            self._draw.line([(_LEFT - 5, y), (_LEFT, y)], fill=_SOFT)
            self._text(_LEFT - 9, y, label(part * most), "rm", 12, _SOFT)
        self._draw.line([(_LEFT, top), (_LEFT, bottom)], fill=_SOFT)

    def header(self, title: str) -> None:
        timeline, program = self._timeline, self._timeline.program
        latency = timeline.latency_us
        self._text(_LEFT, 22, title, "ls", 22)
        figures = (
            f"{program.target} {program.npu_mode}",
            f"{latency / 1000:.3f} ms",
            f"{timeline.cycles:,} cycles",
            f"{timeline.macs / 1e6:.1f} M MACs",
            f"CONV utilization {timeline.conv_utilization:.1%}",
            f"DDR {sum(timeline.traffic_by_kind.values()) / 1e6:.2f} MB",
            f"OCM peak {timeline.ocm_peak / 1024:.0f} of {program.ocm_bytes / 1024:.0f} KiB",
        )
        self._text(_LEFT, 50, "   ·   ".join(figures), "ls", 15, _SOFT)

    def units(self, top: int) -> None:
        timeline = self._timeline
        names = [timeline.program.eu_name(i) for i in range(len(timeline.program.eus))]
        self._text(_LEFT, top - 10, "units", "ls", 13, _SOFT)
        self._grid(top, top + len(names) * _TRACK)
        for unit, name in enumerate(names):
            y = top + unit * _TRACK
            self._text(_LEFT - 10, y + _TRACK / 2, name, "rm")
            self._text(
                _LEFT - 10, y + _TRACK / 2 + 14, f"{timeline.busy[unit]:.0%}", "rm", 11, _SOFT
            )
        starts, ends = timeline.start.tolist(), timeline.end.tolist()
        for index, job in enumerate(timeline.program.jobs):
            x0, x1 = self._x(starts[index]), self._x(ends[index])
            y = top + job.eu * _TRACK
            self._draw.rectangle(
                [x0, y + 4, max(x1 - (1 if x1 - x0 > 4 else 0), x0), y + _TRACK - 5],
                fill=self._colours[index],
            )

    def ocm(self, top: int) -> None:
        size = max(self._timeline.program.ocm_bytes, 1)
        bottom = top + _OCM
        self._text(_LEFT, top - 10, "OCM: what lies where", "ls", 13, _SOFT)
        self._grid(top, bottom)
        for block in self._timeline.ocm_blocks:
            x0, x1 = self._x(block.start), self._x(block.end)
            y0, y1 = bottom - block.high / size * _OCM, bottom - block.low / size * _OCM
            if y1 - y0 < 0.5:
                continue
            colour = self._colours[block.writer]
            self._draw.rectangle(
                [x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)], fill=colour, outline=_darker(colour)
            )
        self._scale(top, bottom, size, lambda v: f"{v / 1024:.0f} KiB")

    def ddr(self, top: int) -> None:
        bottom = top + _DDR
        rate, clock = self._timeline.ddr_rate, self._timeline.timing["clock_mhz"]
        self._text(_LEFT, top - 10, "DDR traffic, GB/s", "ls", 13, _SOFT)
        self._grid(top, bottom)
        base = np.zeros(self._width)
        for kind, colour in zip(KINDS, _KIND_COLOURS, strict=True):
            column = self._traffic(kind)
            for i in np.flatnonzero(column).tolist():
                y0 = bottom - (base[i] + column[i]) / rate * _DDR
                y1 = bottom - base[i] / rate * _DDR
                self._draw.line([(_LEFT + i, y0), (_LEFT + i, y1)], fill=colour)
            base += column
        self._scale(top, bottom, rate * clock / 1000, lambda v: f"{v:.1f}")

    def _traffic(self, kind: str) -> npt.NDArray[np.float64]:
        """Mean bytes per cycle of one kind within each column of pixels."""
        timeline = self._timeline
        edges = np.linspace(0, self._span, self._width + 1)
        moved = np.zeros(self._width + 1)
        for item in timeline.traffic:
            if item.kind == kind:
                start, end = timeline.start[item.job], timeline.end[item.job]
                moved += item.nbytes * np.clip((edges - start) / max(end - start, 1), 0, 1)
        return np.diff(moved) / (self._span / self._width)

    def legend(self, y: int) -> None:
        x = float(_LEFT)
        totals = self._timeline.traffic_by_kind
        items = [
            (colour, f"{kind} {totals[kind] / 1e6:.2f} MB")
            for kind, colour in zip(KINDS, _KIND_COLOURS, strict=True)
        ]
        for colour, text in [*items, (_OPERATOR_COLOURS[0], "compute, a colour per operator")]:
            self._draw.rectangle([x, y - 7, x + 13, y + 6], fill=colour)
            self._text(x + 20, y, text, "lm", 13)
            x += 46 + self._draw.textlength(text, font=_font(13))


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... (and their fractions) that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(max(step, 1e-3)))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= step * 0.999)


def _darker(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{part * 3 // 4:02x}" for part in parts)
