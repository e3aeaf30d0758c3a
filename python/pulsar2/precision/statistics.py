"""How far a quantized tensor is from the float one: figures that samples are added to, one by one.

Nothing here grows with the number of samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pulsar2.dialects.quant.types import UniformType

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BINS = 64
"""Bins of a histogram of values."""
ERROR_BINS = 41
ERROR_STEPS = 2.05
"""A histogram of errors goes from minus this to plus this many steps, 0 in the middle bin."""
PICKED = 1 << 14
"""Elements of a tensor and sample that histograms are made of, at most."""
SHRINKS = tuple(0.9**i for i in range(1, 13))
"""By which factors a narrower range is tried."""
_TRIED = 1 << 11
"""Elements of a tensor and sample on which narrower ranges are tried, at most."""
_CHUNK = 1 << 15
"""Elements that are looked at together: what is made of them stays in the cache."""


@dataclass(frozen=True)
class Histogram:
    """Counts in equal bins from `low` to `high`; what lies outside is in the outermost bins."""

    low: float
    high: float
    float_counts: tuple[int, ...]
    quantized_counts: tuple[int, ...]
    error_counts: tuple[int, ...]
    error_unit: float


def decibel(signal: float, noise: float) -> float:
    """The ratio of two powers in dB; infinite without noise."""
    if noise <= 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


class TensorStatistics:
    """The figures of one tensor over the samples that were added.

    `type` is how the tensor is quantized, None where it is not.
    """

    def __init__(self, type_: UniformType | None):
        self.type = type_
        self.count = 0
        self.signal = 0.0
        self.noise = 0.0
        self.rounding_noise = 0.0
        self.clipping_noise = 0.0
        self.bias = 0.0
        self.worst = 0.0
        self.clipped = 0
        self.low = math.inf
        self.high = -math.inf
        self._quantized = 0.0
        self._product = 0.0
        self._channels: F64 | None = None
        self._edges: tuple[float, float] | None = None
        self._error_unit = 1.0
        self._counts = [np.zeros(n, np.int64) for n in (BINS, BINS, ERROR_BINS)]
        self._shrunk = np.zeros(len(SHRINKS) + 1)
        self._tail = 0.0

    def add(self, expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> None:
        """Adds a sample: the float tensor, and the quantized one as numbers, of the same size."""
        flat, other = expected.reshape(-1), got.reshape(-1)
        if not (_is_finite(flat) and _is_finite(other)):
            finite = np.isfinite(flat) & np.isfinite(other)
            flat, other = flat[finite], other[finite]
        elif expected.dtype.kind == "f" and expected.ndim > 1:
            channels = _channel_maxima(expected)
            known = self._channels
            self._channels = channels if known is None else np.maximum(known, channels)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        for start in range(0, flat.size, _CHUNK):
            f = flat[start : start + _CHUNK].astype(np.float64)
            q = other[start : start + _CHUNK].astype(np.float64)
            self._add_chunk(f, q, low, high)
        self._add_histogram(flat, other, low, high)
        self.low, self.high = min(self.low, low), max(self.high, high)

    def _add_chunk(self, f: F64, q: F64, low: float, high: float) -> None:
        error = q - f
        self.count += f.size
        self.signal += _dot(f, f)
        self._quantized += _dot(q, q)
        self._product += _dot(f, q)
        self.noise += _dot(error, error)
        self.bias += float(error.sum())
        self.worst = max(self.worst, float(error.max()), -float(error.min()))
        if self.type is not None:
            self._add_rounding(f, low, high)

    @property
    def cosine(self) -> float:
        """Cosine similarity; 1 for two tensors of zeros, and 0 where only one is."""
        lengths = math.sqrt(self.signal * self._quantized)
        if lengths == 0:
            return float(self.signal == self._quantized)
        return min(self._product / lengths, 1.0)

    @property
    def mse(self) -> float:
        """Mean squared error."""
        return self.noise / self.count if self.count else 0.0

    @property
    def sqnr(self) -> float:
        """Ratio of the float tensor's power to that of the error, in dB."""
        return decibel(self.signal, self.noise)

    @property
    def rounding_sqnr(self) -> float:
        """The same if the tensor's own quantization were the only error."""
        return decibel(self.signal, self.rounding_noise)

    @property
    def mean_error(self) -> float:
        """The mean of the error, in steps where the tensor is quantized: how biased it is."""
        mean = self.bias / self.count if self.count else 0.0
        return mean / float(self.type.scale) if self.type is not None else mean

    @property
    def saturation(self) -> float:
        """Share of the float elements beyond the quantized range, by half a step and more."""
        return self.clipped / self.count if self.count else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that the quantized type can hold."""
        assert self.type is not None
        zero, scale = self.type.zero_point, float(self.type.scale)
        low, high = ((bound - zero) * scale for bound in self.type.bounds)
        return low, high

    @property
    def range_use(self) -> float:
        """Which share of the quantized range the float elements span."""
        if self.type is None or not self.count:
            return 1.0
        low, high = self.bounds
        return min((self.high - self.low) / (high - low), 1.0)

    @property
    def tail(self) -> float:
        """The greatest magnitude over that below which 99.9 % of the elements lie; 1 is no tail."""
        return self._tail

    @property
    def narrower(self) -> tuple[float, float]:
        """The factor by which the range had best be narrowed, and what that gains in dB."""
        best = int(self._shrunk.argmin())
        if not best or self._shrunk[best] <= 0:
            return 1.0, 0.0
        return SHRINKS[best - 1], decibel(float(self._shrunk[0]), float(self._shrunk[best]))

    @property
    def wider(self) -> float:
        """What a range that holds all float elements, in coarser steps, would gain in dB."""
        if self.type is None or not self.clipped:
            return 0.0
        low, high = self.bounds
        factor = (max(self.high, high) - min(self.low, low)) / (high - low)
        # What is beyond now is rounded then as the rest is.
        within = (self.rounding_noise - self.clipping_noise) / (1.0 - self.saturation or 1.0)
        return decibel(self.rounding_noise, within * factor**2)

    @property
    def outlier_channels(self) -> float:
        """Share of the channels whose greatest magnitude is 16 times less than the tensor's."""
        if self._channels is None or self._channels.size < 2 or not self._channels.max():
            return 0.0
        return float((self._channels * 16 <= self._channels.max()).mean())

    def histogram(self) -> Histogram:
        """What the page draws."""
        low, high = self._edges or (0.0, 1.0)
        floats, quantized, errors = (tuple(int(n) for n in c) for c in self._counts)
        return Histogram(low, high, floats, quantized, errors, self._error_unit)

    def _add_rounding(self, f: F64, low: float, high: float) -> None:
        assert self.type is not None
        zero, scale = self.type.zero_point, float(self.type.scale)
        least, greatest = self.bounds
        if low < least - scale / 2 or high > greatest + scale / 2:
            lost: F64 = f - np.clip(f, least, greatest)
            lost = lost[np.abs(lost) > scale / 2]
            self.clipped += lost.size
            self.clipping_noise += _dot(lost, lost)
        steps = np.rint(f / scale) + zero
        np.clip(steps, *self.type.bounds, out=steps)
        steps -= zero
        steps *= scale
        steps -= f
        self.rounding_noise += _dot(steps, steps)

    def _add_histogram(
        self, flat: npt.NDArray[Any], other: npt.NDArray[Any], low: float, high: float
    ) -> None:
        stride = max(1, flat.size // PICKED) | 1
        f, q = (a[::stride].astype(np.float64) for a in (flat, other))
        if self._edges is None:
            least, greatest = self.bounds if self.type is not None else (low, high)
            least, greatest = min(least, low), max(greatest, high)
            self._edges = least, greatest if greatest > least else least + max(1.0, abs(least))
            self._error_unit = float(self.type.scale) if self.type else self.worst or 1.0
        first, last = self._edges
        bins = BINS / (last - first)
        self._counts[0] += _count((f - first) * bins, BINS)
        self._counts[1] += _count((q - first) * bins, BINS)
        middle = (q - f) * (ERROR_BINS / (2 * ERROR_STEPS * self._error_unit)) + ERROR_BINS / 2
        self._counts[2] += _count(middle, ERROR_BINS)
        magnitudes = np.abs(f)
        common = float(np.partition(magnitudes, rank := int(0.999 * (f.size - 1)))[rank])
        if common > 0:
            self._tail = max(self._tail, max(high, -low) / common)
        if self.type is not None:
            self._try_narrower(f[:: max(1, f.size // _TRIED)])

    def _try_narrower(self, f: F64) -> None:
        """Adds the noise of the type's own range, and of narrower ones about the same zero."""
        assert self.type is not None
        zero, (least, greatest) = self.type.zero_point, self.type.bounds
        factors = np.array((1.0, *SHRINKS))[:, None]
        scales = float(self.type.scale) * factors
        stored = np.clip(np.rint(f / scales) + zero, least, greatest)
        self._shrunk += np.square((stored - zero) * scales - f).sum(axis=1)


def _count(places: F64, bins: int) -> I64:
    """How many places lie in each bin, those outside in the outermost ones."""
    return np.bincount(np.clip(places, 0, bins - 1).astype(np.int64), minlength=bins)


def _dot(a: F64, b: F64) -> float:
    """The product of two vectors, always in the same order, whatever BLAS there is."""
    return float(np.einsum("i,i->", a, b))


def _is_finite(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _channel_maxima(array: npt.NDArray[Any]) -> F64:
    """The greatest magnitude per channel: along axis 1 of pictures, else along the last axis."""
    axis = 1 if array.ndim >= 4 else array.ndim - 1
    others = tuple(i for i in range(array.ndim) if i != axis)
    return np.maximum(array.max(axis=others), -array.min(axis=others)).astype(np.float64)
