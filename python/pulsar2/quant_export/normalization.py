"""Export of normalizations: exact sums and each further step spelled out, or ONNX's operator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pulsar2.dialects.quant import NormKind, NormOp
from pulsar2.dialects.quant.types import shape_of, uniform_of
from pulsar2.quant_export.builder import Emit, ModelBuilder
from pulsar2.weights import AnyArray


class _Groups:
    """The tensor of a normalization in the shape whose `axes` are those of its groups."""

    def __init__(self, op: NormOp, builder: ModelBuilder):
        self.op, self.builder = op, builder
        self.shape = list(shape_of(op.x))
        self.axes = list(op.axes)
        self.base = builder.unique(f"{builder.stored(op.x)}/{op.kind.value}_norm")
        if op.groups > 1:
            self.shape[1:2] = [op.groups, self.shape[1] // op.groups]
            self.axes = [axis + 1 if axis >= 1 else axis for axis in self.axes]
        self.axes_name = self.constant(np.asarray(self.axes, np.int64), "axes")

    def constant(self, array: object, name: str) -> str:
        return self.builder.constant(np.asarray(array), f"{self.base}/{name}")

    def node(self, op_type: str, inputs: Sequence[str], name: str) -> str:
        return self.builder.node(op_type, inputs, f"{self.base}/{name}")

    def reduced(self, op_type: str, x: str, name: str) -> str:
        return self.builder.node(op_type, [x, self.axes_name], f"{self.base}/{name}", keepdims=1)

    def cut(self, x: str) -> str:
        """A tensor of x's shape with axis 1 cut into groups."""
        if self.op.groups == 1:
            return x
        return self.node("Reshape", [x, self.constant(np.asarray(self.shape), "groups")], "cut")

    def joined(self, y: str) -> str:
        """`cut` undone."""
        if self.op.groups == 1:
            return y
        shape = self.constant(np.asarray(shape_of(self.op.x)), "shape")
        return self.node("Reshape", [y, shape], "joined")

    def finish(self, y: str) -> None:
        """From the normalized numbers to the result: scaled, shifted, rounded."""
        factors = _factors(self.op, self.builder)
        for array, op_type in zip(factors, ("Mul", "Add"), strict=False):
            factor = self.constant(array, "scale" if op_type == "Mul" else "bias")
            y = self.node(op_type, [y, factor], op_type.lower())
        self.builder.finish_real(self.op.y, y, self.op.clamp, limit=float("inf"))


def _factors(op: NormOp, builder: ModelBuilder) -> list[AnyArray]:
    """Scale and bias, as far as there are such, in f32."""
    found: list[AnyArray] = []
    for value in op.factors:
        array = builder.array(value)
        assert array is not None
        real = array.astype(np.float32)
        found.append(real * np.float32(op.unit) if value is op.scale else real)
    return found


def _export_exactly(groups: _Groups) -> None:
    """The integer form: sums of integers, statistics in f64, the elements in f32."""
    op, builder, kind = groups.op, groups.builder, groups.op.kind
    type_ = uniform_of(op.x)
    assert type_ is not None
    stored = builder.cast(builder.stored(op.x), np.int64, f"{groups.base}/s64")
    if type_.zero_point:
        zero = groups.constant(np.int64(type_.zero_point), "zero")
        stored = groups.node("Sub", [stored, zero], "shifted")
    q = groups.cut(stored)
    real = builder.cast(q, np.float32, f"{groups.base}/f32")
    if kind in (NormKind.LAYER, NormKind.RMS):
        scale = np.float64(type_.scale)
        count = groups.constant(np.float64(np.prod([groups.shape[a] for a in groups.axes])), "n")
        spread = _mean(groups, groups.node("Mul", [q, q], "squares"), count, "mean_square")
        if kind is NormKind.LAYER:
            mean = _mean(groups, q, count, "mean")
            square = groups.node("Mul", [mean, mean], "squared_mean")
            spread = groups.node("Sub", [spread, square], "difference")
            least = groups.constant(np.float64(0), "least")
            spread = groups.node("Max", [spread, least], "spread")
            centre = builder.cast(mean, np.float32, f"{groups.base}/centre")
            real = groups.node("Sub", [real, centre], "centred")
        unit = groups.constant(scale * scale, "unit")
        epsilon = groups.constant(np.float64(np.float32(op.epsilon)), "epsilon")
        variance = groups.node("Mul", [spread, unit], "scaled_spread")
        variance = groups.node("Add", [variance, epsilon], "variance")
        divisor = groups.node("Sqrt", [variance], "deviation")
        numerator = groups.constant(scale, "numerator")
    else:
        terms = groups.node("Abs", [q], "magnitudes")
        if kind is NormKind.L2:
            terms = groups.node("Mul", [q, q], "squares")
        total = groups.reduced("ReduceSum", terms, "total")
        total = groups.node("Max", [total, groups.constant(np.int64(1), "least")], "positive")
        divisor = builder.cast(total, np.float64, f"{groups.base}/norm")
        if kind is NormKind.L2:
            divisor = groups.node("Sqrt", [divisor], "root")
        numerator = groups.constant(np.float64(1), "numerator")
    factor = groups.node("Div", [numerator, divisor], "quotient")
    factor = builder.cast(factor, np.float32, f"{groups.base}/factor")
    groups.finish(groups.joined(groups.node("Mul", [real, factor], "normalized")))


