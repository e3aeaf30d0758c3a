"""The tensors between blocks, for every calibration sample: as float and as quantized numbers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue

from pulsar2.calibration.dataset import Sample
from pulsar2.finetune.blocks import Block
from pulsar2.finetune.network import Network, Weights
from pulsar2.finetune.runtime_part import RuntimePart
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules.base import is_float
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import INPUT_NAMES
from pulsar2.weights import AnyArray

torch: Any = import_module("torch")

Arrays = dict[SSAValue, AnyArray]


class Samples:
    """Two forms of each tensor that a block yet to come reads: `float` and `quantized`.

    Both are lists by sample.
    """

    def __init__(self, network: Network, blocks: Sequence[Block], dataset: Sequence[Sample]):
        func = network.plan.func
        names = tensor_names(func, INPUT_NAMES, "input", len(func.args))
        self._network = network
        self._last = {v: n for n, block in enumerate(blocks) for v in block.inputs}
        self.float: list[Arrays] = []
        self.quantized: list[Arrays] = []
        for sample in dataset:
            given: Arrays = {
                v: np.array(sample.inputs[name]) for v, name in zip(func.args, names, strict=True)
            }
            self.float.append(dict(given))
            self.quantized.append(given)

    def __len__(self) -> int:
        return len(self.float)

    def tensors(self, arrays: Arrays, block: Block) -> dict[SSAValue, Any]:
        """What a known block reads, on the network's device."""
        return {v: torch.from_numpy(arrays[v]).to(self._network.device) for v in block.inputs}

    def run_float(self, block: Block) -> None:
        """Computes the outputs of a known block in f32, for all samples."""
        with torch.no_grad():
            for arrays in self.float:
                values = self._network.float(block, self.tensors(arrays, block))
                arrays.update({v: values[v].cpu().numpy() for v in block.outputs})

    def run_quantized(self, block: Block, weights: Weights) -> None:
        """Computes the outputs of a known block in quantized numbers, for all samples."""
        with torch.no_grad():
            for arrays in self.quantized:
                values = self._network.quantized(block, self.tensors(arrays, block), weights)
                arrays.update({v: values[v].cpu().numpy() for v in block.outputs})

    def run_unknown(self, part: RuntimePart) -> None:
        """Computes the outputs of a block without torch forms, for all samples.

        Its results are rounded, but nothing inside of it.
        """
        for arrays in self.float:
            arrays.update(part.run(arrays))
        for arrays in self.quantized:
            for value, array in part.run(arrays).items():
                owner = value.owner
                on_npu = isinstance(owner, Operation) and not is_on_cpu(owner)
                if on_npu and is_float(value):
                    rounded = self._network.given(value, torch.from_numpy(array))
                    array = rounded.numpy()
                arrays[value] = array

    def forget(self, number: int) -> None:
        """Drops what no block after block `number` reads."""
        for arrays in (*self.float, *self.quantized):
            for value in [v for v in arrays if self._last.get(v, -1) <= number]:
                del arrays[value]
