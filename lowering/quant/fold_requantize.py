"""`quant-fold-requantize`: a requantization done by the operation before or behind it."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    op_type_rewrite_pattern,
)

from pulsar2.context import AxContext
from pulsar2.dialects.quant import (
    AvgPoolOp,
    BinaryOp,
    ConvOp,
    ConvTransposeOp,
    CumSumOp,
    GridSampleOp,
    LogSoftmaxOp,
    MatMulOp,
    NormalizeOp,
    NormOp,
    QCastOp,
    ReduceOp,
    RequantizeOp,
    ResizeLinearOp,
    RoiAlignOp,
    SoftmaxOp,
    UnaryOp,
    UniformType,
    uniform_of,
)
from pulsar2.dialects.quant.base import int_array
from pulsar2.dialects.quant.reduction import ReduceKind
from pulsar2.locations import name_location, node_name, tensor_name
from pulsar2.lowering.base import AxPass, AxPattern
from pulsar2.lowering.quant.parameters import quantize_number


@dataclass(frozen=True)
class QuantFoldRequantize(AxPass):
    """Lets the operation that computes a tensor give it the quantization that is asked of it.

    An operation that ends in a rounding of its own (a contraction, elementwise arithmetic, an
    average, Softmax, interpolation) can round to any quantization, so where a requantization
    alone uses its result, that is its result type, and a clamp moves to the new integers. This
    rounds once instead of twice: the numbers are at least as near to the float ones, but not the
    same bits.

    Needs: `quant` operations. Leaves: no requantization that alone uses such a result.

    ```
    %1 = quant.add %a, %b : (..) -> tensor<4x!quant.uniform<u8:f32, 0.1>>
    %2 = quant.requantize %1 : .. -> tensor<4x!quant.uniform<u16:f32, 0.001>>
    // becomes
    %2 = quant.add %a, %b : (..) -> tensor<4x!quant.uniform<u16:f32, 0.001>>
    ```
    """

    name = "quant-fold-requantize"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        PatternRewriteWalker(
            GreedyRewritePatternApplier([FoldIntoProducer()]), apply_recursively=True
        ).rewrite_module(module)


_ROUNDING = (
    ConvOp,
    ConvTransposeOp,
    MatMulOp,
    BinaryOp,
    UnaryOp,
    NormalizeOp,
    AvgPoolOp,
    ReduceOp,
    SoftmaxOp,
    LogSoftmaxOp,
    CumSumOp,
    NormOp,
    ResizeLinearOp,
    GridSampleOp,
    RoiAlignOp,
    QCastOp,
)


class FoldIntoProducer(AxPattern):
    """The producer rounds to the quantization that is asked for."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RequantizeOp, rewriter: PatternRewriter) -> None:
        producer = op.x.owner
        old, new = uniform_of(op.x), uniform_of(op.y)
        if not _rounds(producer) or not op.x.has_one_use() or old is None or new is None:
            return
        assert isinstance(producer, Operation)
        made = type(producer).create(
            operands=producer.operands,
            result_types=[op.y.type],
            properties=dict(producer.properties),
            attributes=dict(producer.attributes),
            location=name_location(node_name(producer), [tensor_name(op.y)]),
        )
        clamp = getattr(producer, "clamp", None)
        if clamp is not None:
            made.properties["clamp"] = int_array([_moved(bound, old, new) for bound in clamp])
        elif not _covers(old, new):
            # The old type saturated earlier than the new one would.
            if not isinstance(made, ConvOp | ConvTransposeOp | MatMulOp | BinaryOp | NormOp):
                return
            made.properties["clamp"] = int_array([_moved(b, old, new) for b in old.bounds])
        rewriter.replace(op, made)
        rewriter.erase(producer)


def _rounds(op: object) -> bool:
    if isinstance(op, ReduceOp) and op.kind in (ReduceKind.MAX, ReduceKind.MIN):
        return False
    return isinstance(op, _ROUNDING)


def _moved(stored: int, old: UniformType, new: UniformType) -> int:
    """The integer of `new` for the number that `stored` is in `old`."""
    return quantize_number((stored - old.zero_point) * float(old.scale), new)


def _covers(old: UniformType, new: UniformType) -> bool:
    """Whether `old` saturates at no number within the range of `new`."""
    return tuple(_moved(bound, old, new) for bound in old.bounds) == new.bounds
