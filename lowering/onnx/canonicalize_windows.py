"""The pass `onnx-canonicalize-windows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.attributes import to_attribute
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.pool import AveragePool, MaxPool
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class CanonicalizeWindowsPass(AxPass):
    """Writes out the window of Conv, ConvTranspose, MaxPool and AveragePool.

    Kernel, strides, pads and dilations become explicit, and `auto_pad` (and `output_shape` of
    ConvTranspose) goes. An operation whose shapes are not known stays as it is.

    Precondition: types are inferred. Postcondition: such operations of known shapes have
    `kernel_shape`, `strides`, `pads`, `dilations`, and no `auto_pad`.

    ```
    %0 = onnx.Conv(%x, %w) {auto_pad = "SAME_UPPER"} : (...) -> tensor<1x4x8x8xf32>
    ```
    becomes
    ```
    %0 = onnx.Conv(%x, %w) {dilations = array<i64: 1, 1>, kernel_shape = array<i64: 3, 3>,
         pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>} : (...) -> tensor<1x4x8x8xf32>
    ```
    """

    name = "onnx-canonicalize-windows"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.walk():
            if isinstance(op, Conv | ConvTranspose | MaxPool | AveragePool):
                _write_out(op)


def _write_out(op: Conv | ConvTranspose | MaxPool | AveragePool) -> None:
    x, y = static_shape_of(op.x.type), static_shape_of(op.result.type)
    weight = static_shape_of(op.operands[1].type) if isinstance(op, Conv | ConvTranspose) else None
    kernel: Sequence[int] | None = op.value_of("kernel_shape") or (weight[2:] if weight else None)
    if x is None or y is None or kernel is None:
        return
    rank = len(x) - 2
    strides: Sequence[int] = op.value_of("strides") or (1,) * rank
    dilations: Sequence[int] = op.value_of("dilations") or (1,) * rank
    auto_pad: str = op.value_of("auto_pad")
    pads: Sequence[int] = op.value_of("pads") or (0,) * (2 * rank)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    written: dict[str, Sequence[int]] = {}
    if isinstance(op, ConvTranspose):
        if op.value_of("output_shape") is not None or auto_pad not in ("NOTSET", "VALID"):
            added: Sequence[int] = op.value_of("output_padding") or (0,) * rank
            totals = [
                s * (i - 1) + e + k - o
                for s, i, e, k, o in zip(strides, x[2:], added, span, y[2:], strict=True)
            ]
            # Where the output is longer than the window reaches, elements are added at its end.
            added = [e + max(-t, 0) for e, t in zip(added, totals, strict=True)]
            if any(e >= max(s, d) for e, s, d in zip(added, strides, dilations, strict=True)):
                return
            pads = _split([max(t, 0) for t in totals], upper=auto_pad == "SAME_UPPER")
            written["output_padding"] = added
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((o - 1) * s + k - i, 0)
            for o, s, k, i in zip(y[2:], strides, span, x[2:], strict=True)
        ]
        pads = _split(totals, upper=auto_pad == "SAME_UPPER")
    op.attributes.pop("auto_pad", None)
    op.attributes.pop("output_shape", None)
    written |= {"kernel_shape": kernel, "strides": strides, "pads": pads, "dilations": dilations}
    op.attributes.update({name: to_attribute(tuple(v)) for name, v in written.items()})


def _split(totals: Sequence[int], *, upper: bool) -> tuple[int, ...]:
    """Totals of padding per axis as begins and ends; the odd element goes to the end if `upper`."""
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (*small, *large) if upper else (*large, *small)
