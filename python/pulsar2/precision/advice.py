"""What to try next for a layer, from what was measured of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulsar2.precision.analysis import LayerFigures
from pulsar2.precision.statistics import TensorStatistics

EXACT = 200.0
"""SQNR in dB that stands for no error."""
SOUND = 35.0
"""SQNR in dB from which a layer needs nothing: about that of 8 bits, well used."""
_GAIN = 1.0
"""dB that a proposal has to gain."""
_FEW = 1e-4
"""Share of the numbers of a tensor that may lie beyond its range without a word."""
_MAIN = 0.5
"""Share of the noise from which on a source of it is the one to look at."""
_WORST = 8
"""How many layers the proposed layer_configs are for, at most."""

_FOR_WEIGHTS = ("enable_easy_quant", "enable_adaround", "enable_brecq", "enable_lsq")
"""Options that choose how weights are rounded."""
_BARELY = 2.0
"""dB that are little when all activations have 16 bits."""

LayerChoice = dict[str, Any]

Effects = Mapping[str, Sequence[float | None]]
"""By output of the model its SQNR in dB as it is, with the proposed layer configurations, and with
16-bit activations everywhere; None is what was not measured."""


@dataclass(frozen=True)
class Shares:
    """Where the noise of a layer comes from: the rounding of its result, of what it reads, and of
    its constants. They sum to 1."""

    result: float
    inputs: float
    constants: float


@dataclass
class Advice:
    """What is known of a layer, in sentences, and the layer configurations that would help."""

    shares: Shares | None = None
    words: list[str] = field(default_factory=list[str])
    configs: list[LayerChoice] = field(default_factory=list[LayerChoice])


def noise_shares(x: LayerFigures) -> Shares | None:
    """The sources of a layer's noise; None where it has none, or 16 bits were not tried.

    The result's own rounding is known from the float tensor alone. With 16-bit activations what
    remains is nearly all the constants'. The rest comes with the inputs.
    """
    total = x.figures.noise
    if x.wide is None or total <= 0:
        return None
    result = min(x.figures.rounding_noise / total, 1.0)
    constants = min(x.wide.noise / total, 1.0 - result) if x.layer.has_weights else 0.0
    return Shares(result, 1.0 - result - constants, constants)


class Adviser:
    """Proposals for the layers of one analysis.

    `method` is how ranges were chosen; `options` are those of the quantizer that can be turned on;
    `wide` says whether the chip has 16-bit activations; `operators` are the names that layer
    configurations may name; `cut` are the float tensors whose ranges leave numbers out on purpose.
    """

    def __init__(
        self,
        layers: Sequence[LayerFigures],
        *,
        method: str,
        options: Collection[str],
        wide: bool,
        operators: Collection[str],
        cut: Collection[str] = (),
    ):
        self._layers = layers
        self._method = method
        self._options = options
        self._wide = wide
        self._operators = operators
        self._cut = cut
        self._by_tensor = {x.layer.tensor: x for x in layers}
        readers: dict[str, list[LayerFigures]] = {}
        for x in layers:
            for source in x.layer.sources:
                readers.setdefault(source, []).append(x)
        self._readers: Mapping[str, list[LayerFigures]] = readers

    def advise(self, x: LayerFigures) -> Advice:
        """What to try for one layer; nothing for a sound one."""
        advice = Advice(noise_shares(x))
        figures = x.figures
        if figures.sqnr >= SOUND or not figures.count:
            return advice
        shares = advice.shares
        if x.layer.float_name in self._cut:
            advice.words.append(
                f"{figures.saturation:.2%} of the float values lie beyond the quantized range "
                f"[{figures.bounds[0]:.4g}, {figures.bounds[1]:.4g}], as is meant: what reads this "
                "tensor drops them, or gives the same for the ends of the range."
            )
            if figures.clipping_noise >= _MAIN * figures.noise:
                return advice
        elif figures.saturation > _FEW and figures.wider >= _GAIN:
            advice.words.append(
                f"{figures.saturation:.2%} of the float values lie beyond the quantized range "
                f"[{figures.bounds[0]:.4g}, {figures.bounds[1]:.4g}]: they reach from "
                f"{figures.low:.4g} to {figures.high:.4g}, and a range that holds them would err "
                f"{_gained(figures.wider)}. Calibrate on data that are like these"
                + (", or with MinMax." if self._method != "MinMax" else ".")
            )
        if shares is None:
            return advice
        if shares.result >= _MAIN:
            self._about_result(x, shares, advice)
        elif shares.inputs >= max(shares.constants, 0.25):
            self._about_inputs(x, shares, advice)
        elif x.layer.has_weights:
            self._about_weights(x, shares, advice)
        return advice

    def proposal(self, advices: Sequence[Advice]) -> list[LayerChoice]:
        """The layer configurations for the worst layers together, without what says it twice."""
        order = sorted(range(len(advices)), key=lambda i: self._layers[i].figures.sqnr)
        chosen: list[LayerChoice] = []
        for index in [i for i in order if advices[i].configs][:_WORST]:
            chosen += [c for c in advices[index].configs if c not in chosen]
        return merged(chosen)

    def _has_name(self, x: LayerFigures) -> bool:
        """Whether a layer configuration may name the layer."""
        casts = ("AxQuantizeLinear", "AxDequantizeLinear", "AxRequantize")
        return x.layer.kind not in casts and x.layer.operator in self._operators

    def _about_result(self, x: LayerFigures, shares: Shares, advice: Advice) -> None:
        figures = x.figures
        advice.words.append(f"{shares.result:.0%} of the noise is the rounding of its own result.")
        self._about_range(figures, "", advice)
        gain = _gain(x)
        if x.layer.data_type not in ("U8", "S8") or not self._wide or gain < _GAIN:
            return
        readers = self._readers.get(x.layer.tensor, [])
        if "Conv" in x.layer.kind and self._has_name(x):
            config: LayerChoice = {
                "layer_name": x.layer.operator,
                "data_type": x.layer.data_type,
                "output_data_type": x.layer.data_type[0] + "16",
            }
        else:
            names = sorted({r.layer.operator for r in readers if self._has_name(r)})
            if not names:
                return
            config = {"layer_names": names, "data_type": x.layer.data_type[0] + "16"}
        advice.words.append(
            f"With 16-bit activations this layer reaches {_db(x.wide)} instead of {_db(figures)}."
        )
        advice.configs.append(config)

    def _about_inputs(self, x: LayerFigures, shares: Shares, advice: Advice) -> None:
        sources = [self._by_tensor[s] for s in x.layer.sources if s in self._by_tensor]
        sources = [s for s in sources if s.figures.type is not None]
        advice.words.append(f"{shares.inputs:.0%} of the noise comes with what it reads.")
        for source in sources:
            self._about_range(source.figures, f" of '{source.layer.float_name}'", advice)
            outliers = source.figures.outlier_channels
            if outliers >= 0.5 and x.layer.has_weights:
                option = "quant.enable_smooth_quant"
                hint = f" Try {option}." if "enable_smooth_quant" in self._options else ""
                advice.words.append(
                    f"{outliers:.0%} of the channels of '{source.layer.float_name}' stay below a "
                    f"sixteenth of the largest one, so they have less than 4 of 8 bits.{hint}"
                )
        gain = _gain(x)
        narrow = any(s.layer.data_type in ("U8", "S8") for s in sources)
        if self._wide and gain >= _GAIN and self._has_name(x) and (narrow or not sources):
            advice.words.append(
                f"With 16-bit activations this layer reaches {_db(x.wide)} instead of "
                f"{_db(x.figures)}."
            )
            advice.configs.append({"layer_name": x.layer.operator, "data_type": "U16"})

    def _about_weights(self, x: LayerFigures, shares: Shares, advice: Advice) -> None:
        advice.words.append(
            f"{shares.constants:.0%} of the noise comes from its {x.layer.weights} weights: 16-bit "
            f"activations bring it to {_db(x.wide)} only."
        )
        if x.layer.weights == "S4":
            advice.words.append("Let weight_data_type be S8.")
            advice.configs.append({"layer_name": x.layer.operator, "weight_data_type": "S8"})
        switches = [f"quant.{name}" for name in _FOR_WEIGHTS if name in self._options]
        if switches:
            advice.words.append(f"Try {' or '.join(switches)}.")

    def _about_range(self, figures: TensorStatistics, whose: str, advice: Advice) -> None:
        factor, gain = figures.narrower
        if gain >= _GAIN and factor < 1:
            others = [m for m in ("Percentile", "KL", "MSE") if m != self._method]
            reason = ""
            if figures.tail > 2:
                reason = f": the largest value is {figures.tail:.1f} times the 99.9 % quantile"
            elif figures.range_use < 0.7:
                reason = f": these samples span {figures.range_use:.0%} of it"
            advice.words.append(
                f"The range{whose} is wide{reason}. At {factor:.0%} of it the rounding of these "
                f"samples would err {gain:.1f} dB less: try calibration_method "
                f"{', '.join(others)}."
            )


def verdict(effects: Effects) -> str:
    """What the model loses by, in a sentence or two, from the output that loses most."""
    known = {name: row for name, row in effects.items() if row[0] is not None}
    if not known:
        return ""
    name = min(known, key=lambda n: known[n][0] or 0.0)
    now, tried, everywhere = (v if v is not None else math.nan for v in known[name])
    if now >= EXACT:
        return f"The output '{name}' is that of the float model."
    text = f"The output '{name}' has {now:.1f} dB. "
    if now >= SOUND:
        return text + "Nothing needs to be done."
    if everywhere - now < _BARELY:
        return (
            f"{text}16-bit activations everywhere bring it to {everywhere:.1f} dB only: what it "
            "loses, it loses by the weights."
        )
    if tried - now >= _GAIN:
        return f"{text}These layers in other types bring it to {tried:.1f} dB."
    if math.isnan(everywhere):
        return text.strip()
    spread = "no layer stands out" if math.isnan(tried) else "these layers hardly change that"
    return (
        f"{text}With 16-bit activations everywhere it has {everywhere:.1f} dB, but {spread}: the "
        "loss is spread over many. Try another calibration_method, or U16 for whole operator types."
    )


def merged(configs: Sequence[LayerChoice]) -> list[LayerChoice]:
    """Configurations that say the same of several layers as one; a layer has the widest said."""
    types: dict[str, LayerChoice] = {}
    for config in configs:
        names = config.get("layer_names") or [config["layer_name"]]
        said = {k: v for k, v in config.items() if not k.startswith("layer_name")}
        for name in names:
            known = types.setdefault(name, {})
            for key, value in said.items():
                if key not in known or value.endswith("16"):
                    known[key] = value
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, said in types.items():
        groups.setdefault(tuple(sorted(said.items())), []).append(name)
    return [{"layer_names": names, **dict(said)} for said, names in groups.items()]


def _gain(x: LayerFigures) -> float:
    """dB that 16-bit activations gain."""
    if x.wide is None:
        return 0.0
    if math.isinf(x.wide.sqnr):
        return math.inf
    return x.wide.sqnr - x.figures.sqnr


def _gained(gain: float) -> str:
    return "next to nothing" if math.isinf(gain) else f"{gain:.1f} dB less"


def _db(figures: TensorStatistics | None) -> str:
    if figures is None or math.isinf(figures.sqnr):
        return "an exact result"
    return f"{figures.sqnr:.1f} dB"
