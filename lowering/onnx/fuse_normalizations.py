"""The pass `onnx-fuse-normalizations`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.utils.hints import isa

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.elementwise import Add, Div, Mul, Sub
from pulsar2.dialects.onnx.layout import Reshape
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.formula import FormulaPattern, is_f32
from pulsar2.lowering.onnx.rewrite import Replacement, joint_location, run_patterns
from pulsar2.lowering.onnx.scale import per_channel
from pulsar2.weights import AnyArray

_LAST_AXIS = ("LayerNormalization", "RMSNormalization")
_PER_CHANNEL = ("InstanceNormalization", "GroupNormalization")


@dataclass(frozen=True)
class FuseNormalizationsPass(AxPass):
    """Recognizes normalizations that are spelled out, and folds scales and shifts into them.

    With v = x - mean(x), v / sqrt(mean(v * v) + epsilon) along the last axis becomes
    LayerNormalization, along all axes from the third on InstanceNormalization, from the second on
    GroupNormalization of one group, along the second alone LayerNormalization between two
    Transposes; x / sqrt(mean(x * x) + epsilon) along the last axis becomes RMSNormalization. Means
    are ReduceMean, GlobalAveragePool or ReduceSum times a number; squares Mul or Pow; the root may
    be a Pow, inverted and multiplied in, or be multiplied by the scale first.

    Mul and Add of one constant number for each element of the last axis, or each channel, go into
    the scale and the bias of the normalization before them. A normalization between Reshapes that
    split the channels into groups, and join them again, becomes GroupNormalization, or
    InstanceNormalization where each group is one channel.

    Precondition: types are inferred; `onnx-eliminate-common` has run. Postcondition: none of these
    is left on f32 tensors, where nobody else uses what is fused away.

    ```
    %m = onnx.ReduceMean(%x, %axes) : (tensor<1x4x8xf32>, tensor<1xi64>) -> tensor<1x4x1xf32>
    %v = onnx.Sub(%x, %m) : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
    %q = onnx.Mul(%v, %v) : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
    %n = onnx.ReduceMean(%q, %axes) : (tensor<1x4x8xf32>, tensor<1xi64>) -> tensor<1x4x1xf32>
    %e = onnx.Add(%n, %eps) : (tensor<1x4x1xf32>, tensor<f32>) -> tensor<1x4x1xf32>
    %r = onnx.Sqrt(%e) : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
    %0 = onnx.Div(%v, %r) : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
    %1 = onnx.Mul(%0, %g) : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
    ```
    becomes
    ```
    %1 = onnx.LayerNormalization(%x, %g) {axis = 2 : i64, epsilon = 1.000000e-05 : f32}
        : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
    ```
    """

    name = "onnx-fuse-normalizations"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        patterns = (_Divided, _ScaledAndShifted, _AbsorbScale, _AbsorbShift, _Grouped)
        run_patterns(module, [pattern(ctx.weights) for pattern in patterns])


class _SpelledOut(FormulaPattern):
    """What patterns on normalizations that are spelled out share."""

    def mean_of(self, value: SSAValue) -> tuple[SSAValue, tuple[int, ...]] | None:
        """x and the axes along which `value` is its mean, each of extent 1."""
        op, share = value.owner, 1.0
        scaled = self.times(op)
        if scaled is not None and scaled[0].has_one_use():
            op, share = scaled[0].owner, scaled[1]
        if not isinstance(op, OnnxOp) or not op.operands or not is_f32(op):
            return None
        x = op.operands[0]
        shape = static_shape_of(x.type)
        if shape is None:
            return None
        axes = self._reduced_axes(op, len(shape))
        if axes is None:
            return None
        count = float(np.prod([shape[axis] for axis in axes])) if op.op_type == "ReduceSum" else 1.0
        return (x, axes) if abs(share * count - 1) < 1e-6 else None

    def _reduced_axes(self, op: OnnxOp, rank: int) -> tuple[int, ...] | None:
        if op.op_type == "GlobalAveragePool":
            return tuple(range(2, rank))
        if op.op_type not in ("ReduceMean", "ReduceSum") or not op.value_of("keepdims"):
            return None
        axes = self.constant(op.operand(1))
        if op.operand(1) is None:
            return None if op.value_of("noop_with_empty_axes") else tuple(range(rank))
        return None if axes is None else tuple(sorted(int(a) % rank for a in axes.reshape(-1)))

    def square_of(self, value: SSAValue) -> SSAValue | None:
        """v where value = v * v."""
        op = value.owner
        if isinstance(op, Mul) and op.a is op.b:
            return op.a
        is_square = (
            isinstance(op, OnnxOp) and op.op_type == "Pow" and self.scalar(op.operands[1]) == 2
        )
        return op.operands[0] if is_square and isinstance(op, OnnxOp) else None

    def root_of(self, value: SSAValue) -> tuple[SSAValue, bool] | None:
        """u and whether it is inverted, where value = sqrt(u), or 1 / sqrt(u)."""
        op = value.owner
        if not isinstance(op, OnnxOp) or not op.operands or not is_f32(op):
            return None
        first, inverted = op.operands[0], False
        match op.op_type:
            case "Sqrt":
                return first, False
            case "Pow" if (exponent := self.scalar(op.operands[1])) in (0.5, -0.5):
                return first, exponent == -0.5
            case "Reciprocal":
                inner = self.root_of(first)
            case "Div" if self.scalar(first) == 1:
                inner = self.root_of(op.operands[1])
            case _:
                inner = None
        return None if inner is None or inner[1] else (inner[0], not inverted)

    def spread_of(self, value: SSAValue) -> tuple[SSAValue, tuple[int, ...], float] | None:
        """v, axes and epsilon where value = mean(v * v) + epsilon, which is positive."""
        sum_ = self.plus(value.owner)
        if sum_ is None or sum_[1] <= 0:
            return None
        mean = self.mean_of(sum_[0])
        square = None if mean is None else self.square_of(mean[0])
        return None if mean is None or square is None else (square, mean[1], sum_[1])

    def centred(self, value: SSAValue, axes: tuple[int, ...]) -> SSAValue | None:
        """x where value = x - mean(x) along these axes."""
        op = value.owner
        if not isinstance(op, Sub):
            return None
        mean = self.mean_of(op.b)
        return op.a if mean is not None and mean == (op.a, axes) else None

    def deviation(self, value: SSAValue) -> tuple[SSAValue, SSAValue | None] | None:
        """1 / sqrt(u) and a constant where value is their product; None for no constant."""
        found = self.root_of(value)
        if found is not None:
            return (value, None) if found[1] else None
        op = value.owner
        if isinstance(op, Mul):
            for part, other in ((op.a, op.b), (op.b, op.a)):
                found = self.root_of(part)
                if found is not None and found[1] and self.constant(other) is not None:
                    return part, other
        return None


def _normalized(
    new: Replacement, x: SSAValue, axes: tuple[int, ...], epsilon: float
) -> SSAValue | None:
    """(x - mean(x)) / sqrt(variance + epsilon) along some axes, None where no operator is that."""
    shape = static_shape_of(x.type)
    assert shape is not None
    rank = len(shape)
    attributes = {"epsilon": epsilon}
    build = new.builder.op
    if axes == (rank - 1,):
        ones = new.constant(np.ones(shape[-1], np.float32), "scale")
        return build("LayerNormalization", [x, ones], {**attributes, "axis": rank - 1}).result
    if rank >= 3 and axes == (1,):
        to_last, back = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
        ones = new.constant(np.ones(shape[1], np.float32), "scale")
        turned = build("Transpose", [x], {"perm": to_last}).result
        made = build("LayerNormalization", [turned, ones], {**attributes, "axis": rank - 1}).result
        return build("Transpose", [made], {"perm": back}).result
    if rank >= 3 and axes in (tuple(range(1, rank)), tuple(range(2, rank))):
        factors = [
            new.constant(fill(shape[1], np.float32), name)
            for fill, name in ((np.ones, "scale"), (np.zeros, "bias"))
        ]
        if axes[0] == 2:
            return build("InstanceNormalization", [x, *factors], attributes).result
        return build("GroupNormalization", [x, *factors], {**attributes, "num_groups": 1}).result
    return None


class _Divided(_SpelledOut):
    """v / sqrt(mean(v * v) + epsilon)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Mul | Div) or not is_f32(op):
            return
        for v, root, factor in self._quotients(op):
            found = self.root_of(root)
            spread = None if found is None else self.spread_of(found[0])
            if spread is None or spread[0] is not v or v.type != op.result.type:
                continue
            new = Replacement(self, rewriter, op)
            result = self._normalization(new, v, spread[1], spread[2])
            if result is None:
                continue
            if factor is not None:
                result = new.builder.op("Mul", [result, factor]).result
            new.finish([result])
            return

    def _quotients(self, op: Mul | Div) -> Iterator[tuple[SSAValue, SSAValue, SSAValue | None]]:
        """v, sqrt(u) or its inverse, and a constant, where `op` is v / sqrt(u) * constant."""
        if isinstance(op, Div):
            found = self.root_of(op.b)
            if found is not None and not found[1]:
                yield op.a, op.b, None
            return
        for v, other in ((op.a, op.b), (op.b, op.a)):
            deviation = self.deviation(other)
            if deviation is not None and other.has_one_use():
                yield v, *deviation

    def _normalization(
        self, new: Replacement, v: SSAValue, axes: tuple[int, ...], epsilon: float
    ) -> SSAValue | None:
        x = self.centred(v, axes)
        if x is not None:
            return _normalized(new, x, axes, epsilon)
        shape = static_shape_of(v.type)
        if shape is None or axes != (len(shape) - 1,):
            return None
        ones = new.constant(np.ones(shape[-1], np.float32), "scale")
        attributes = {"epsilon": epsilon, "axis": len(shape) - 1}
        return new.builder.op("RMSNormalization", [v, ones], attributes).result


