"""Subgraphs between tensors: which operations lie on the way from some tensors to others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from xdsl.ir import Operation, SSAValue

AnyOp = TypeVar("AnyOp", bound=Operation)


def operations_between(
    ops: Sequence[AnyOp],
    starts: Collection[SSAValue],
    ends: Collection[SSAValue],
    *,
    from_all: bool = False,
) -> list[AnyOp]:
    """The operations of `ops` that use a tensor of `starts`, directly or not, and that make one of
    `ends`, directly or not.

    What makes a start tensor does not belong to them. With `from_all` there is no condition on what
    they use. `ops` stand in a legal order, and so does the result.
    """
    reached = set(starts)
    for op in ops:
        if from_all or any(v in reached for v in op.operands):
            reached.update(op.results)
    needed = set(ends)
    chosen: list[AnyOp] = []
    for op in reversed(ops):
        stops = any(r in starts for r in op.results)
        if any(r in needed for r in op.results) and not stops:
            needed.update(op.operands)
            if any(r in reached for r in op.results):
                chosen.append(op)
    return chosen[::-1]
