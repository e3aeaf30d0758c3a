"""The training of one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from math import cos, pi
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pulsar2.console.progress import sample_bar
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.finetune.adam import Adam
from pulsar2.finetune.blocks import Block
from pulsar2.finetune.network import Network, Weights
from pulsar2.finetune.options import FinetuneOptions
from pulsar2.finetune.rounding import WeightQuantizer
from pulsar2.finetune.samples import Samples
from pulsar2.finetune.sites import Integers

torch: Any = import_module("torch")

SEED = 20240925


class Trial:
    """The training of one block."""

    def __init__(
        self,
        network: Network,
        samples: Samples,
        options: FinetuneOptions,
        block: Block,
        number: int,
        sensitivity: Mapping[SSAValue, Any],
    ):
        """`sensitivity` weighs the elements of the outputs that it has."""
        self._network = network
        self._samples = samples
        self._options = options
        self._block = block
        self._random = np.random.default_rng([SEED, number])
        self._sensitivity = {v: sensitivity[v] for v in block.outputs if v in sensitivity}
        powers = {
            v: np.mean([float(self._power(v, self._wanted(v, i))) for i in range(len(samples))])
            for v in block.outputs
        }
        self._powers = {v: max(float(p), 1e-12) for v, p in powers.items()}

    def loss(self, weights: Weights) -> float:
        """The mean loss over all samples."""
        with torch.no_grad():
            losses = [float(self._error(i, weights)) for i in range(len(self._samples))]
        return float(np.mean(losses))

    def learn(
        self,
        quantizers: Sequence[WeightQuantizer],
        stretches: Sequence[Any],
        weights: Mapping[OnnxOp, Integers],
        start: float,
    ) -> None:
        """Trains what the quantizers hold, and the stretches of ranges.

        `weights` are those of operators without a quantizer; `start` is the loss before.
        """
        options = self._options
        parameters = [p for q in quantizers for p in q.parameters] + list(stretches)
        adam = Adam(parameters)
        learning = {q.site.op for q in quantizers}
        fixed = self._network.weights({o: w for o, w in weights.items() if o not in learning})
        count = len(self._samples)
        batches = -(-count // options.batch_size)
        total, done = options.epochs * batches, 0
        with sample_bar("# Tuning Procedure ", options.epochs) as advance:
            for _ in range(options.epochs):
                order = self._random.permutation(count)
                for batch in np.array_split(order, batches):
                    for q in quantizers:
                        q.anneal(done / total)
                    for sample in batch:
                        used = {q.site.op: (q.value(), q.scale()) for q in quantizers}
                        error = self._error(int(sample), {**fixed, **used}) / max(start, 1e-12)
                        (error / len(batch)).backward()
                    # What is rounded by a straight-through gradient swings, unless steps get small.
                    decay = 1.0 if stretches == [] else (1 + cos(pi * done / total)) / 2
                    adam.step(options.learning_rate * decay)
                    done += 1
                advance()

    def _error(self, sample: int, weights: Weights) -> Any:
        """Power of the error of the outputs beside that of the outputs in f32, summed over them."""
        given = self._samples.tensors(self._samples.quantized[sample], self._block)
        values = self._network.quantized(self._block, given, weights)
        return sum(self._output_error(v, values[v], sample) for v in self._block.outputs)

    def _output_error(self, value: SSAValue, got: Any, sample: int) -> Any:
        return self._power(value, got - self._wanted(value, sample)) / self._powers[value]

    def _wanted(self, value: SSAValue, sample: int) -> Any:
        return torch.from_numpy(self._samples.float[sample][value]).to(self._options.device)

    def _power(self, value: SSAValue, x: Any) -> Any:
        """The mean square of a tensor, its elements weighed by how much the outputs need them."""
        square = x.square()
        weight = self._sensitivity.get(value)
        return square.mean() if weight is None else (square * weight).mean()
