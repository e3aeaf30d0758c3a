"""`quant-choose-precision`: which tensors of a transformer get 16 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loguru import logger
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import node_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.attributes import DATA_TYPE, OUTPUT_DATA_TYPE
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import is_constant, is_float
from pulsar2.lowering.quant.wide_tensors import (
    NOISE,
    WideTensor,
    decibels,
    noise_of,
    wide_tensors,
)

_ALLOWED: Mapping[int, float] = {1: 0.1, 2: 0.5}
"""By level: how much noise 8 bits may add, in units of what the model has in any case."""


@dataclass(frozen=True)
class QuantChoosePrecision(AxPass):
    """Gives 16 bits to tensors of a transformer where 8 bits were measured to cost too much.

    The tensors are what Softmax, a normalization or GELU read or give, and the sums of the residual
    stream with what is added, as far as others than products with constant weights read them. The
    choice is by measurement: those with the least noise per element stay at 8 bits, as long as they
    add, all together, at most a tenth (level 1) or half (level 2) of the noise that all other
    quantization makes. What Softmax gives is multiplied in 16 bits then. Where a layer
    configuration speaks of an operator that computes or reads such a tensor, it decides.

    Needs: `quant.noise`, the share of noise in the model's outputs when only this tensor has 8
    bits, on the operations that compute these tensors, and on the function for everything else;
    without them nothing changes. Leaves: `quant.output_data_type`, and `quant.data_type` on
    products and where a constant is added; no `quant.noise`.

    Options: `level`; `fuse`, whether operators will carry out a Relu, Clip or bias behind them.

    ```
    // func.func @main(..) attributes {quant.noise = 1.0e-03 : f32}
    %s = onnx.Add(%x, %y) {quant.noise = 5.0e-03 : f32} : ..
    %n = onnx.LayerNormalization(%s, %g, %b) : ..
    // becomes
    %s = onnx.Add(%x, %y) {quant.output_data_type = "U16"} : ..
    %n = onnx.LayerNormalization(%s, %g, %b) : ..
    ```
    """

    name = "quant-choose-precision"

    level: Literal[1, 2] = 1
    fuse: bool = True

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for func in module.ops:
            if isinstance(func, FuncOp) and not func.is_declaration:
                self._choose(func, ctx)
                for op in (func, *func.body.block.ops):
                    op.attributes.pop(NOISE, None)

    def _choose(self, func: FuncOp, ctx: AxContext) -> None:
        rest = noise_of(func)
        if rest is None:
            return
        plan = QuantPlan(func, ctx.weights, fuses=self.fuse)
        measured: list[tuple[WideTensor, float]] = []
        for wide in wide_tensors(plan):
            owner = wide.value.owner
            noise = noise_of(owner) if isinstance(owner, OnnxOp) else None
            if noise is not None and not wide.configured:
                measured.append((wide, noise))
        kept = narrow_tensors(
            [(noise, wide.elements) for wide, noise in measured], _ALLOWED[self.level] * rest
        )
        chosen = [wide for i, (wide, _) in enumerate(measured) if i not in kept]
        for wide in chosen:
            _widen(wide)
        _tell(self.level, rest, [noise for _, noise in measured], kept)


def narrow_tensors(noise: Sequence[tuple[float, int]], allowed: float) -> set[int]:
    """Which tensors, of this noise and so many elements, stay narrow.

    Those of the least noise per element come first, as long as their noise is at most `allowed` in
    all; of equal ones the first.
    """
    order = sorted(range(len(noise)), key=lambda i: (noise[i][0] / max(noise[i][1], 1), i))
    kept: set[int] = set()
    total = 0.0
    for index in order:
        total += noise[index][0]
        if total > allowed:
            break
        kept.add(index)
    return kept


def _widen(wide: WideTensor) -> None:
    sixteen = StringAttr("U16")
    for op in wide.makers:
        op.attributes[OUTPUT_DATA_TYPE] = sixteen
        if op.op_type in ("Add", "Sub", "Mul", "Div") and any(
            is_constant(v) and is_float(v) for v in op.operands
        ):
            op.attributes[DATA_TYPE] = sixteen  # that of the constant
    for op in wide.products:
        op.attributes[DATA_TYPE] = sixteen
    logger.debug("16 bits for '{}' of node '{}'", wide.name, node_name(wide.makers[0]))


def _tell(level: int, rest: float, noise: Sequence[float], kept: set[int]) -> None:
    eight = decibels(rest + sum(noise))
    now = decibels(rest + sum(noise[i] for i in kept))
    logger.info(
        "transformer_opt_level {}: 16 bits for {} of {} tensors of Softmax, normalizations, GELU "
        "and the residual stream; estimated SQNR of the outputs {:.1f} dB, {:.1f} dB with 8 bits",
        level,
        len(noise) - len(kept),
        len(noise),
        now,
        eight,
    )
