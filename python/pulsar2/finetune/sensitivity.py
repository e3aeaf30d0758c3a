"""How much the outputs of a model depend on each element of the tensors between its blocks.

BRECQ weighs the error of a block's outputs by the diagonal of the Fisher matrix: for outputs with
an error of one size, that is the mean over samples of the squared gradient of a random combination
of the outputs (each with a sign of its own, which makes the products of different ones vanish).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from pulsar2.finetune.blocks import Block
from pulsar2.finetune.network import Network
from pulsar2.finetune.runtime_part import RuntimePart
from pulsar2.lowering.quant.rules.base import is_float
from pulsar2.weights import AnyArray

torch: Any = import_module("torch")


def sensitivities(
    network: Network,
    blocks: Sequence[Block],
    parts: Mapping[Block, RuntimePart],
    samples: Sequence[Mapping[SSAValue, AnyArray]],
    seed: int,
) -> dict[SSAValue, Any]:
    """The weight of each element of the outputs of known blocks, f32 of mean 1.

    `samples` are the graph's inputs. A tensor is left out where the way to the outputs leads
    through operators that cannot be differentiated.
    """
    random = np.random.default_rng(seed)
    sums: dict[SSAValue, Any] = {}
    for given in samples:
        values = _values(network, blocks, parts, given)
        targets = [v for b in blocks if b.known for v in b.outputs]
        total = _combination(network, values, random)
        if total is None or not total.requires_grad:
            continue
        grads = torch.autograd.grad(total, [values[v] for v in targets], allow_unused=True)
        for value, grad in zip(targets, grads, strict=True):
            if grad is not None:
                square = grad.square()
                sums[value] = sums[value] + square if value in sums else square
    means = {value: total.mean() for value, total in sums.items()}
    return {v: total / means[v] for v, total in sums.items() if float(means[v]) > 0}


def _values(
    network: Network,
    blocks: Sequence[Block],
    parts: Mapping[Block, RuntimePart],
    given: Mapping[SSAValue, AnyArray],
) -> dict[SSAValue, Any]:
    """Every tensor of the float model, with what it takes to differentiate it."""
    values: dict[SSAValue, Any] = {v: _leaf(v, a, network.device) for v, a in given.items()}
    for block in blocks:
        inputs = {v: values[v] for v in block.inputs}
        if block.known:
            values.update(network.float(block, inputs))
            continue
        arrays = {v: _array(x) for v, x in inputs.items()}
        for value, array in parts[block].run(arrays).items():
            values[value] = _leaf(value, array, network.device)
    return values


def _leaf(value: SSAValue, array: AnyArray, device: str) -> Any:
    if not is_float(value):
        return array
    return torch.from_numpy(array).to(device).requires_grad_()


def _array(x: Any) -> AnyArray:
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x


def _combination(network: Network, values: Mapping[SSAValue, Any], random: Any) -> Any:
    """The sum of all elements of the outputs, each with a random sign and in units of its output;
    None without an output of f32.
    """
    returned = network.plan.func.body.block.last_op
    assert isinstance(returned, ReturnOp)
    total = None
    for value in dict.fromkeys(returned.operands):
        x: Any = values.get(value)
        if not isinstance(x, torch.Tensor) or not is_float(value):
            continue
        size = x.detach().square().mean().sqrt().clamp_min(1e-12)
        signs = random.integers(0, 2, tuple(x.shape)).astype(np.float32) * 2 - 1
        part = (x * torch.from_numpy(signs).to(x.device)).sum() / size
        total = part if total is None else total + part
    return total
