"""Bias correction: what rounding shifts the results of a layer by, on average, is taken back.

Weights of a channel are rounded once and for all, so where the numbers that they multiply are not
zero on average, the channel's results are off by a constant. The constant follows from the average
of what the layer reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.layers import Layer, for_samples, layers_of
from pulsar2.calibration.sessions import F32Array
from pulsar2.context import AxContext
from pulsar2.lowering.quant.parameters import WeightOptions, quantize_weight
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.weight_scales import given_weight_scales, write_bias_shifts
from pulsar2.onnx_export import main_function

_ROWS = 1024
"""Rows of a layer that its averages are taken of, at least, where the data has so many."""

_Means = npt.NDArray[np.float64]


def correct_biases(
    module: ModuleOp,
    ctx: AxContext,
    dataset: Sequence[Sample],
    *,
    threads: int = 0,
    fuses: bool = True,
    options: WeightOptions | None = None,
    advance: Callable[[], None] = lambda: None,
) -> int:
    """Writes `quant.bias_shifts` of the layers of `@main`, which is calibrated; how many there are.

    `options` are what conversion will be told. The result does not depend on `threads` (0: as many
    as there are cores). `advance` is called once per sample.
    """
    options = options or WeightOptions()
    plan = QuantPlan(main_function(module), ctx.weights, fuses=fuses)
    layers = list(layers_of(plan))
    if not layers:
        return 0
    wanted = [-(-_ROWS // len(dataset))] * len(layers)
    workers = min(threads or os.cpu_count() or 1, len(dataset))
    sums: list[_Means] = []
    for means in for_samples(
        plan, layers, dataset, wanted, _means, threads=workers, advance=advance
    ):
        sums = [a + b for a, b in zip(sums, means, strict=True)] if sums else means
    for layer, total in zip(layers, sums, strict=True):
        shifts = _shifts(layer, total / len(dataset), ctx, options)
        write_bias_shifts(layer.op, shifts, ctx.weights)
    return len(layers)


def _means(layer: Layer, rows: F32Array) -> _Means:
    """The averages [groups, depth] of rows."""
    return rows.mean(axis=0, dtype=np.float64)


def _shifts(layer: Layer, means: _Means, ctx: AxContext, options: WeightOptions) -> F32Array:
    """How much lower than in float the results [outputs] are on average."""
    scales = given_weight_scales(layer.op, ctx.weights)
    if scales is None:
        scales = layer.scales(options)
    weight = layer.rows.weight
    lost = weight - quantize_weight(weight, scales, 0, layer.weight_bits) * scales[:, None]
    parts = lost.reshape(layer.rows.groups, -1, layer.rows.depth)
    return (parts * means[:, None]).sum(axis=2).reshape(-1).astype(np.float32)
