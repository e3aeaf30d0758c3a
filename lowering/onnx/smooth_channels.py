"""The pass `onnx-smooth-channels`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.elementwise import Mul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import name_location, tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.channel_factors import (
    NORMALIZATIONS,
    Edit,
    Factors,
    normalization_edits,
    way_back,
)
from pulsar2.lowering.onnx.rewrite import changed_location
from pulsar2.lowering.quant.attributes import DATA_TYPE, text_attribute
from pulsar2.lowering.quant.channels import (
    CHANNEL_MAXIMA,
    F32Array,
    WeightedRead,
    evenness,
    input_channels,
    maxima_of,
    scaled_inputs,
    weighted_reads,
)
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.weights import AnyArray, WeightStore

_LEAST = 2.0**-10
"""Maxima below this share of the greatest one count as this: they hold next to nothing."""
_SUFFIX = "_smooth"


@dataclass(frozen=True)
class SmoothChannelsPass(AxPass):
    """Moves the spread of a tensor's channels into the weights that they are multiplied by.

    A tensor has one scale for all of its channels, so a few large ones (outliers) take the
    resolution of all others. Here its channels are divided by s, and the weights that multiply them
    are multiplied by it (SmoothQuant, Xiao et al., 2022): with x[c] and w[c] the greatest
    magnitudes of channel c and of its weights, s[c] = x[c]^strength / w[c]^(1 - strength), in
    proportion to the greatest x and w. The graph computes what it did.

    The division costs nothing where it can be folded into what computes the tensor: scale and bias
    of a normalization, weights and bias of a product before, constants of a Mul. Where others read
    the result of a normalization too, it is computed a second time for the products; where others
    read a tensor that is kept in more than 8 bits, a Mul reads it for the products. Otherwise, and
    where a product does not read its tensor in 8 bits, nothing changes.

    A tensor takes part when the median, over its channels, of the share of the tensor's range that
    a channel uses (max per channel / max per tensor) is less than `threshold`.

    Needs: types, and `quant.channel_maxima` on products with constant weights: those without do not
    take part. Leaves: no such attribute. Changed tensors have new names, `<name>_smooth`.

    Options: `threshold`, 0 (none) to 1 (every tensor whose channels differ); `strength`, the share
    of the spread that moves into the weights, 0 to 1.

    ```
    %y = onnx.LayerNormalization(%x, %s, %b) : ..
    %z = onnx.MatMul(%y, %w) {quant.channel_maxima = dense<[8.0, 0.5]> : tensor<2xf32>} : ..
    // becomes
    %y = onnx.LayerNormalization(%x, %s1, %b1) : ..
    %z = onnx.MatMul(%y, %w1) : ..
    ```
    """

    name = "onnx-smooth-channels"

    threshold: float = 0.2
    strength: float = 0.6

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, FuncOp) and not op.is_declaration:
                _Smoother(op, ctx.weights, self.threshold, self.strength).run()
                for each in op.body.block.ops:
                    each.attributes.pop(CHANNEL_MAXIMA, None)


@dataclass
class _Smoothed:
    """A tensor whose channels were smoothed, and how even they were before and are now."""

    value: SSAValue
    before: float
    after: float


@dataclass
class _Smoother:
    func: FuncOp
    weights: WeightStore
    threshold: float
    strength: float
    done: list[_Smoothed] = field(default_factory=list[_Smoothed])

    def run(self) -> None:
        plan = QuantPlan(self.func, self.weights)
        readers: dict[SSAValue, list[WeightedRead]] = {}
        for read in weighted_reads(self.func):
            if text_attribute(read.op, DATA_TYPE) in (None, "U8", "S8"):
                readers.setdefault(read.x, []).append(read)
        asked = 0
        for value, reads in readers.items():
            maxima = maxima_of(reads[0].op, self.weights)
            if maxima is None or not isinstance(value, OpResult):
                continue
            before = evenness(maxima)
            if before >= self.threshold or len({r.axis for r in reads}) != 1:
                continue
            asked += 1
            factors = self._factors(maxima, reads)
            name = tensor_name(value)
            if self._divide(value, reads, factors, wide=plan.bits(value) > 8):
                self._scale_weights(reads, factors)
                after = evenness((maxima / factors).astype(np.float32))
                self.done.append(_Smoothed(value, before, after))
                words = "smooth '{}': the median channel used {:.1%} of the range, now {:.1%}"
                logger.debug(words, name, before, after)
        if asked:
            words = "SmoothQuant: {} of {} uneven tensors that weights multiply are smoothed"
            logger.info(words, len(self.done), asked)

    def _factors(self, maxima: F32Array, reads: Sequence[WeightedRead]) -> Factors:
        """What each channel is divided by; the tensor's greatest magnitude stays what it is."""
        of_weights = np.zeros_like(maxima)
        for read in reads:
            array = self._weight(read)
            of_weights = np.maximum(of_weights, input_channels(read.op, array))
        x, w = (
            np.maximum(m / max(m.max(), 1e-30), _LEAST).astype(np.float64)
            for m in (maxima, of_weights)
        )
        factors = x**self.strength / w ** (1 - self.strength)
        return factors * (x / factors).max()

    def _weight(self, read: WeightedRead) -> AnyArray:
        owner = read.op.operands[1].owner
        assert isinstance(owner, Constant)
        return owner.array(self.weights)

    def _divide(
        self, value: OpResult, reads: Sequence[WeightedRead], factors: Factors, *, wide: bool
    ) -> bool:
        """Gives the readers `value` with its channels divided; False where that cannot be."""
        shape = [1] * len(reads[0].shape)
        shape[reads[0].axis] = -1
        inverse = (1 / factors).reshape(shape)
        ours = {read.op for read in reads}
        alone = all(use.operation in ours and use.index == 0 for use in value.uses)
        if alone:
            way = way_back(value, inverse)
            if way is None:
                return False
            for edit in way.edits:
                self._edit(edit)
            for op in way.operators:
                op.location = changed_location(op, "smooth")
            return True
        maker = value.op
        if isinstance(maker, OnnxOp) and maker.op_type in NORMALIZATIONS and value.index == 0:
            edits = normalization_edits(maker, inverse)
            if edits is None:
                return False
            copy = maker.clone()
            copy.location = changed_location(maker, "smooth")
            _insert_after(maker, copy)
            for edit in edits:
                self._edit(Edit(copy, edit.index, edit.factors))
            self._hand(reads, copy.results[0])
            return True
        if not wide:
            return False
        factor = Constant.of(
            inverse.astype(np.float32), self.weights, name_location(f"{tensor_name(value)}_factors")
        )
        name = f"{tensor_name(value)}{_SUFFIX}"
        product = Mul([value, factor.result], [value.type], location=name_location(name, [name]))
        _insert_after(maker, factor, product)
        self._hand(reads, product.result)
        return True

    @staticmethod
    def _hand(reads: Sequence[WeightedRead], value: SSAValue) -> None:
        for read in reads:
            read.op.operands[0] = value

    def _edit(self, edit: Edit) -> None:
        self._replace(edit.op, edit.index, edit.scaled(self.weights))

    def _replace(self, op: OnnxOp, index: int, array: AnyArray) -> None:
        name = f"{tensor_name(op.operands[index])}{_SUFFIX}"
        made = Constant.of(array, self.weights, name_location(name, [name]))
        Rewriter.insert_op(made, InsertPoint.before(op))
        old = op.operands[index].owner
        op.operands[index] = made.result
        if isinstance(old, Constant) and old.result.first_use is None:
            old.detach()
            old.erase()

    def _scale_weights(self, reads: Sequence[WeightedRead], factors: Factors) -> None:
        for read in reads:
            scaled = scaled_inputs(read.op, self._weight(read), factors)
            self._replace(read.op, 1, scaled)


def _insert_after(op: Operation, *made: Operation) -> None:
    Rewriter.insert_op(list(made), InsertPoint.after(op))
