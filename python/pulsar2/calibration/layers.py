"""Layers with constant weights, and rows of what they read in calibration data."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from xdsl.ir import BlockArgument, SSAValue

from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.sessions import F32Array, Runner
from pulsar2.calibration.tensor_model import TensorModel
from pulsar2.calibration.windows import Rows, chosen_rows, rows_of
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.types import UniformType
from pulsar2.lowering.quant.parameters import WeightOptions, scales_anew, widen_for_bias
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import constant_of, is_constant
from pulsar2.lowering.quant.stored import stored_constant
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import INPUT_NAMES

T = TypeVar("T")


@dataclass(frozen=True)
class Layer:
    """A sum of products with constant weights that reads a quantized activation of `type`."""

    rows: Rows
    type: UniformType
    bounds: tuple[float, float]
    weight_bits: int

    @property
    def op(self) -> OnnxOp:
        return self.rows.op

    @property
    def value(self) -> SSAValue:
        return self.rows.op.operands[0]

    def scales(self, options: WeightOptions) -> F32Array:
        """The scales of the weights, [outputs], that conversion takes when it is told none."""
        rows, scale = self.rows, self.type.scale
        return scales_anew(rows.weight, rows.bias, 0, self.weight_bits, scale, options)

    def widened(self, scales: F32Array, options: WeightOptions, x_scale: np.float32) -> F32Array:
        """The scales made large enough for the bias, where the options say so."""
        if self.rows.bias is None or not options.widens:
            return scales
        return widen_for_bias(scales, self.rows.bias, x_scale)


def layers_of(plan: QuantPlan) -> Iterator[Layer]:
    """The layers of a calibrated function: Conv, Gemm and MatMul, in order.

    Those whose weights come quantized with the model are left out.
    """
    for op in plan.ops():
        if plan.is_absorbed(op) or is_on_cpu(op) or not plan.rule(op).has_weights:
            continue
        x, weight = op.operands[:2]
        if is_constant(x) or stored_constant(weight, plan.weights) is not None:
            continue
        rows = rows_of(op, plan.weights)
        type_ = None if rows is None else plan.factor_type(x, op)
        if rows is None or not isinstance(type_, UniformType):
            continue
        add = plan.fusion(op).bias
        if add is not None:
            row = constant_of(add.b if add.a is op.result else add.a, plan.weights)
            assert row is not None
            bias = np.broadcast_to(row.reshape(-1), (rows.weight.shape[0],)).astype(np.float32)
            rows = replace(rows, bias=bias)
        yield Layer(rows, type_, plan.bounds(op), plan.weight_bits(op))


def for_samples(
    plan: QuantPlan,
    layers: Sequence[Layer],
    dataset: Sequence[Sample],
    per_sample: Sequence[int],
    take: Callable[[Layer, F32Array], T],
    *,
    threads: int,
    advance: Callable[[], None] = lambda: None,
) -> Iterator[list[T]]:
    """What `take` makes of rows [rows, groups, depth] of each layer: a list per sample, in order.

    A sample gives up to `per_sample` rows of a layer, at places that depend on the sample's number
    only.
    """
    computed = list(dict.fromkeys(x.value for x in layers if not _is_input(x.value)))
    names = tensor_names(plan.func, INPUT_NAMES, "input", len(plan.func.body.block.args))
    model = TensorModel(plan.func, plan.weights, computed)
    runners: queue.SimpleQueue[Runner] = queue.SimpleQueue()
    for _ in range(threads):
        runners.put(model.runner())

    def work(index: int) -> list[T]:
        inputs = dataset[index].inputs
        runner = runners.get()
        try:
            tensors = dict(zip(computed, runner.run(inputs), strict=True))
            taken: list[T] = []
            for layer, wanted in zip(layers, per_sample, strict=True):
                value, rows = layer.value, layer.rows
                if isinstance(value, BlockArgument):
                    given = np.asarray(inputs[names[value.index]], np.float32)
                else:
                    given = tensors[value]
                chosen = chosen_rows(rows.count, wanted, (index, rows.count))
                taken.append(take(layer, rows.cut(given.reshape(rows.input_shape), chosen)))
            return taken
        finally:
            runners.put(runner)

    with ThreadPoolExecutor(threads) as pool:
        for taken in pool.map(work, range(len(dataset))):
            advance()
            yield taken


def _is_input(value: SSAValue) -> bool:
    return isinstance(value, BlockArgument)