class _ScaledAndShifted(_SpelledOut):
    """x * r + (b - mean(x) * r), where r is the inverse deviation (times a constant)."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add) or not is_f32(op):
            return
        for product, shift in ((op.a.owner, op.b.owner), (op.b.owner, op.a.owner)):
            if not isinstance(product, Mul) or not isinstance(shift, Sub):
                continue
            for x, factor in ((product.a, product.b), (product.b, product.a)):
                deviation = self.deviation(factor)
                if deviation is None or x.type != op.result.type:
                    continue
                found = self._spread(x, factor, deviation[0], shift)
                if found is None:
                    continue
                new = Replacement(self, rewriter, op)
                result = _normalized(new, x, *found)
                if result is None:
                    continue
                if deviation[1] is not None:
                    result = new.builder.op("Mul", [result, deviation[1]]).result
                new.finish([new.builder.op("Add", [result, shift.a]).result])
                return

    def _spread(
        self, x: SSAValue, factor: SSAValue, inverse: SSAValue, shift: Sub
    ) -> tuple[tuple[int, ...], float] | None:
        """The axes and epsilon of the normalization of x, where `shift` belongs to `factor`."""
        root = self.root_of(inverse)
        spread = None if root is None else self.spread_of(root[0])
        moved = shift.b.owner
        if spread is None or not isinstance(moved, Mul) or factor not in moved.operands:
            return None
        mean = self.mean_of(moved.b if moved.a is factor else moved.a)
        same = mean is not None and mean == (x, spread[1])
        return spread[1:] if same and self.centred(spread[0], spread[1]) is x else None


class _Absorb(FormulaPattern):
    """What patterns on a normalization with constant factors, and what follows it, share."""

    def factors_of(self, op: OnnxOp) -> tuple[AnyArray, AnyArray | None] | None:
        """The scale and the bias of a normalization; None where they are computed."""
        scale, bias = self.constant(op.operand(1)), self.constant(op.operand(2))
        if scale is None or (op.operand(2) is not None and bias is None):
            return None
        return scale, bias

    def found(self, op: Mul | Add) -> Iterator[tuple[OnnxOp, AnyArray]]:
        """Normalizations that `op` alone uses, and the constant for each index of their axis."""
        type_ = op.result.type
        if not isa(type_, TensorType[Attribute]) or not is_f32(op):
            return
        for value, other in ((op.a, op.b), (op.b, op.a)):
            norm, constant = value.owner, self.constant(other)
            if (
                not isinstance(norm, OnnxOp)
                or norm.op_type not in (*_LAST_AXIS, *_PER_CHANNEL)
                or constant is None
                or value.type != type_
                or value.get_user_of_unique_use() is not op
                or any(r.first_use is not None for r in norm.results[1:])
            ):
                continue
            yield norm, constant

    def replace_norm(
        self,
        rewriter: PatternRewriter,
        norm: OnnxOp,
        op: OnnxOp,
        scale: AnyArray,
        bias: AnyArray | None,
        op_type: str = "",
    ) -> None:
        """`norm` with other factors in the place of `op`."""
        new = Replacement(self, rewriter, op, joint_location(norm, op))
        kind = op_type or norm.op_type
        if bias is None and kind in _PER_CHANNEL:
            bias = np.zeros(scale.shape, np.float32)
        operands = [norm.operands[0], new.constant(scale.astype(np.float32), "scale")]
        if bias is not None:
            operands.append(new.constant(bias.astype(np.float32), "bias"))
        kept = {n: a for n, a in norm.attributes.items() if not op_type or n == "epsilon"}
        new.finish([new.builder.op(kind, operands, kept).result])

    def along(self, norm: OnnxOp, constant: AnyArray) -> AnyArray | None:
        """A constant as one number for each element of the scale of `norm`, or None."""
        type_ = norm.result.type
        assert isa(type_, TensorType[Attribute])
        rank, per = type_.get_num_dims(), norm.op_type in _PER_CHANNEL
        if not per and int(norm.value_of("axis")) % rank != rank - 1:
            return None
        axis = 1 if per else rank - 1
        values = per_channel(constant, type_, axis)
        return None if values is None else np.broadcast_to(values, type_.get_shape()[axis])


class _AbsorbScale(_Absorb):
    """A normalization times constants."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Mul):
            return
        for norm, constant in self.found(op):
            factors, gain = self.factors_of(norm), self.along(norm, constant)
            if factors is None:
                continue
            scale, bias = factors
            if gain is not None and scale.shape == gain.shape:
                shifted = None if bias is None else np.multiply(bias, gain)
                self.replace_norm(rewriter, norm, op, np.multiply(scale, gain), shifted)
                return
            if self._per_channel(rewriter, norm, op, constant, factors):
                return

    def _per_channel(
        self,
        rewriter: PatternRewriter,
        norm: OnnxOp,
        op: Mul,
        constant: AnyArray,
        factors: tuple[AnyArray, AnyArray | None],
    ) -> bool:
        """A plain LayerNormalization of [N, C, L] times one number per channel."""
        type_ = op.result.type
        if norm.op_type != "LayerNormalization" or not isa(type_, TensorType[Attribute]):
            return False
        plain = bool(np.all(factors[0] == 1)) and (factors[1] is None or not factors[1].any())
        gain = per_channel(constant, type_, 1) if plain and type_.get_num_dims() == 3 else None
        if gain is None or int(norm.value_of("axis")) % 3 != 2:
            return False
        scale = np.broadcast_to(gain, (type_.get_shape()[1],))
        self.replace_norm(rewriter, norm, op, scale, None, "InstanceNormalization")
        return True


