"""Reference against NPUBackend: each layer of a network, given the same float tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.driver.part import Part, compile_part
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.precision.analysis import Comparison
from pulsar2.precision.layers import float_names
from pulsar2.precision.simulation import Backend, Reference, Tensors

from .builds import Build
from .report import Section

_SAMPLES = 3

Inputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Agreement:
    """How far the two are apart, over the quantized results of all layers, in steps of each.

    `worst` is the largest difference and `where` the layer it is in, `share` that of the elements
    that differ, and `bias` the mean difference. `float_error` is the largest difference of results
    that are not quantized, relative to the greatest magnitude of the tensor.
    """

    layers: int
    worst: float
    where: str
    share: float
    bias: float
    float_error: float


def measure_agreement(
    model: onnx.ModelProto, samples: Sequence[Inputs], options: str = ""
) -> Agreement:
    """Quantizes a model on all samples, and compares on the last one.

    `options` are those of the pipeline `quantize`.
    """
    ctx = make_context()
    module = import_onnx(model, ctx)
    run_passes(ctx, module, parse_passes("optimize"))
    named = [Sample(str(i), sample) for i, sample in enumerate(samples)]
    calibrate(module, ctx, named, threads=1)
    before = module.clone()
    run_passes(ctx, module, parse_passes(f"quantize{{{options}}}" if options else "quantize"))
    comparison = Comparison(
        before, ctx, float_names(before, before), named[-1:], lambda sample, _: sample.inputs
    )
    layers = comparison.layers(module).layers
    runs = {
        "reference": comparison.per_layer(module, lambda m: Reference(m, ctx)),
        "program": comparison.per_layer(module, lambda m: Backend(m, lambda x: _compile(x, ctx))),
    }
    given: dict[str, Tensors] = {}
    names = [x.tensor for x in layers]
    for key, (_, simulation) in runs.items():
        runs[key] = runs[key][0], _Kept(simulation, given, key)
    comparison.run(runs)
    worst, where, count, different, total, float_error = 0.0, "", 0, 0, 0.0, 0.0
    for layer, name in zip(layers, names, strict=True):
        a, b = (given[k][name].astype(np.float64) for k in ("program", "reference"))
        if layer.type is None:
            top = float(np.abs(b).max(initial=0.0)) or 1.0
            float_error = max(float_error, float(np.abs(a - b).max(initial=0.0)) / top)
            continue
        steps = np.rint((a - b) / float(layer.type.scale))
        largest = float(np.abs(steps).max(initial=0.0))
        if largest > worst:
            worst, where = largest, f"{layer.operator} ({layer.kind})"
        count += steps.size
        different += int(np.count_nonzero(steps))
        total += float(steps.sum())
    return Agreement(
        len(layers), worst, where, different / max(count, 1), total / max(count, 1), float_error
    )


class _Kept:
    """A simulation whose results are kept by their key."""

    def __init__(self, simulation: Any, given: dict[str, Tensors], key: str):
        self._simulation, self._given, self._key = simulation, given, key
        self.inputs = simulation.inputs

    def run(self, feeds: Tensors) -> Tensors:
        self._given[self._key] = self._simulation.run(feeds)
        return self._given[self._key]


def _compile(module: ModuleOp, ctx: AxContext) -> Part:
    run_passes(ctx, module, parse_passes("partition,schedule{target=AX650 npu-mode=NPU1},emit"))
    return compile_part(module, ctx, 0)


def measure_agreements(builds: Sequence[Build]) -> tuple[Section, dict[str, Agreement]]:
    """Every network that was built, on random inputs."""
    section = Section(
        "Reference against NPUBackend, each layer by itself",
        ("network", "layers", "largest difference, steps", "elements that differ", "bias, steps"),
    )
    found: dict[str, Agreement] = {}
    for build in builds:
        model = onnx.load(build.model)
        rng = np.random.default_rng(0)
        samples = [
            {v.name: rng.normal(size=_shape(v)).astype(np.float32) for v in model.graph.input}
            for _ in range(_SAMPLES)
        ]
        each = found[build.name] = measure_agreement(model, samples)
        section.add(build.name, each.layers, each.worst, f"{each.share:.4%}", f"{each.bias:+.6f}")
    return section, found


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [d.dim_value for d in value.type.tensor_type.shape.dim]
