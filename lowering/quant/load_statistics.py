"""`quant-load-statistics`: what calibration saw of channels, from a file into the IR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.channels import F32Array, weighted_reads, write_maxima
from pulsar2.weights import WeightStore

Channels = Mapping[str, F32Array]
"""The greatest magnitude of each channel, by the name of the tensor."""


@dataclass(frozen=True)
class QuantLoadStatistics(AxPass):
    """Gives products with constant weights what a file holds of the channels that they read.

    The file is JSON: by the name of the tensor that is multiplied, the greatest magnitude of each
    of its channels, as the first pass of calibration for SmoothQuant sees them.

    Needs: `onnx` operations with their tensors' names as locations. Leaves: `quant.channel_maxima`
    on the products that read tensors in the file. Every name must be such a tensor's.

    Options: `file`, the path.

    ```
    // {"y": [8.0, 0.5]}
    %z = onnx.MatMul(%y, %w) : ..
    // becomes
    %z = onnx.MatMul(%y, %w) {quant.channel_maxima = dense<[8.0, 0.5]> : tensor<2xf32>} : ..
    ```
    """

    name = "quant-load-statistics"

    file: str

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        channels = read_channels(self.file)
        found: dict[str, int] = {}
        for func in module.ops:
            if isinstance(func, FuncOp) and not func.is_declaration:
                found |= {tensor_name(r.x): r.channels for r in weighted_reads(func)}
        errors = Diagnostics()
        for name, maxima in channels.items():
            if name not in found:
                message = f"the module multiplies no tensor '{name}' by constant weights"
                errors.error(message, self.file, nearest(name, found))
            elif found[name] != maxima.size:
                errors.error(
                    f"'{name}' has {found[name]} channels, but the file holds {maxima.size}",
                    self.file,
                )
        errors.raise_if_any()
        for func in module.ops:
            if isinstance(func, FuncOp) and not func.is_declaration:
                apply_channels(func, channels, ctx.weights)


def apply_channels(func: FuncOp, channels: Channels, weights: WeightStore) -> None:
    """Gives the products of `func` what was seen of the channels that they read."""
    maxima: dict[OnnxOp, F32Array] = {}
    for read in weighted_reads(func):
        values = channels.get(tensor_name(read.x))
        if values is not None:
            maxima[read.op] = values
    write_maxima(maxima, weights)


def read_channels(path: str) -> Channels:
    """The channels of a file; `UserError` with everything that is wrong with it."""
    try:
        content: object = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError.of(f"cannot read statistics: {error}", path) from None
    accepted = 'expected an object such as {"tensor": [4.0, 0.5]}'
    if not isinstance(content, dict):
        raise UserError.of("the file does not hold channels by tensor name", path, accepted)
    errors = Diagnostics()
    channels: dict[str, F32Array] = {}
    for name, maxima in cast(dict[str, object], content).items():
        numbers = cast(list[object], maxima) if isinstance(maxima, list) else []
        found = [float(n) for n in numbers if isinstance(n, int | float)]
        if found and len(numbers) == len(found) and all(0 <= n < 1e38 for n in found):
            channels[name] = np.array(found, np.float32)
        else:
            errors.error(f"'{name}' has no list of finite magnitudes", path, accepted)
    errors.raise_if_any()
    return channels


def channels_text(channels: Channels) -> str:
    """The text of a file that `read_channels` reads."""
    return json.dumps({name: maxima.tolist() for name, maxima in channels.items()}, indent=1) + "\n"
