"""The first pass of calibration for SmoothQuant: how large each channel gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, SSAValue

from pulsar2._kernels import ChannelObserver
from pulsar2.calibration.crew import InfinityError, Worker, crew_size, observe_samples
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.observed_model import ObservedModel
from pulsar2.context import AxContext
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.channels import F32Array, WeightedRead, weighted_reads
from pulsar2.onnx_export import main_function


def channel_maxima(
    module: ModuleOp,
    ctx: AxContext,
    dataset: Sequence[Sample],
    *,
    threads: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> dict[SSAValue, F32Array]:
    """The greatest magnitudes of the channels of each tensor of `@main` that constant weights
    multiply, over all samples; those of the graph's inputs are left out.

    The result does not depend on `threads` (0: as many as there are cores). `advance` is called
    once per sample. Where a tensor is not finite, nothing is known of any: calibration says more.
    Raises `UserError` for a model that cannot be run.
    """
    func = main_function(module)
    reads: dict[SSAValue, WeightedRead] = {}
    for read in weighted_reads(func):
        if not isinstance(read.x, BlockArgument):
            reads.setdefault(read.x, read)
    if not reads or not dataset:
        return {}
    model = ObservedModel(func, ctx.weights, list(reads), ordered=True)
    sizes = [int(np.prod(read.shape, dtype=np.int64)) for read in reads.values()]

    def observers() -> list[ChannelObserver]:
        return [ChannelObserver(read.channels, read.inner) for read in reads.values()]

    count = crew_size(threads, len(dataset))
    crew = [Worker(model, (), sizes, observers()) for _ in range(count)]
    try:
        with ThreadPoolExecutor(count) as pool:
            observe_samples(crew, pool, dataset, list(reads), advance)
    except InfinityError as error:
        names = ", ".join(f"'{tensor_name(v)}'" for v in error.values)
        logger.warning("channels are not compared, for tensor(s) {} are not finite", names)
        return {}
    first, *others = crew
    for other in others:
        for mine, theirs in zip(first.observers, other.observers, strict=True):
            mine.merge(theirs)
    return {v: o.maxima for v, o in zip(reads, first.observers, strict=True)}
