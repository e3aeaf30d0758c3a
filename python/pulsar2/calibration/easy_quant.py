"""EasyQuant: scales that make the results of sums of products most like those in float.

After arXiv 2006.16669. A Conv, Gemm or MatMul with constant weights reads one activation; the
search takes turns between the scales of its weights, one per output channel, and the range of the
activation, for all readers of one tensor together. What is compared are results at sampled places
(after a Relu or Clip that is fused), so memory does not grow with the data set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pulsar2._kernels import ScaleReader, search_scales
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.layers import Layer, for_samples, layers_of
from pulsar2.calibration.sessions import F32Array
from pulsar2.context import AxContext
from pulsar2.lowering.quant.parameters import WeightOptions, weight_max, weight_scales
from pulsar2.lowering.quant.plan import Group, QuantPlan
from pulsar2.lowering.quant.ranges import Range, change_ranges
from pulsar2.lowering.quant.rules.base import is_constant
from pulsar2.lowering.quant.rules.weight_scales import write_weight_scales
from pulsar2.onnx_export import main_function

_LEAST_ROWS, _MOST_ROWS = 256, 1024
_PRODUCTS = 3e8
"""About how many products one look at a layer's results may cost."""
_POOL_BYTES = 256 << 20
"""Memory for sampled rows; more of them are taken in another run over the data."""
_ROUNDS = 2


@dataclass(frozen=True)
class ScaleResult:
    """What a search did: layers whose weights it chose scales for, tensors with another range."""

    layers: int
    tensors: int


@dataclass
class _Task:
    """One activation with the layers that read it, and the rows that were taken for each so far.

    `fixed` says that the range is not to change, `has_others` that not only layers read it.
    """

    group: Group
    fixed: bool
    has_others: bool
    layers: list[Layer]
    per_sample: list[int]
    taken: list[list[F32Array]] = field(default_factory=list[list[F32Array]])

    def bytes(self, samples: int) -> int:
        each = zip(self.layers, self.per_sample, strict=True)
        return sum(4 * samples * n * x.rows.groups * x.rows.depth for x, n in each)


def easy_quant(
    module: ModuleOp,
    ctx: AxContext,
    dataset: Sequence[Sample],
    *,
    threads: int = 0,
    fuses: bool = True,
    options: WeightOptions | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> ScaleResult:
    """Searches scales for `@main`, whose ranges are observed, and writes them into it.

    `options` are what conversion will be told. The result does not depend on `threads` (0: half of
    the cores). `advance` is told how many more layers are done; `layer_count` says how many there
    are.
    """
    options = options or WeightOptions()
    func = main_function(module)
    plan = QuantPlan(func, ctx.weights, fuses=fuses)
    workers = threads or max(1, (os.cpu_count() or 1) // 2)
    done = 0
    ranges: dict[SSAValue, Range] = {}
    for batch in _batches(_tasks(plan, len(dataset)), len(dataset)):
        _sample(plan, batch, dataset, workers)
        with ThreadPoolExecutor(workers) as pool:
            found = pool.map(partial(_search, options), batch)
            for task, (range_, scales) in zip(batch, found, strict=True):
                for layer, chosen in zip(task.layers, scales, strict=True):
                    write_weight_scales(layer.op, chosen, ctx.weights)
                task.taken.clear()
                if range_ is not None:
                    ranges |= dict.fromkeys(task.group.observed, range_)
                done += len(task.layers)
                advance(len(task.layers))
    change_ranges(func, ranges)
    logger.info("EasyQuant: scales of {} layer(s), ranges of {} tensor(s)", done, len(ranges))
    return ScaleResult(done, len(ranges))


def layer_count(module: ModuleOp, ctx: AxContext, *, fuses: bool = True) -> int:
    """How many layers `easy_quant` searches scales for."""
    return sum(1 for _ in layers_of(QuantPlan(main_function(module), ctx.weights, fuses=fuses)))


def _tasks(plan: QuantPlan, samples: int) -> list[_Task]:
    """The activations that layers read, in the order of their first layer."""
    layers: dict[int, list[Layer]] = {}
    groups: dict[int, Group] = {}
    for layer in layers_of(plan):
        group = plan.group(layer.value)
        groups[id(group)] = group
        layers.setdefault(id(group), []).append(layer)
    tasks: list[_Task] = []
    for key, group in groups.items():
        read = {layer.op for layer in layers[key]}
        decided = group.fixed is not None or bool(group.held) or plan.bits(group.members[0]) != 8
        task = _Task(
            group,
            decided or any(is_constant(v) for v in group.sources),
            any(user not in read for user in plan.readers(group)),
            layers[key],
            [_per_sample(layer, samples) for layer in layers[key]],
        )
        tasks.append(task)
    return tasks


def _per_sample(layer: Layer, samples: int) -> int:
    wanted = int(np.clip(_PRODUCTS / layer.rows.weight.size, _LEAST_ROWS, _MOST_ROWS))
    return min(layer.rows.count, -(-wanted // samples))


def _batches(tasks: Sequence[_Task], samples: int) -> Iterator[list[_Task]]:
    """The tasks in portions whose rows fit into memory together."""
    batch: list[_Task] = []
    held = 0
    for task in tasks:
        size = task.bytes(samples)
        if batch and held + size > _POOL_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(task)
        held += size
    if batch:
        yield batch


def _sample(
    plan: QuantPlan, batch: Sequence[_Task], dataset: Sequence[Sample], workers: int
) -> None:
    """Takes the rows of the batch's layers from every sample."""
    layers = [layer for task in batch for layer in task.layers]
    wanted = [count for task in batch for count in task.per_sample]
    parts = list(for_samples(plan, layers, dataset, wanted, _keep, threads=workers))
    columns = iter(zip(*parts, strict=True))
    for task in batch:
        task.taken = [list(next(columns)) for _ in task.layers]


def _keep(layer: Layer, rows: F32Array) -> F32Array:
    return rows


def _search(options: WeightOptions, task: _Task) -> tuple[Range | None, list[F32Array]]:
    """The range of a task's activation, None where it stays, and the scales of its layers."""
    type_ = task.layers[0].type
    readers = [
        ScaleReader(
            np.ascontiguousarray(np.concatenate(taken).swapaxes(0, 1)),
            layer.rows.weight,
            layer.rows.bias,
            weight_scales(layer.rows.weight, 0, options.threshold, layer.weight_bits),
            layer.bounds,
            weight_max(layer.weight_bits),
        )
        for layer, taken in zip(task.layers, task.taken, strict=True)
    ]
    least, greatest = type_.bounds
    zero, scale = type_.zero_point, float(type_.scale)
    before = (least - zero) * scale, (greatest - zero) * scale
    after = search_scales(
        readers,
        before,
        (least, greatest),
        fixed_range=task.fixed,
        exact_input=greatest - least > 255,
        own_error=task.has_others,
        rounds=_ROUNDS,
    )
    step = np.float32((after[1] - after[0]) / (greatest - least))
    scales = [
        layer.widened(reader.scales, options, step)
        for layer, reader in zip(task.layers, readers, strict=True)
    ]
    changed = not np.allclose(after, before, rtol=1e-6, atol=0)
    return after if changed else None, scales
