"""Figures of a precision analysis against their definitions, and what advice follows from them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pulsar2.dialects.quant.types import UniformType
from pulsar2.precision.advice import Adviser, merged, noise_shares, verdict
from pulsar2.precision.analysis import Analysis, LayerFigures
from pulsar2.precision.html import Proposal, report_html
from pulsar2.precision.layers import Layer
from pulsar2.precision.statistics import TensorStatistics
from pulsar2.precision.table import mermaid, short, similarity_class, table_rows

Array = npt.NDArray[Any]
U8 = UniformType("u8", 0.1, 128)
RNG = np.random.default_rng(0)


def quantized(array: Array, type_: UniformType) -> Array:
    low, high = type_.bounds
    steps = np.clip(np.rint(array / float(type_.scale)) + type_.zero_point, low, high)
    return ((steps - type_.zero_point) * float(type_.scale)).astype(np.float32)


def statistics(*pairs: tuple[Array, Array], type_: UniformType | None = U8) -> TensorStatistics:
    made = TensorStatistics(type_)
    for expected, got in pairs:
        made.add(expected, got)
    return made


def test_figures_over_samples_are_those_of_all_elements() -> None:
    floats = [RNG.normal(0, 4, (1, 3, 200, 150)).astype(np.float32) for _ in range(3)]
    stored = [quantized(f, U8) + np.float32(0.05) for f in floats]
    found = statistics(*zip(floats, stored, strict=True))
    f = np.concatenate([x.ravel() for x in floats]).astype(np.float64)
    q = np.concatenate([x.ravel() for x in stored]).astype(np.float64)
    assert found.count == f.size
    assert found.cosine == pytest.approx(f @ q / np.sqrt((f @ f) * (q @ q)), abs=1e-12)
    assert found.mse == pytest.approx(np.mean((f - q) ** 2))
    assert found.sqnr == pytest.approx(10 * np.log10((f @ f) / np.sum((f - q) ** 2)))
    alone = quantized(f.astype(np.float32), U8).astype(np.float64)
    assert found.rounding_sqnr == pytest.approx(
        10 * np.log10((f @ f) / np.sum((f - alone) ** 2)), abs=1e-3
    )
    assert found.mean_error == pytest.approx(np.mean(q - f) / 0.1, abs=1e-6)
    assert found.worst == pytest.approx(np.abs(q - f).max())
    least, greatest = -128 * 0.1, 127 * 0.1
    assert found.bounds == pytest.approx((least, greatest), rel=1e-6)
    beyond = np.mean((f < least - 0.05) | (f > greatest + 0.05))
    assert 0 < found.saturation == pytest.approx(beyond, rel=1e-3)
    assert found.range_use == 1.0
    counts = found.histogram()
    assert sum(counts.float_counts) == sum(counts.quantized_counts) == sum(counts.error_counts)
    assert counts.low == pytest.approx(min(least, floats[0].min()))


def test_special_tensors() -> None:
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    assert statistics((zeros, zeros)).cosine == 1.0
    assert statistics((zeros, ones)).cosine == 0.0
    exact = statistics((ones, ones))
    assert math.isinf(exact.sqnr)
    assert exact.cosine == 1.0
    infinite = ones.copy()
    infinite[0, 0] = np.inf
    assert statistics((infinite, ones), type_=None).count == 5
    assert statistics((infinite * np.nan, ones)).count == 0
    integers = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert statistics((integers, integers.astype(np.int32)), type_=None).cosine == 1.0
    constant = statistics((ones, ones), type_=None).histogram()
    assert constant.high > constant.low


def test_ranges_that_are_too_wide() -> None:
    values = RNG.normal(0, 0.3, (1, 4, 64, 64)).astype(np.float32)
    values[0, 0, 1, 2] = 5.0
    found = statistics((values, quantized(values, U8)))
    factor, gain = found.narrower
    assert factor < 0.4
    assert gain > 6
    assert found.tail > 4
    assert found.range_use == pytest.approx((5 - values.min()) / 25.5, rel=1e-3)
    even = RNG.uniform(-12.8, 12.7, (1, 4, 64, 64)).astype(np.float32)
    assert statistics((even, quantized(even, U8))).narrower == (1.0, 0.0)


def test_ranges_that_are_too_narrow() -> None:
    values = RNG.normal(0, 1, (1, 4, 64, 64)).astype(np.float32)
    assert statistics((values, quantized(values, U8))).wider == 0.0
    for factor in (5, 10):
        found = statistics((factor * values, quantized(factor * values, U8)))
        step = 0.1 * (max(found.high, 12.7) - min(found.low, -12.8)) / 25.5
        held = found.count * step**2 / 12
        assert found.wider == pytest.approx(10 * math.log10(found.noise / held), abs=0.2)
    # Too little beyond to be worth coarser steps for all.
    values[0, 0, 0, 0] = 14.0
    found = statistics((values, quantized(values, U8)))
    assert found.saturation > 0
    assert found.wider < 0.1


def test_outlier_channels() -> None:
    values = RNG.normal(0, 1, (1, 10, 32)).astype(np.float32)
    channels = values.copy()
    channels[..., 3] *= 1000
    assert statistics((values, values)).outlier_channels == 0
    assert statistics((channels, channels)).outlier_channels == pytest.approx(31 / 32)


def layer(name: str, kind: str, *sources: str, weights: str = "") -> Layer:
    return Layer(name, kind, f"{name}:0", f"{name}:0", (1, 8), "FP32", U8, "U8", sources, weights)


def noisy(x: Layer, sigma: float, wide: float, rounding: float = 0.0) -> LayerFigures:
    """A layer whose noise has these deviations: of all, with 16 bits, of the result's rounding."""
    figures = statistics((values := RNG.normal(0, 1, (50, 8)).astype(np.float32), values))
    figures.noise = sigma**2 * figures.count
    figures.rounding_noise = rounding**2 * figures.count
    other = statistics((values, values))
    other.noise = wide**2 * other.count
    return LayerFigures(x, figures, other)


