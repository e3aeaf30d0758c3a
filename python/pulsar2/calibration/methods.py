"""Calibration methods: what observes a tensor, and which range is chosen from what it saw."""

from __future__ import annotations

from typing import Literal

from pulsar2._kernels import HistogramObserver, MinMaxObserver

Method = Literal["MinMax", "Percentile", "MSE", "KL"]
Observer = MinMaxObserver | HistogramObserver

PERCENTILE = 0.9999
"""The share of numbers that Percentile keeps on each side."""
_LEVELS = 256


def make_observer(method: Method) -> Observer:
    """A new observer for the method. All of them see the data once, and merge exactly."""
    return MinMaxObserver() if method == "MinMax" else HistogramObserver()


def merge(first: Observer, others: list[Observer]) -> Observer:
    """`first` with all that the others, of the same kind, have seen."""
    for other in others:
        first.merge(other)  # pyright: ignore[reportArgumentType]
    return first


def chosen_range(observer: Observer, method: Method, bits: int) -> tuple[float, float]:
    """The range to quantize to `bits` bits, widened to hold 0.

    Histograms are too coarse to search the range of more than 8 bits, which lose next to nothing by
    outliers: these get the least and greatest number, as with MinMax.
    """
    low, high = min(observer.min, 0.0), max(observer.max, 0.0)
    if isinstance(observer, MinMaxObserver) or bits > 8 or low == high:
        return low, high
    if method == "Percentile":
        return observer.percentile_range(PERCENTILE)
    return observer.mse_range(_LEVELS) if method == "MSE" else observer.kl_range(_LEVELS)
