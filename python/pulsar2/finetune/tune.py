"""Fine-tuning of a calibrated model: block after block, from the inputs to the outputs.

The teacher of a block is the block itself in f32 on the tensors of the float model. The student
computes with the roundings of the quantization plan, on what the blocks before it, tuned already,
give with theirs; so it learns to make up for their error too, as in BRECQ and QDrop. A block whose
loss over all samples does not fall keeps the numbers that it had.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.finetune.blocks import Block, make_blocks
from pulsar2.finetune.network import Network
from pulsar2.finetune.operators import is_known
from pulsar2.finetune.options import FinetuneOptions, Strategy
from pulsar2.finetune.ranges import Ranges
from pulsar2.finetune.rounding import (
    LAST_TEMPERATURE,
    LearnedRounding,
    LearnedStep,
    WeightQuantizer,
)
from pulsar2.finetune.runtime_part import RuntimePart
from pulsar2.finetune.samples import Samples
from pulsar2.finetune.sensitivity import sensitivities
from pulsar2.finetune.sites import Integers, Site, write_integers
from pulsar2.finetune.trial import SEED, Trial
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.plan import Group, QuantPlan
from pulsar2.onnx_export import main_function

torch: Any = import_module("torch")

_THREADS = 1
"""Threads of torch: always as many, since the last bits of its sums depend on their number."""


@dataclass(frozen=True)
class Phase:
    """What is learned at once: weights, by a kind of quantizer, and ranges of activations."""

    weights: type[WeightQuantizer] | None
    ranges: bool


_PHASES: Mapping[Strategy, tuple[Phase, ...]] = {
    Strategy.ADAROUND: (Phase(LearnedRounding, False),),
    Strategy.LSQ: (Phase(LearnedStep, True),),
    Strategy.BRECQ: (Phase(LearnedRounding, False), Phase(None, True)),
}


def finetune(
    module: ModuleOp, ctx: AxContext, dataset: Sequence[Sample], options: FinetuneOptions
) -> dict[str, Integers]:
    """Learns weights and ranges of `@main`, which is calibrated, and writes them into the IR.

    The weights that were learned are given by node too. The result depends on the module, the
    samples, the options and the version of torch, and on nothing else where the device is the CPU.
    """
    func = main_function(module)
    plan = QuantPlan(func, ctx.weights, fuses=options.fuses)
    with _fixed_threads():
        tuner = _Tuner(plan, dataset, options)
        learned = tuner.run()
    tuner.network.ranges.write()
    write_integers(func, learned, ctx.weights)
    return learned


@contextmanager
def _fixed_threads() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Tuner:
    """One fine-tuning."""

    def __init__(self, plan: QuantPlan, dataset: Sequence[Sample], options: FinetuneOptions):
        self._plan = plan
        self._options = options
        self._blocks = make_blocks(plan, options.block_size, is_known)
        self.network = Network(
            plan, Ranges(plan), options.device, integer_biases=options.integer_biases
        )
        self._samples = Samples(self.network, self._blocks, dataset)
        self._parts = {b: RuntimePart(plan, b) for b in self._blocks if not b.known}
        self._sensitivities: dict[SSAValue, Any] = {}
        self._learned: dict[str, Integers] = {}
        names = [node_name(op) for op in plan.ops()]
        self._ambiguous = {n for n in names if names.count(n) > 1}

    def run(self) -> dict[str, Integers]:
        count = sum(self._learns(b, self._sites(b)) for b in self._blocks)
        self._tell_parameters(count)
        if self._options.strategy is Strategy.BRECQ:
            self._sensitivities = sensitivities(
                self.network, self._blocks, self._parts, self._samples.float, SEED
            )
        number = 0
        for index, block in enumerate(self._blocks):
            if not block.known:
                _tell_unknown(block)
                self._samples.run_unknown(self._parts[block])
            else:
                self._samples.run_float(block)
                # The ranges of what they multiply may have changed since.
                own = self._sites(block)
                weights = {s.op: s.nearest() for s in own}
                if self._learns(block, own):
                    number += 1
                    _tell_block(block, number, count)
                    weights = self._tune(block, own, number)
                self._samples.run_quantized(block, self.network.weights(weights))
            self._samples.forget(index)
        return self._learned

    def _sites(self, block: Block) -> list[Site]:
        if not block.known:
            return []
        ranges, options = self.network.ranges, self._options.weights
        found = (
            Site.of(self._plan, op, ranges.read_type(op.operands[0], op), options)
            for op in block.ops
            if self._plan.rule(op).has_weights and node_name(op) not in self._ambiguous
        )
        return [s for s in found if s is not None]

    def _groups(self, block: Block) -> list[Group]:
        made = [r for op in block.ops for r in (self._plan.result(op), *op.results[1:])]
        return self.network.ranges.trainable(made)

    def _learns(self, block: Block, sites: Sequence[Site]) -> bool:
        """Whether there is anything in a block that the strategy can change."""
        if not block.known or not block.outputs:
            return False
        ranges = any(phase.ranges for phase in _PHASES[self._options.strategy])
        return bool(sites) or (ranges and bool(self._groups(block)))

    def _tune(self, block: Block, sites: Sequence[Site], number: int) -> dict[OnnxOp, Integers]:
        """Learns a block; the weights that it has from now on."""
        trial = Trial(
            self.network, self._samples, self._options, block, number, self._sensitivities
        )
        weights = {s.op: s.nearest() for s in sites}
        first = best = trial.loss(self.network.weights(weights))
        for phase in _PHASES[self._options.strategy]:
            groups = self._groups(block) if phase.ranges else []
            kind = phase.weights
            quantizers = [kind(s, self._options.device) for s in sites] if kind else []
            if not groups and not quantizers:
                continue
            ranges = self.network.ranges
            trial.learn(quantizers, ranges.learn(groups, self._options.device), weights, best)
            before = ranges.settle()
            tried = weights | {q.site.op: q.integers() for q in quantizers}
            loss = trial.loss(self.network.weights(tried))
            if loss < best:
                best, weights = loss, tried
                self._learned |= {node_name(q.site.op): tried[q.site.op] for q in quantizers}
            else:
                ranges.restore(before)
        print(f"# Tuning Finished  : ({first:.4f} -> {best:.4f}) [Block Loss]\n", flush=True)
        return weights

    def _tell_parameters(self, count: int) -> None:
        options = self._options
        name = options.strategy.value
        rows = {
            "Is Scale Trainable:": "True",
            "Interested Layers:": "[]",
            "Collecting Device:": options.device.partition(":")[0],
            "Num of blocks:": f"{count}",
            "Learning Rate:": f"{options.learning_rate}",
            "Steps:": f"{options.epochs}",
            "Last Temperature:": f"{LAST_TEMPERATURE}",
            "Batch Size:": f"{options.batch_size}",
        }
        print(f"[{time.strftime('%H:%M:%S')}] AX {name} Reconstruction Running ...\n")
        print("Check following parameters:")
        print("\n".join(f"{key:<27}{value}" for key, value in rows.items()) + "\n", flush=True)


def _tell_block(block: Block, number: int, count: int) -> None:
    inputs, outputs = ([tensor_name(v) for v in side] for side in (block.inputs, block.outputs))
    print(f"# Block [{number} / {count}]: [{inputs} -> {outputs}]", flush=True)


def _tell_unknown(block: Block) -> None:
    names = ", ".join(f"{node_name(op)} ({op.op_type or op.name})" for op in block.ops)
    logger.info("left alone by fine-tuning, which cannot differentiate them: {}", names)