def _mean(groups: _Groups, integers: str, count: str, name: str) -> str:
    """f64(sum of integers) / f64(count)."""
    total = groups.reduced("ReduceSum", integers, f"{name}_sum")
    wide = groups.builder.cast(total, np.float64, f"{groups.base}/{name}_f64")
    return groups.node("Div", [wide, count], name)


def _export_floats(groups: _Groups) -> None:
    """The float form, of operators that every runtime has."""
    op, builder, kind = groups.op, groups.builder, groups.op.kind
    x = groups.cut(builder.real(op.x))
    if kind in (NormKind.L1, NormKind.L2):
        norm = groups.reduced("ReduceL1" if kind is NormKind.L1 else "ReduceL2", x, "norm")
        # A group of zeros is left as it is; any other norm is above this.
        least = groups.constant(np.float32(1e-30), "least")
        divisor = groups.node("Max", [norm, least], "positive")
    else:
        if kind is NormKind.LAYER:
            x = groups.node("Sub", [x, groups.reduced("ReduceMean", x, "mean")], "centred")
        squares = groups.reduced("ReduceMean", groups.node("Mul", [x, x], "squares"), "mean_square")
        epsilon = groups.constant(np.float32(op.epsilon), "epsilon")
        divisor = groups.node("Sqrt", [groups.node("Add", [squares, epsilon], "sum")], "deviation")
    groups.finish(groups.joined(groups.node("Div", [x, divisor], "normalized")))


def _export_layer(op: NormOp, builder: ModelBuilder) -> None:
    """A LayerNormalization as itself."""
    x = builder.real(op.x)
    base = builder.unique(f"{x}/layer_norm")
    first = op.axes[0]
    shape = shape_of(op.x)[first:]
    factors = [
        builder.constant(np.broadcast_to(array, shape), f"{base}/factor")
        for array in _factors(op, builder)
    ]
    if not factors:
        factors = [builder.constant(np.ones(shape, np.float32), f"{base}/factor")]
    real = builder.node(
        "LayerNormalization", [x, *factors], base, axis=first, epsilon=float(op.epsilon)
    )
    builder.finish_real(op.y, real, op.clamp, limit=float("inf"))


def _is_layer(op: NormOp) -> bool:
    """Whether the groups lie along all last axes, and the factors too."""
    rank = len(shape_of(op.x))
    last = op.axes == tuple(range(op.axes[0], rank)) and op.groups == 1
    within = all(len(shape_of(v)) <= rank - op.axes[0] for v in op.factors)
    return op.kind is NormKind.LAYER and last and within


def _export_norm(op: NormOp, builder: ModelBuilder) -> None:
    if builder.form != "float" and uniform_of(op.x) is not None:
        _export_exactly(_Groups(op, builder))
    elif _is_layer(op):
        _export_layer(op, builder)
    else:
        _export_floats(_Groups(op, builder))


NORMALIZATIONS: Emit = {NormOp: _export_norm}