class _AbsorbShift(_Absorb):
    """A normalization plus constants; an RMSNormalization has no bias."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Add):
            return
        for norm, constant in self.found(op):
            factors, term = self.factors_of(norm), self.along(norm, constant)
            if norm.op_type == "RMSNormalization" or factors is None or term is None:
                continue
            scale, bias = factors
            if scale.shape == term.shape:
                total = term if bias is None else np.add(bias, term)
                self.replace_norm(rewriter, norm, op, scale, total)
                return


class _Grouped(_Absorb):
    """A normalization of channels that Reshapes split into groups, and join again."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, Reshape) or not is_f32(op):
            return
        norm = op.data.owner
        if not isinstance(norm, OnnxOp) or not op.data.has_one_use():
            return
        split = norm.operands[0].owner if norm.operands else None
        shape = static_shape_of(op.result.type)
        if not isinstance(split, Reshape) or shape is None or len(shape) < 3:
            return
        if split.data.type != op.result.type:
            return
        found = self._groups(norm, shape)
        if found is None:
            return
        groups, scale, bias = found
        size = shape[1] // groups
        new = Replacement(self, rewriter, op, joint_location(norm, op))
        operands = [
            split.data,
            new.constant(np.repeat(scale, size).astype(np.float32), "scale"),
            new.constant(np.repeat(bias, size).astype(np.float32), "bias"),
        ]
        attributes = {"epsilon": norm.value_of("epsilon")}
        kind = "InstanceNormalization" if size == 1 else "GroupNormalization"
        if size > 1:
            attributes["num_groups"] = groups
        new.finish([new.builder.op(kind, operands, attributes).result])

    def _groups(
        self, norm: OnnxOp, shape: tuple[int, ...]
    ) -> tuple[int, AnyArray, AnyArray] | None:
        """How many groups of channels [N, C, ..] `norm` normalizes, and their scales and biases."""
        inner = static_shape_of(norm.operands[0].type)
        factors = self.factors_of(norm)
        if inner is None or factors is None or any(r.first_use for r in norm.results[1:]):
            return None
        scale, bias = factors
        if norm.op_type == "InstanceNormalization" and bias is not None:
            fits = inner[0] == shape[0] and shape[1] % inner[1] == 0
            return (inner[1], scale, bias) if fits else None
        plain = bool(np.all(scale == 1)) and (bias is None or not bias.any())
        last = len(inner) - 1
        if norm.op_type != "LayerNormalization" or not plain or last not in (1, 2):
            return None
        outer = int(np.prod(inner[:-1]))
        if int(norm.value_of("axis")) % len(inner) != last or outer % shape[0]:
            return None
        groups = outer // shape[0]
        if shape[1] % groups:
            return None
        return groups, np.ones(groups), np.zeros(groups)
