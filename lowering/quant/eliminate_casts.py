"""`quant-eliminate-casts`: changes of number format that change nothing, or do so twice."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    op_type_rewrite_pattern,
)

from pulsar2.context import AxContext
from pulsar2.dialects.quant import ConstantOp, DCastOp, QCastOp, RequantizeOp
from pulsar2.dialects.quant.types import uniform_of
from pulsar2.lowering.base import AxPass, AxPattern
from pulsar2.lowering.quant.constants import sink_constants
from pulsar2.lowering.quant.parameters import quantize


@dataclass(frozen=True)
class QuantEliminateCasts(AxPass):
    """Removes casts that change nothing, and joins those that undo each other.

    A requantization to the same type goes; a quantization of what was dequantized becomes one
    requantization (or goes, with equal types); a quantization of an f32 constant becomes a
    quantized constant; equal casts of one tensor become one. The stored integers stay the same, bit
    for bit: `qcast(dcast(x))` is what a requantization is defined to be.

    Needs: `quant` operations. Leaves: no requantization to its own operand's type, no `quant.qcast`
    of a `quant.dcast`, no two equal casts of one tensor in a block, no cast without a use, and
    constants before their first users.

    ```
    %1 = quant.dcast %0 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
    %2 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u16:f32, 0.001>>
    // becomes
    %2 = quant.requantize %0 : tensor<4x!quant.uniform<u8:f32, 0.1>>
           -> tensor<4x!quant.uniform<u16:f32, 0.001>>
    ```
    """

    name = "quant-eliminate-casts"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        PatternRewriteWalker(
            GreedyRewritePatternApplier(
                [DropUnused(), DropSame(), JoinCasts(), QuantizeConstant(ctx), ShareCasts()]
            )
        ).rewrite_module(module)
        for op in module.ops:
            if isinstance(op, FuncOp) and not op.is_declaration:
                sink_constants(op.body.block)


class DropUnused(AxPattern):
    """A cast that nothing uses goes."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: QCastOp | DCastOp | RequantizeOp, rewriter: PatternRewriter
    ) -> None:
        if op.y.first_use is None:
            rewriter.erase(op)


class DropSame(AxPattern):
    """A requantization to the type there is goes."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: RequantizeOp, rewriter: PatternRewriter) -> None:
        if op.x.type == op.y.type:
            rewriter.replace(op, [], [op.x])


class JoinCasts(AxPattern):
    """A quantization of what was dequantized is a requantization."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QCastOp, rewriter: PatternRewriter) -> None:
        source = op.x.owner
        if not isinstance(source, DCastOp):
            return
        if source.x.type == op.y.type:
            rewriter.replace(op, [], [source.x])
        else:
            self.replace(rewriter, op, RequantizeOp(source.x, op.y.type))


@dataclass
class QuantizeConstant(AxPattern):
    """A quantization of an f32 constant is a quantized constant."""

    ctx: AxContext

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QCastOp, rewriter: PatternRewriter) -> None:
        source, type_ = op.x.owner, uniform_of(op.y)
        if isinstance(source, ConstantOp) and type_ is not None:
            stored = quantize(source.array(self.ctx.weights), type_)
            made = ConstantOp.of(stored, type_, self.ctx.weights)
            made.location = source.location
            self.replace(rewriter, op, made)


class ShareCasts(AxPattern):
    """Of equal casts of one tensor in a block, the first serves all."""

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self, op: QCastOp | DCastOp | RequantizeOp, rewriter: PatternRewriter
    ) -> None:
        for use in list(op.x.uses):
            other = use.operation
            if (
                other is not op
                and type(other) is type(op)
                and other.parent is op.parent
                and other.results[0].type == op.y.type
                and _is_before(op, other)
            ):
                rewriter.replace(other, [], [op.y])


def _is_before(first: Operation, second: Operation) -> bool:
    following = first.next_op
    while following is not None:
        if following is second:
            return True
        following = following.next_op
    return False
