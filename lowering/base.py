"""What every pass and every rewrite pattern of pulsar2 is built on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pulsar2.context import AxContext


@dataclass(frozen=True)
class AxPass(ModulePass):
    """A pass over a module, with the weight store at hand.

    A subclass is a frozen dataclass. Its fields are its options, its docstring is its
    documentation: what it does, what it needs and leaves behind, its options, and IR before and
    after.
    """

    replaces: ClassVar[tuple[str, ...]] = ()
    """Operators of ONNX that the pass writes by others, so that no later one has to know them."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not isinstance(ctx, AxContext):
            raise TypeError(f"{self.name} needs an AxContext, got {type(ctx).__name__}")
        self.run(ctx, op)

    @abstractmethod
    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        """Rewrites `module` in place."""


class AxPattern(RewritePattern):
    """A rewrite pattern whose replacements keep the location of what they replace."""

    @staticmethod
    def replace(
        rewriter: PatternRewriter,
        op: Operation,
        new_ops: Operation | Sequence[Operation],
        new_results: Sequence[SSAValue | None] | None = None,
    ) -> None:
        """Replaces `op`; every new operation of unknown location takes that of `op`."""
        ops = [new_ops] if isinstance(new_ops, Operation) else list(new_ops)
        inherit_location(op, ops)
        rewriter.replace(op, ops, new_results)


def inherit_location(source: Operation, targets: Sequence[Operation]) -> None:
    """Gives each operation of unknown location the location of `source`."""
    for target in targets:
        if isinstance(target.location, UnknownLoc):
            target.location = source.location