def adviser(*layers: LayerFigures, **changes: Any) -> Adviser:
    given: dict[str, Any] = {
        "method": "MinMax",
        "options": {"enable_smooth_quant"},
        "wide": True,
        "operators": [x.layer.operator for x in layers],
    }
    return Adviser(layers, **given | changes)


def test_where_noise_comes_from() -> None:
    x = noisy(layer("c", "AxQuantizedConv", weights="S8"), 0.1, 0.05, 0.05)
    shares = noise_shares(x)
    assert shares is not None
    assert (shares.result, shares.inputs, shares.constants) == pytest.approx((0.25, 0.5, 0.25))
    assert noise_shares(LayerFigures(x.layer, x.figures)) is None


def test_advice_follows_the_largest_share() -> None:
    first = noisy(layer("first", "AxQuantizedAdd"), 0.1, 0.001, 0.099)
    conv = noisy(layer("conv", "AxQuantizedConv", "first:0", weights="S8"), 0.1, 0.001, 0.099)
    reads = noisy(layer("reads", "AxQuantizedMul", "conv:0"), 0.1, 0.001, 0.01)
    weights = noisy(layer("w", "AxQuantizedConv", "reads:0", weights="S4"), 0.1, 0.095, 0.01)
    sound = noisy(layer("sound", "AxQuantizedAdd", "w:0"), 0.001, 0.0001, 0.0009)
    all_ = (first, conv, reads, weights, sound)
    by = adviser(*all_)
    found = [by.advise(x) for x in all_]
    assert found[0].configs == [{"layer_names": ["conv"], "data_type": "U16"}]
    assert found[1].configs == [
        {"layer_name": "conv", "data_type": "U8", "output_data_type": "U16"}
    ]
    assert found[2].configs == [{"layer_name": "reads", "data_type": "U16"}]
    assert found[3].configs == [{"layer_name": "w", "weight_data_type": "S8"}]
    assert found[4].configs == []
    assert found[4].words == []
    assert any("60.0 dB instead of 20.0 dB" in w or "dB instead of" in w for w in found[2].words)
    proposed = sorted(by.proposal(found), key=lambda c: c["layer_names"])
    assert proposed == [
        {"layer_names": ["conv"], "data_type": "U16", "output_data_type": "U16"},
        {"layer_names": ["reads"], "data_type": "U16"},
        {"layer_names": ["w"], "weight_data_type": "S8"},
    ]
    narrow = adviser(*all_, wide=False)
    assert [narrow.advise(x).configs for x in all_[:3]] == [[], [], []]


