"""Normalizations with statistics of the tensor's own: Layer-, RMS-, Instance-, Group-, Lp-."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.ax import element_type_of
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.normalization import NormKind
from pulsar2.locations import node_name
from pulsar2.lowering.analysis.fixed_point import fixed_point
from pulsar2.lowering.quant.rules.base import Rule, constant_of, is_constant, is_float, shape_of
from pulsar2.weights import AnyArray, WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion


LAYER_NORMS = frozenset(("LayerNormalization", "RMSNormalization"))
"""Operators whose scale may be kept as whole numbers."""


class NormRule(Rule):
    """What these rules share: a `quant.norm` with constant factors."""

    fuses_activation = True
    kind: ClassVar[NormKind] = NormKind.LAYER

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not is_float(op.operands[0]):
            return "only f32 is supported"
        if any(not is_constant(v) for v in op.operands[1:]):
            return "scale and bias are computed, but only constants are supported"
        if any(r.first_use is not None for r in op.results[1:]):
            return "only the first result is supported, and the statistics are used"
        if float(op.value_of("epsilon")) <= 0:
            return f"epsilon is {op.value_of('epsilon')}, but it must be positive"
        return ""

    @abstractmethod
    def axes(self, op: OnnxOp) -> Sequence[int]:
        """The axes along which the elements of a group lie."""

    def groups(self, op: OnnxOp) -> int | None:
        """Into how many parts axis 1 is cut, None where it is not."""
        return None

    def factor(self, op: OnnxOp, array: AnyArray) -> AnyArray:
        """A scale or bias in a shape that broadcasts to the operand's."""
        return array

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        value = to.plan.result(op)
        factors: list[SSAValue | None] = [None, None]
        fraction: int | None = None
        for i, what in enumerate(("scale", "bias")):
            array = constant_of(op.operand(i + 1), to.weights)
            if array is not None:
                shaped = np.ascontiguousarray(self.factor(op, array), np.float32)
                name = f"{node_name(op)}/{what}"
                if not i and to.scale_type != "FP32" and op.op_type in LAYER_NORMS:
                    whole, fraction = fixed_point(shaped, to.scale_type)
                    factors[i] = to.constant(whole, element_type_of(whole.dtype), name)
                else:
                    factors[i] = to.constant(shaped, f32, name)
        made = quant.NormOp(
            self.kind,
            to.operand(op.operands[0]),
            self.axes(op),
            to.type_of(value),
            scale=factors[0],
            bias=factors[1],
            groups=self.groups(op),
            epsilon=float(op.value_of("epsilon")),
            fraction=fraction,
            clamp=to.clamp(op, value),
        )
        to.finish(op, made, value)


class LayerNormRule(NormRule):
    op_types = ("LayerNormalization",)

    def axes(self, op: OnnxOp) -> Sequence[int]:
        rank = len(shape_of(op.operands[0]))
        return range(int(op.value_of("axis")) % rank, rank)


class RmsNormRule(LayerNormRule):
    op_types = ("RMSNormalization",)
    kind = NormKind.RMS


class _PerChannelRule(NormRule):
    """A scale and a bias for each index of axis 1."""

    def factor(self, op: OnnxOp, array: AnyArray) -> AnyArray:
        return array.reshape(-1, *(1,) * (len(shape_of(op.operands[0])) - 2))


class InstanceNormRule(_PerChannelRule):
    op_types = ("InstanceNormalization",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if len(shape_of(op.operands[0])) < 3:
            return "it has no spatial axes"
        return super().refuse(op, weights)

    def axes(self, op: OnnxOp) -> Sequence[int]:
        return range(2, len(shape_of(op.operands[0])))


class GroupNormRule(_PerChannelRule):
    op_types = ("GroupNormalization",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        rank = len(shape_of(op.operands[0]))
        if not 2 <= rank <= 5:
            return f"{rank} axes, but 2 to 5 are supported"
        return super().refuse(op, weights)

    def axes(self, op: OnnxOp) -> Sequence[int]:
        return range(1, len(shape_of(op.operands[0])))

    def groups(self, op: OnnxOp) -> int | None:
        return int(op.value_of("num_groups"))


class LpNormRule(Rule):
    op_types = ("LpNormalization",)

    _KINDS: Mapping[int, NormKind] = {1: NormKind.L1, 2: NormKind.L2}

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if op.value_of("p") not in self._KINDS:
            return f"p is {op.value_of('p')}, but only 1 and 2 are supported"
        return "" if is_float(op.operands[0]) else "only f32 is supported"

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        axis = int(op.value_of("axis")) % len(shape_of(op.operands[0]))
        kind = self._KINDS[int(op.value_of("p"))]
        made = quant.NormOp(kind, to.operand(op.operands[0]), [axis], to.type_of(op.result))
        to.finish(op, made)


NORMALIZATION_RULES: tuple[Rule, ...] = (
    LayerNormRule(),
    RmsNormRule(),
    InstanceNormRule(),
    GroupNormRule(),
    LpNormRule(),
)
