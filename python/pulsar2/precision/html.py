"""The precision analysis as a page: one file, no network, with its data inside."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

from pulsar2.precision.advice import Advice, LayerChoice, verdict
from pulsar2.precision.analysis import Analysis, LayerFigures
from pulsar2.precision.statistics import ERROR_STEPS, TensorStatistics
from pulsar2.precision.table import SIMILARITIES


@dataclass
class Proposal:
    """Layer configurations for the worst layers, and what they were measured to do."""

    configs: list[LayerChoice] = field(default_factory=list[LayerChoice])
    effects: dict[str, list[float | None]] = field(default_factory=dict[str, list[float | None]])


def report_html(
    analysis: Analysis,
    advices: Sequence[Advice],
    proposal: Proposal,
    facts: Sequence[tuple[str, str]],
) -> str:
    """The page as text. `facts` are shown at its head; `advices` are in the order of the layers."""
    page = resources.files("pulsar2.precision").joinpath("report.html").read_text(encoding="utf-8")
    data = {
        "facts": list(facts),
        "samples": list(analysis.samples),
        "classes": [list(c) for c in SIMILARITIES],
        "errorSteps": ERROR_STEPS,
        "outputs": {name: _numbers(f) for name, f in analysis.outputs.items()},
        "verdict": verdict(proposal.effects),
        "configs": proposal.configs,
        "effects": {k: [_finite(v) for v in row] for k, row in proposal.effects.items()},
        "layers": [_layer(x, a) for x, a in zip(analysis.layers, advices, strict=True)],
    }
    # Inside a script element, "</" in a string would end it.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    title = f"Quant precision: {analysis.method} {analysis.mode}"
    page = page.replace("{{title}}", html.escape(title))
    return page.replace("{{data}}", text.replace("</", "<\\/"))


def _layer(x: LayerFigures, advice: Advice) -> dict[str, Any]:
    figures, layer = x.figures, x.layer
    histogram = figures.histogram()
    return {
        "operator": layer.operator,
        "type": layer.kind,
        "tensor": layer.float_name,
        "shape": list(layer.shape),
        "dtype": layer.float_type,
        "qdtype": layer.data_type,
        "weights": layer.weights,
        **_numbers(figures),
        "rounding": _finite(figures.rounding_sqnr) if figures.type is not None else None,
        "wide": _finite(x.wide.sqnr) if x.wide is not None else None,
        "saturation": figures.saturation,
        "use": figures.range_use if figures.type is not None else None,
        "bounds": list(figures.bounds) if figures.type is not None else None,
        "range": [_finite(figures.low), _finite(figures.high)],
        "worst": figures.worst,
        "bias": figures.mean_error,
        "tail": figures.tail,
        "outliers": figures.outlier_channels,
        "histogram": {
            "low": histogram.low,
            "high": histogram.high,
            "float": histogram.float_counts,
            "quantized": histogram.quantized_counts,
            "error": histogram.error_counts,
            "unit": histogram.error_unit,
        },
        "shares": asdict(advice.shares) if advice.shares is not None else None,
        "advice": advice.words,
        "configs": advice.configs,
    }


def _numbers(figures: TensorStatistics) -> dict[str, float | None]:
    return {"cosine": figures.cosine, "mse": figures.mse, "sqnr": _finite(figures.sqnr)}


def _finite(value: float | None) -> float | None:
    """None for what JSON cannot say: an infinite ratio means that there is no error."""
    return value if value is not None and math.isfinite(value) else None
