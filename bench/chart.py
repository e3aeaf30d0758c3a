"""A chart of curves on two logarithmic axes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 130, 40, 50
_COLORS = ("#1b6ca8", "#c0392b", "#2e8b57", "#777777")


@dataclass(frozen=True)
class Series:
    """A named curve through points whose coordinates are positive."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis from `low` to `high` on pixels from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> Iterator[float]:
        """1, 2 and 5 times the powers of 10 that lie on the axis."""
        for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            for digit in (1, 2, 5):
                value = digit * 10.0**power
                if self.low <= value * 1.0001 and value <= self.high * 1.0001:
                    yield value


def log_log_chart(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> str:
    """The chart: each curve with its points, and its name at its last point."""
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    x = _Axis(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    y = _Axis(min(ys) / 1.2, max(ys) * 1.2, _HEIGHT - _BOTTOM, _TOP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=15),
        _text((x.begin + x.end) / 2, _HEIGHT - 12, x_label),
        _text(12, _TOP - 8, y_label),
    ]
    for value in x.ticks():
        place = x.place(value)
        lines.append(_line(place, y.begin, place, y.end))
        lines.append(_text(place, y.begin + 18, f"{value:,.0f}", anchor="middle"))
    for value in y.ticks():
        place = y.place(value)
        lines.append(_line(x.begin, place, x.end, place))
        lines.append(_text(x.begin - 8, place + 4, f"{value:g}", anchor="end"))
    for number, each in enumerate(series):
        lines += _curve(each, _COLORS[number % len(_COLORS)], x, y)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _curve(series: Series, color: str, x: _Axis, y: _Axis) -> Iterator[str]:
    places = [(x.place(a), y.place(b)) for a, b in series.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dash = ' stroke-dasharray="6 4"' if series.dashed else ""
    yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'
    if not series.dashed:
        yield from (f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>' for a, b in places)
    a, b = places[-1]
    yield _text(a + 8, b + (16 if series.dashed else -2), series.name, color=color)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", color: str = "#222222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}">'
        f"{escape(text)}</text>"
    )
