"""Observers: what they keep of a stream, exact merging, and the ranges they choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsar2._kernels import ChannelObserver, HistogramObserver, MinMaxObserver, supported_isas

HALF = 2048
Streams = st.lists(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=40), max_size=5
)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_min_max_observer(size: int) -> None:
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    observer, other = MinMaxObserver(), MinMaxObserver()
    assert observer.observe(values[: size // 2])
    assert other.observe(values[size // 2 :])
    observer.merge(other)
    assert observer.count == size
    if size:
        assert observer.min == values.min()
        assert observer.max == values.max()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 40, 64])
def test_observer_refuses_what_is_not_finite(bad: float, at: int) -> None:
    values = np.ones(65, np.float32)
    values[at] = bad
    observer = MinMaxObserver()
    assert not observer.observe(values)
    assert observer.count == 0


@pytest.mark.parametrize(("channels", "inner"), [(1, 1), (5, 1), (33, 1), (4, 7), (3, 64)])
def test_channel_observer(channels: int, inner: int) -> None:
    values = np.random.default_rng(inner).normal(size=(6, channels, inner)).astype(np.float32)
    observer, other = ChannelObserver(channels, inner), ChannelObserver(channels, inner)
    assert observer.observe(values[:2].reshape(-1))
    assert other.observe(values[2:].reshape(-1))
    observer.merge(other)
    np.testing.assert_array_equal(observer.maxima, np.abs(values).max((0, 2)))
    for bad in (np.nan, np.inf):
        wrong = np.full(channels * inner, 1e9, np.float32)
        wrong[-1] = bad
        assert not observer.observe(wrong)
    np.testing.assert_array_equal(observer.maxima, np.abs(values).max((0, 2)))
    if channels * inner > 1:
        with pytest.raises(ValueError, match="whole number"):
            observer.observe(np.zeros(channels * inner + 1, np.float32))
    with pytest.raises(ValueError, match="number of channels"):
        observer.merge(ChannelObserver(channels + 1, inner))


def counted(values: np.ndarray, exponent: int) -> np.ndarray:
    """The definition: floor(x / 2^exponent), in f64, which is exact."""
    bins = np.floor(values.astype(np.float64) / 2.0**exponent).astype(np.int64) + HALF
    return np.bincount(bins, minlength=2 * HALF)


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_histogram_counts_what_numpy_counts(isa: str, bad: float) -> None:
    """Over blocks whose numbers grow, which widen the bins; and zeros, which need no bins."""
    rng = np.random.default_rng(3)
    values = (rng.normal(0, 1, 9001) * np.geomspace(1e-3, 1e3, 9001)).astype(np.float32)
    values[rng.random(9001) < 0.3] = 0
    values[rng.random(9001) < 0.1] = -0.0
    observer = HistogramObserver()
    wrong = values.copy()
    wrong[8900] = bad
    for _ in range(2):
        assert not observer.observe(wrong, isa)
        assert not observer.counts.any()
    assert observer.observe(values, isa)
    np.testing.assert_array_equal(observer.counts, counted(values, observer.exponent))
    assert 2 ** (observer.exponent + 10) <= np.abs(values).max() < 2 ** (observer.exponent + 11)


@given(Streams)
def test_histogram_counts_and_merges_exactly(streams: list[list[float]]) -> None:
    parts = [np.asarray(s, np.float32) for s in streams]
    everything = np.concatenate([*parts, np.zeros(0, np.float32)])
    one, merged = HistogramObserver(), HistogramObserver()
    for part in parts:
        assert one.observe(part)
    for part in reversed(parts):
        other = HistogramObserver()
        other.observe(part)
        merged.merge(other)
    assert one.exponent == merged.exponent
    np.testing.assert_array_equal(one.counts, merged.counts)
    np.testing.assert_array_equal(one.counts, counted(everything, one.exponent))
    assert one.count == everything.size
    if everything.size:
        assert (one.min, one.max) == (everything.min(), everything.max())
        greatest = np.abs(everything).max()
        assert greatest == 0 or one.exponent == -126 or greatest >= 2.0 ** (one.exponent + 10)


def test_zeros_do_not_widen_the_bins() -> None:
    observer = HistogramObserver()
    for values in ([0.0, 0.0], [1e-3, 0.0]):
        assert observer.observe(np.asarray(values, np.float32))
    assert 2.0 ** (observer.exponent + 10) <= 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_histogram_refuses_what_is_not_finite(bad: float) -> None:
    observer = HistogramObserver()
    assert not observer.observe(np.asarray([1.0, bad], np.float32))
    assert observer.count == 0
    assert not observer.counts.any()


def test_zeros_can_be_taken_back() -> None:
    observer = HistogramObserver()
    observer.observe(np.asarray([0, 0, 0, 1, 2], np.float32))
    observer.forget_zeros(2)
    assert observer.counts[HALF] == 1


DISTRIBUTIONS = {
    "normal": lambda rng: rng.normal(0, 1, 50000),
    "relu": lambda rng: np.maximum(rng.normal(0, 1, 50000), 0),
    "laplace": lambda rng: rng.laplace(0.5, 1, 50000),
    "negative": lambda rng: -np.abs(rng.normal(3, 1, 50000)),
    "uniform": lambda rng: rng.uniform(-1, 2, 50000),
}


def observed(name: str) -> tuple[np.ndarray, HistogramObserver]:
    values = DISTRIBUTIONS[name](np.random.default_rng(1)).astype(np.float32)
    observer = HistogramObserver()
    observer.observe(values)
    return values, observer


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentile_is_numpys(name: str) -> None:
    values, observer = observed(name)
    for fraction in (0.9, 0.99, 0.9999):
        low, high = observer.percentile_range(fraction)
        width = 2.0**observer.exponent
        assert high == pytest.approx(max(0.0, np.quantile(values, fraction)), abs=2 * width)
        assert low == pytest.approx(min(0.0, np.quantile(values, 1 - fraction)), abs=2 * width)


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    """The error of quantizing the values themselves, in numpy."""
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    stored = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.square((stored - zero) * scale - values).mean())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_mse_is_near_the_best_of_a_search(name: str) -> None:
    values, observer = observed(name)
    low, high = observer.mse_range(256)
    assert min(values.min(), 0) <= low <= 0 <= high <= max(values.max(), 0)
    shares = np.linspace(0.3, 1, 29)
    least, greatest = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    best = min(
        squared_error(values, least * a, greatest * b)
        for a in (shares if least < 0 else [0.0])
        for b in (shares if greatest > 0 else [0.0])
    )
    assert squared_error(values, low, high) <= 1.02 * best


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_kl_keeps_a_sane_share(name: str) -> None:
    values, observer = observed(name)
    low, high = observer.kl_range(256)
    assert min(values.min(), 0) <= low <= 0 <= high <= max(values.max(), 0)
    assert squared_error(values, low, high) <= 30 * squared_error(
        values, min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    )


def divergence(observer: HistogramObserver, low: float, high: float) -> float:
    """The definition: of even shares within a level, 2 ** -80 outside, from the observed ones."""
    counts = np.asarray(observer.counts, np.float64)
    counts[HALF] = min(counts[HALF], counts[HALF + 1])
    bins = np.flatnonzero(counts)
    shares = counts[bins] / counts.sum()
    centres = (bins - HALF + 0.5) * 2.0**observer.exponent
    inside = (centres >= low) | (low <= observer.min)
    inside &= (centres <= high) | (high >= observer.max)
    scale = (high - low) / 255
    levels = np.clip(np.rint(centres / scale) + np.rint(-low / scale), 0, 255).astype(int)
    mass = np.bincount(levels[inside], shares[inside], 256)
    told = mass[levels] / np.maximum(np.bincount(levels[inside], minlength=256)[levels], 1)
    told = np.where(inside, told / shares[inside].sum(), 2.0**-80)
    return float((shares * np.log(shares / told)).sum())


@pytest.mark.parametrize("tail", [0, 3])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_kl_diverges_least(name: str, tail: int) -> None:
    """Of ranges with one end or the other elsewhere."""
    values = DISTRIBUTIONS[name](np.random.default_rng(1)).astype(np.float32)
    values[:tail] = 40 * values[np.abs(values).argmax()]
    observer = HistogramObserver()
    observer.observe(values)
    low, high = observer.kl_range(256)
    best = divergence(observer, low, high)
    least, greatest = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    for share in np.linspace(0.2, 1, 33):
        if greatest > 0:
            assert best <= divergence(observer, low, share * greatest) + 1e-4
        if least < 0:
            assert best <= divergence(observer, share * least, high) + 1e-4
    if not tail:
        assert low <= 0.6 * least
        assert high >= 0.6 * greatest
    elif name != "uniform":  # whose levels are as even in any range
        assert high - low < 0.6 * (greatest - least)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_constant_tensors(value: float) -> None:
    observer = HistogramObserver()
    observer.observe(np.full(100, value, np.float32))
    for low, high in (
        observer.percentile_range(0.99),
        observer.mse_range(256),
        observer.kl_range(256),
    ):
        assert low <= 0 <= high
        assert high <= max(value, 0) + 0.01
        assert low >= min(value, 0) - 0.01
