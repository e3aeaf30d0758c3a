"""How much of a range counts, where all that reads a tensor are functions that level off.

A Sigmoid gives 1 for 8 and for 80, in steps of its result, so the steps of what it reads are
better spent between its knees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import Group, QuantPlan
from pulsar2.lowering.quant.ranges import Range
from pulsar2.lowering.quant.rules.base import ElementFunction
from pulsar2.tables import unary_values

_POINTS = 4096
"""Intervals of a range in which a function is looked at."""
_WITHIN = 64
"""Parts of such an interval, when it is asked whether the function jumps in it."""
_TOLERANCE = 0.02
"""Steps of the result by which it may change beyond the ends. Half a step could be rounded, but
many numbers at an end are off in one direction, and a sum of them adds that up."""
_LEAST = 1 / 32
"""The least share of a range that is worth to be cut off at an end."""


def leveled(plan: QuantPlan, ranges: Mapping[SSAValue, Range]) -> dict[SSAValue, Range]:
    """`ranges` of the tensors that a plan observes, each no wider than its readers tell apart."""
    result = dict(ranges)
    for group in {id(g): g for g in map(plan.group, ranges)}.values():
        values = [v for v in group.observed if v in ranges]
        low = min(ranges[v][0] for v in values)
        high = max(ranges[v][1] for v in values)
        needed = _needed(plan, group, (min(low, 0.0), max(high, 0.0)))
        for value in values:
            low, high = ranges[value]
            result[value] = max(low, needed[0]), min(high, needed[1])
    return result


def _needed(plan: QuantPlan, group: Group, whole: Range) -> Range:
    """The part of `whole` in which a reader of the group tells numbers apart."""
    low, high = 0.0, 0.0
    for function, steps in _functions(plan, group):
        if function is None:
            return whole
        part = told_apart(function, whole, steps)
        low, high = min(low, part[0]), max(high, part[1])
    return low, high


def _functions(
    plan: QuantPlan, group: Group
) -> Iterator[tuple[ElementFunction | None, int | None]]:
    """What reads a group's tensors: functions, and how many steps the range of their results has
    (None: they are whole numbers). None for a reader that is no function of single elements."""
    for reader in plan.readers(group):
        function = None
        if isinstance(reader, OnnxOp) and not is_on_cpu(reader):
            function = plan.rule(reader).function(reader, plan.weights)
        if function is None or not isinstance(reader, OnnxOp):
            yield None, None
            continue
        bits = plan.bits(plan.result(reader))
        yield function, 2**bits - 1 if bits < 32 else None


def is_cut_on_purpose(plan: QuantPlan, value: SSAValue, seen: Range, bounds: Range) -> bool:
    """Whether nobody misses the numbers of a tensor, of which some lie in `seen`, beyond `bounds`.

    That is so where selections drop them, and where all that reads them are functions that give the
    same, to half a step, for the nearest number within.
    """
    group = plan.group(value)
    if group.fixed is not None:
        return False
    if value not in group.observed:
        return True
    x = np.linspace(*seen, _POINTS + 1, dtype=np.float32)
    for function, steps in _functions(plan, group):
        if function is None:
            return False
        given, kept = _values(function, x), _values(function, np.clip(x, *bounds))
        if not np.isfinite(given).all():
            return False
        span = max(float(given.max()), 0.0) - min(float(given.min()), 0.0)
        tolerance = 0.0 if steps is None else 0.5 * span / steps
        if float(np.abs(given - kept).max()) > tolerance:
            return False
    return True


def told_apart(function: ElementFunction, whole: Range, steps: int | None) -> Range:
    """The part of `whole`, a range around 0, beyond which a function gives what it gives at its
    ends, to a fraction of a step.

    `steps` is how many steps the range of its results over `whole` has; None: the numbers must be
    the same. All of `whole` where a result is not finite.
    """
    x = np.linspace(*whole, _POINTS + 1, dtype=np.float32)
    y = _values(function, x)
    if not np.isfinite(y).all():
        return whole
    span = max(float(y.max()), 0.0) - min(float(y.min()), 0.0)
    tolerance = 0.0 if steps is None else _TOLERANCE * span / steps
    first, last = _level_until(y, tolerance), _level_until(y[::-1], tolerance)
    # The end of a range is rounded, and might come to lie on the other side of a jump, as Ceil has.
    if _jumps(function, x[first : first + 2]):
        first = 0
    if _jumps(function, x[::-1][last : last + 2]):
        last = 0
    low, high = min(float(x[first]), 0.0), max(float(x[-1 - last]), 0.0)
    # The grid need not have 0, which is in each range.
    apart = (whole[1] - whole[0]) / _POINTS
    ends = _values(function, np.asarray([low, 0.0, high], np.float32))
    low = 0.0 if -low <= apart and abs(ends[0] - ends[1]) <= tolerance else low
    high = 0.0 if high <= apart and abs(ends[2] - ends[1]) <= tolerance else high
    least = _LEAST * (whole[1] - whole[0])
    return (
        low if low - whole[0] > least else whole[0],
        high if whole[1] - high > least else whole[1],
    )


def _values(function: ElementFunction, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    y = unary_values(function.fn.value, function.alpha or 0.0, function.beta or 0.0, x)
    return y.astype(np.float64)


def _jumps(function: ElementFunction, ends: npt.NDArray[np.float32]) -> bool:
    """Whether a function changes at one place of an interval, and not along it."""
    if ends.size < 2:
        return False
    y = _values(function, np.linspace(ends[0], ends[1], _WITHIN + 1, dtype=np.float32))
    return float(np.abs(np.diff(y)).max()) > 0.5 * float(y.max() - y.min())


def _level_until(y: npt.NDArray[np.float64], tolerance: float) -> int:
    """The last place before which no number differs from the one there by more than `tolerance`."""
    spread = np.maximum(y - np.minimum.accumulate(y), np.maximum.accumulate(y) - y)
    return int(np.flatnonzero(spread <= tolerance)[-1])