def clipped(name: str) -> LayerFigures:
    """A layer of which a fifth of the numbers lie beyond its range."""
    values = RNG.normal(0, 10, (50, 80)).astype(np.float32)
    figures = statistics((values, quantized(values, U8)))
    return LayerFigures(layer(name, "AxQuantizedConv"), figures, figures)


def test_numbers_beyond_a_range_are_told_of_where_it_was_not_meant() -> None:
    meant, missed = clipped("meant"), clipped("missed")
    by = adviser(meant, missed, cut={"meant:0"})
    (word,) = by.advise(meant).words
    assert "as is meant" in word
    assert by.advise(meant).configs == []
    words = by.advise(missed).words
    assert "a range that holds them would err" in words[0]
    assert words[0].endswith("dB less. Calibrate on data that are like these.")
    with_kl = adviser(missed, method="KL")
    assert "or with MinMax" in with_kl.advise(missed).words[0]


def test_what_the_model_loses_by() -> None:
    assert verdict({"y": [200.0, None, 200.0]}) == "The output 'y' is that of the float model."
    assert verdict({}) == ""
    assert "loses by the weights" in verdict({"a": [18.1, 18.3, 19.0], "b": [30, None, 60]})
    assert "bring it to 30.0 dB" in verdict({"a": [20, 30, 40]})
    assert "loss is spread" in verdict({"a": [20, 20.2, 40]})
    assert "no layer stands out" in verdict({"a": [20, None, 40]})
    assert "Nothing needs" in verdict({"a": [50, None, 60]})
    assert verdict({"a": [20, None, None]}) == "The output 'a' has 20.0 dB."


def test_configurations_of_equal_types_are_one() -> None:
    assert merged(
        [
            {"layer_name": "a", "data_type": "U16"},
            {"layer_names": ["b", "a"], "data_type": "U16"},
            {"layer_name": "c", "data_type": "U8", "output_data_type": "U16"},
        ]
    ) == [
        {"layer_names": ["a", "b"], "data_type": "U16"},
        {"layer_names": ["c"], "data_type": "U8", "output_data_type": "U16"},
    ]


def test_names_cannot_break_the_page_or_the_graph() -> None:
    x = noisy(layer('</script><b>"&', "AxQuantizedAdd"), 0.1, 0.01, 0.05)
    exact = LayerFigures(layer("e", "AxReshape", x.layer.tensor), statistics((U, U)))
    analysis = Analysis("PerLayer", "Reference", ["a"], [x, exact], {"out": exact.figures})
    by = adviser(x, exact)
    page = report_html(analysis, [by.advise(x), by.advise(exact)], Proposal(), [("model", "m<b>")])
    assert page.count("</script>") == 1
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    (line,) = [t for t in page.splitlines() if t.startswith("const data = ")]
    data = json.loads(line.removeprefix("const data = ").rstrip(";").replace("<\\/", "</"))
    assert data["layers"][0]["operator"] == '</script><b>"&'
    assert data["layers"][1]["sqnr"] is None
    assert "&lt;/script&gt;&lt;b&gt;#quot;&amp;" in mermaid(analysis)
    assert "n0 --> n1" in mermaid(analysis)
    assert table_rows(analysis.layers)[1][-2:] == ("1.00000", "0.00000")
    assert [similarity_class(c) for c in (1, 0.995, 0.96, 0.2, -1)] == [
        "good", "fair", "poor", "bad", "bad",
    ]  # fmt: skip


U = np.ones((2, 2), np.float32)


def test_a_tensor_of_one_great_number() -> None:
    """1 more is no more: an edge of the histogram must not fall upon the other."""
    values = np.full(8, 1e30, np.float32)
    found = statistics((values, values), type_=None)
    assert found.mse == 0
    assert sum(found.histogram().float_counts) == 8


@pytest.mark.parametrize(
    ("mse", "text"), [(0.0, "0.00000"), (0.25, "0.25000"), (3e-9, "3.0e-09"), (4.8e69, "4.8e+69")]
)
def test_the_table_has_numbers_of_any_size(mse: float, text: str) -> None:
    assert short(mse) == text
