"""Which operations run together when there are several kinds of machines and few changes wanted."""

from __future__ import annotations

from collections.abc import Sequence


def assign_batches(kinds: Sequence[int], needs: Sequence[Sequence[int]]) -> list[int]:
    """The batch of each operation, so that batches of one kind each run one after the other.

    `kinds[i]` is the kind of machine (0 or 1) that operation i needs, `needs[i]` the operations
    before it that it waits for. The number of batches is the least there is: taking all that is
    ready of one kind, then all of the other, and so on, is never worse than waiting with some of
    it, so only the kind to begin with is a choice. Where both are as good, it is kind 0.

    Operations of a kind above 1 are a batch of their own, each kind one, which runs as soon as all
    that any of them waits for has run. Where two such kinds wait for each other, ValueError.
    """
    first, second = (_alternate(kinds, needs, kind) for kind in (0, 1))
    return first if max(first, default=0) <= max(second, default=0) else second


def _alternate(kinds: Sequence[int], needs: Sequence[Sequence[int]], kind: int) -> list[int]:
    """Batches that alternate, beginning with `kind`; empty ones are not counted."""
    batches = [-1] * len(kinds)
    members: dict[int, list[int]] = {}
    for op, each in enumerate(kinds):
        if each > 1:
            members.setdefault(each, []).append(op)
    left = [op for op, each in enumerate(kinds) if each <= 1]
    count = 0
    idle = 0
    while left or members:
        before = count
        waiting: list[int] = []
        for op in left:
            if kinds[op] == kind and all(batches[n] >= 0 for n in needs[op]):
                batches[op] = count
            else:
                waiting.append(op)
        count += len(waiting) < len(left)
        left, kind = waiting, 1 - kind
        for each in [k for k, ops in members.items() if _is_ready(ops, needs, batches)]:
            for op in members.pop(each):
                batches[op] = count
            count += 1
        idle = idle + 1 if count == before else 0
        if idle > 2:
            raise ValueError(f"operations of kind {min(members)} wait for what waits for them")
    return batches


def _is_ready(ops: Sequence[int], needs: Sequence[Sequence[int]], batches: Sequence[int]) -> bool:
    """Whether all that `ops` wait for, but for each other, has a batch."""
    inside = set(ops)
    return all(batches[n] >= 0 for op in ops for n in needs[op] if n not in inside)
