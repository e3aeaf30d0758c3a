"""From a quantized module to what is linked into a compiled model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import NpuSubgraph
from pulsar2.console.progress import full_bar
from pulsar2.driver.container import Compiled
from pulsar2.driver.figures import count_macs
from pulsar2.driver.part import Part, compile_part
from pulsar2.driver.stages import Stages, quoted
from pulsar2.lowering.quant.partition import TensorRange
from pulsar2.pipeline import PassTiming

_LABELS: dict[str, tuple[str, ...]] = {
    "sched-plan-tiles": ("tiling op...",),
    "sched-build-jobs": ("build op serially...", "build op..."),
    "sched-insert-swaps": ("add ddr swap...",),
    "sched-insert-waits": ("calc input dependencies...", "calc output dependencies..."),
    "sched-assign-eus": ("assign eu...",),
    "convert-sched-to-chip": ("build jobs",),
}
"""What the bars of a pass are called. Users search their logs for these steps, several of which one
pass of ours takes at a time: its last bar has the time.
"""


def compile_quantized(
    stages: Stages,
    target: str,
    npu_mode: str,
    *,
    slice_mode: bool = False,
    tile_mode: bool = False,
    ddr_bw_limit: float = 0.0,
    ranges: Sequence[TensorRange] = (),
    partitioned: Callable[[ModuleOp], None] | None = None,
) -> Part:
    """The stages from a quantized module to its programs.

    `slice_mode` and `tile_mode` allow layers to be fused by slices of rows, or by tiles in two
    dimensions; `ddr_bw_limit` (GB/s, 0: none) plans with less DDR. `ranges` become subgraphs of
    their own.
    `partitioned` is called with the module when its subgraphs are known.
    """
    macs = count_macs(stages.module)
    logger.info("QuantAxModel macs: {:,}", macs)
    stages.run("partition", {"ranges": quoted(*map(str, ranges))} if ranges else None)
    if partitioned is not None:
        partitioned(stages.module)
    chosen = {"target": quoted(target), "npu-mode": quoted(npu_mode)}
    if slice_mode:
        chosen["slice-mode"] = "true"
    if tile_mode:
        chosen["tile-mode"] = "true"
    if ddr_bw_limit:
        chosen["ddr-bw-limit"] = repr(ddr_bw_limit)
    stages.run("schedule", chosen, _show_pass)
    stages.run("emit", done=_show_pass)
    start = time.perf_counter()
    part = compile_part(stages.module, stages.ctx, macs, target=target, npu_mode=npu_mode)
    stages.seconds["assemble"] = time.perf_counter() - start
    logger.info("max_cycle = {:,}", part.estimate.cycles)
    return part


def _show_pass(timing: PassTiming, module: ModuleOp) -> None:
    """Draws the bars of a pass that has some."""
    labels = _LABELS.get(timing.name, ())
    count = sum(1 for op in module.walk() if op.name.endswith((".job", ".layer"))) if labels else 0
    for label in labels:
        full_bar(label, count, timing.seconds if label == labels[-1] else 0.0)


def tell_programs(compiled: Compiled) -> None:
    """Logs what was assembled, in the words that users know."""
    model = compiled.model
    index = 0
    for number, group in enumerate(model.groups):
        for subgraph in group.subgraphs:
            kind = "NPU" if isinstance(subgraph, NpuSubgraph) else "CPU"
            logger.info("subgraph [{}], group: {}, type: GraphType.{}", index, number, kind)
            index += 1
    for index, subgraph in enumerate(model.subgraphs):
        for batch in subgraph.batches:
            logger.info("assemble model [{}] [{}] b{}", index, subgraph.name, batch)
        if len(subgraph.batches) > 1:
            logger.info("graph [{}] batchs {}", subgraph.name, list(subgraph.batches))
    logger.info("fuse {} subgraph(s)", len(model.subgraphs))
