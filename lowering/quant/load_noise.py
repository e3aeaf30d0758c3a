"""`quant-load-noise`: what 8 bits of tensors were measured to cost, from a file into the IR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.locations import tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.wide_tensors import REST, apply_noise


@dataclass(frozen=True)
class QuantLoadNoise(AxPass):
    """Gives operations what a file holds of the noise that 8 bits make, as if it were measured.

    The file is JSON: the share of noise in the model's outputs, noise power / signal power, by the
    name of the tensor that alone has 8 bits; under the name "" when everything else has.

    Needs: `onnx` operations with their tensors' names as locations. Leaves: `quant.noise` on the
    functions and on the operations that compute the tensors in the file. Every name must be such a
    tensor's.

    Options: `file`, the path.

    ```
    // {"": 1.0e-03, "s": 5.0e-03}
    %s = onnx.Add(%x, %y) : ..
    // becomes, in a function with the attribute quant.noise = 1.0e-03 : f32,
    %s = onnx.Add(%x, %y) {quant.noise = 5.0e-03 : f32} : ..
    ```
    """

    name = "quant-load-noise"

    file: str

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        noise = read_noise(self.file)
        functions = [f for f in module.ops if isinstance(f, FuncOp) and not f.is_declaration]
        names = {
            tensor_name(op.results[0]) for f in functions for op in f.body.block.ops if op.results
        }
        errors = Diagnostics()
        for name in sorted(set(noise) - names - {REST}):
            errors.error(f"the module computes no tensor '{name}'", self.file, nearest(name, names))
        errors.raise_if_any()
        for function in functions:
            apply_noise(function, noise)


def read_noise(path: str) -> Mapping[str, float]:
    """The noise in a file; `UserError` with everything that is wrong with it."""
    try:
        content: object = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError.of(f"cannot read noise: {error}", path) from None
    accepted = 'expected an object such as {"": 0.001, "tensor": 0.005}'
    if not isinstance(content, dict):
        raise UserError.of("the file does not hold noise by tensor name", path, accepted)
    errors = Diagnostics()
    noise: dict[str, float] = {}
    for name, value in cast(dict[str, object], content).items():
        if isinstance(value, int | float) and 0 <= value < 1e38:
            noise[name] = float(value)
        else:
            errors.error(f"'{name}' has no share of noise", path, accepted)
    errors.raise_if_any()
    return noise


def noise_text(noise: Mapping[str, float]) -> str:
    """The text of a file that `read_noise` reads."""
    return json.dumps(dict(noise), indent=1) + "\n"
