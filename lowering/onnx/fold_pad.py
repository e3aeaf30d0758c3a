"""The pass `onnx-fold-pad`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.conv import Conv
from pulsar2.dialects.onnx.elementwise import Clip, HardSigmoid, Relu, Sigmoid
from pulsar2.dialects.onnx.layout import Pad
from pulsar2.dialects.onnx.pool import AveragePool, MaxPool
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns


@dataclass(frozen=True)
class FoldPadPass(AxPass):
    """Folds a constant Pad of spatial axes into the Conv or pooling that uses it.

    Conv takes zeros. AveragePool takes zeros when it counts padding or has none of its own, and
    counts padding from then on. MaxPool takes minus infinity, and zeros where its operand is known
    not to be negative. A pooling takes less than its kernel's extent. `auto_pad` other than NOTSET
    and VALID, negative pads, and an AveragePool in `ceil_mode` keep the Pad.

    Precondition: types are inferred. Postcondition: no such pair is left.

    ```
    %0 = onnx.Pad(%x, %pads) : (tensor<1x3x8x8xf32>, tensor<8xi64>) -> tensor<1x3x10x10xf32>
    %1 = onnx.Conv(%0, %w) : (...) -> tensor<1x4x8x8xf32>
    ```
    becomes
    ```
    %1 = onnx.Conv(%x, %w) {pads = array<i64: 1, 1, 1, 1>} : (...) -> tensor<1x4x8x8xf32>
    ```
    """

    name = "onnx-fold-pad"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_FoldPad(ctx.weights)])


class _FoldPad(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Conv | AveragePool | MaxPool) or len(op.results) != 1:
            return
        pad = op.x.owner
        if not isinstance(pad, Pad) or op.auto_pad not in ("NOTSET", "VALID"):
            return
        extra = self._spatial_pads(pad)
        if extra is None or not self._takes(op, pad):
            return
        old = op.value_of("pads") or (0,) * len(extra)
        kernel: tuple[int, ...] = op.value_of("kernel_shape") or ()
        pads = tuple(a + b for a, b in zip(old, extra, strict=True))
        if not isinstance(op, Conv) and any(p >= k for p, k in zip(pads, 2 * kernel, strict=True)):
            return
        attributes = dict(op.attributes)
        attributes.pop("auto_pad", None)
        new = Replacement(self, rewriter, op)
        made = new.builder.op(
            op.op_type,
            [pad.data, *op.operands[1:]],
            {
                **attributes,
                "pads": pads,
                **({"count_include_pad": 1} if isinstance(op, AveragePool) else {}),
            },
        )
        new.finish([made.result])

    def _spatial_pads(self, pad: Pad) -> tuple[int, ...] | None:
        """The pads of the spatial axes, all begins then all ends; None if it pads others too."""
        pads, shape = self.constant(pad.pads), shape_of(pad.data.type)
        if pads is None or shape is None or pad.mode != "constant" or np.any(np.less(pads, 0)):
            return None
        rank = len(shape)
        axes = list(range(rank))
        if pad.axes is not None:
            given = self.constant(pad.axes)
            if given is None:
                return None
            axes = [int(a) % rank for a in given]
        full = np.zeros((2, rank), np.int64)
        full[:, axes] = pads.reshape(2, -1)
        if np.any(full[:, :2]):
            return None
        return tuple(int(v) for v in full[:, 2:].reshape(-1))

    def _takes(self, op: Conv | AveragePool | MaxPool, pad: Pad) -> bool:
        """Whether padding with the pad's value is what `op` does itself."""
        value = 0.0 if pad.constant_value is None else self.scalar(pad.constant_value)
        match op:
            case Conv():
                return value == 0
            case AveragePool():
                padded = any(op.value_of("pads") or ())
                return value == 0 and not op.ceil_mode and bool(op.count_include_pad or not padded)
            case MaxPool():
                return value == -np.inf or (value == 0 and self._not_negative(pad.data))

    def _not_negative(self, value: SSAValue) -> bool:
        match value.owner:
            case Relu() | Sigmoid() | HardSigmoid():
                return True
            case Clip() as clip:
                least = self.scalar(clip.min)
                return least is not None and least >= 0
            case _:
                return False
