"""The comparison of a quantized graph with the float one, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext
from pulsar2.driver.float_check import FloatModel
from pulsar2.lowering.quant.cut_tensors import GIVEN
from pulsar2.precision.layers import Layer, Layers, compared_layers
from pulsar2.precision.simulation import Simulation, Tensors, cut, returning
from pulsar2.precision.statistics import TensorStatistics

Method = Literal["PerLayer", "EndToEnd"]
Mode = Literal["Reference", "NPUBackend"]
AnyArray = npt.NDArray[Any]

Simulate = Callable[[ModuleOp], Simulation]
"""Makes what runs a quantized module."""
Runtime = Callable[[Sample, Mapping[str, np.dtype[Any]]], Tensors]
"""What comes in at run time, in the given types, for a sample of the float model."""
Run = tuple[Layers, Simulation]
"""What is compared, and what runs it."""


@dataclass
class LayerFigures:
    """A layer and its figures; `wide` are those with 16-bit activations, where they were tried."""

    layer: Layer
    figures: TensorStatistics
    wide: TensorStatistics | None = None


@dataclass
class Analysis:
    """What a comparison found: layers in program order, on `samples` samples."""

    method: Method
    mode: Mode
    samples: Sequence[str]
    layers: list[LayerFigures]
    outputs: dict[str, TensorStatistics] = field(default_factory=dict[str, TensorStatistics])

    @property
    def title(self) -> str:
        """The title of the table, as users know it."""
        return f"Quant Precision Table【{self.method} {self.mode}】"


class Comparison:
    """Runs the float graph once per sample, and quantized graphs beside it.

    `float_module` is the calibrated graph without operations for what comes in at run time, and
    `names` what tensors of the quantized graph are called there (`float_names`). `runtime` makes
    run-time inputs, None where a sample does not tell them; then the quantized graph begins
    where the float one does.
    """

    def __init__(
        self,
        float_module: ModuleOp,
        ctx: AxContext,
        names: Mapping[str, str],
        samples: Sequence[Sample],
        runtime: Runtime | None,
    ):
        self._module = float_module
        self._ctx = ctx
        self._names = names
        self._samples = samples
        self._runtime = runtime
        self._inputs = set(samples[0].inputs)

    def layers(self, quantized: ModuleOp) -> Layers:
        """What of a quantized module can be compared."""
        return compared_layers(quantized, self._names, self._inputs)

    def per_layer(self, quantized: ModuleOp, simulate: Simulate) -> Run:
        """Every layer by itself, to be given float tensors."""
        found = self.layers(quantized)
        tensors = [layer.tensor for layer in found.layers]
        read = dict.fromkeys((*found.inputs, *tensors))
        return found, simulate(cut(quantized, self._ctx, read, tensors))

    def end_to_end(
        self, quantized: ModuleOp, simulate: Simulate, outputs: Sequence[str] = ()
    ) -> Run:
        """The graph as a whole; of its tensors those that stand for the float tensors `outputs`."""
        found = self.layers(quantized)
        chosen = found.layers
        if outputs:
            chosen = tuple({x.float_name: x for x in chosen if x.float_name in outputs}.values())
        given = () if self._runtime is not None else found.inputs
        simulation = simulate(cut(quantized, self._ctx, given, [x.tensor for x in chosen]))
        return Layers(chosen, found.inputs, found.floats), simulation

    def run(
        self,
        runs: Mapping[str, Run],
        advance: Callable[[], None] = lambda: None,
        seen: Callable[[Sample, Tensors, Mapping[str, Tensors]], None] | None = None,
    ) -> dict[str, list[LayerFigures]]:
        """The figures of the layers of each run, over all samples.

        `advance` is called after each sample. `seen` is called once, with the first sample, the
        float tensors, and what each run gave for those it compares, by their float names.
        """
        wanted = {f for layers, _ in runs.values() for f in layers.floats.values()} - self._inputs
        floats = None
        if wanted:
            floats = FloatModel.of(returning(self._module, sorted(wanted)), self._ctx)
        figures = {
            key: [LayerFigures(x, TensorStatistics(x.type)) for x in layers.layers]
            for key, (layers, _) in runs.items()
        }
        for number in range(len(self._samples)):
            sample = self._samples[number]
            expected = dict(sample.inputs)
            if floats is not None:
                expected |= floats.run(sample.inputs)
            results: dict[str, Tensors] = {}
            for key, (layers, simulation) in runs.items():
                got = simulation.run(self._feeds(layers, simulation, sample, expected))
                for x in figures[key]:
                    _add(x.figures, expected[x.layer.float_name], got[x.layer.tensor])
                if seen is not None and not number:
                    results[key] = {x.float_name: got[x.tensor] for x in layers.layers}
            if seen is not None and not number:
                seen(sample, expected, results)
            advance()
        return figures

    def _feeds(
        self, layers: Layers, simulation: Simulation, sample: Sample, expected: Tensors
    ) -> dict[str, AnyArray]:
        feeds: dict[str, AnyArray] = {}
        rest: dict[str, np.dtype[Any]] = {}
        for name, dtype in simulation.inputs.items():
            source = layers.floats.get(name.removesuffix(GIVEN)) if name.endswith(GIVEN) else None
            if source is None:
                rest[name] = dtype
            else:
                feeds[name] = _as_type(expected[source], dtype)
        if rest and self._runtime is not None:
            feeds |= self._runtime(sample, rest)
        return feeds


def by_name(layers: Sequence[LayerFigures]) -> dict[str, TensorStatistics]:
    """The figures of layers by the float tensor that each stands for."""
    return {x.layer.float_name: x.figures for x in layers}


def add_wide(layers: Sequence[LayerFigures], wide: Sequence[LayerFigures]) -> None:
    """Adds to `layers` the figures that the same ones have with 16-bit activations."""
    known = {(x.layer.operator, x.layer.float_name): x.figures for x in wide}
    for x in layers:
        x.wide = known.get((x.layer.operator, x.layer.float_name))


def _add(figures: TensorStatistics, expected: AnyArray, got: AnyArray) -> None:
    if expected.size == got.size and expected.size:
        figures.add(expected, got)


def _as_type(array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """An array in another type; integers saturate."""
    if array.dtype == dtype:
        return array
    if dtype.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        array = np.clip(array, limits.min, limits.max)
    return array.astype(dtype)
