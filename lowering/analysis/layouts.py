"""Memory orders of tensors, and what becomes of them in views.

IR-free. An order lists the dimensions of a tensor from the outermost in memory to the innermost.
"""

from __future__ import annotations

from collections.abc import Sequence

Order = tuple[int, ...]

CHANNELS_LAST: Order = (0, 2, 3, 1)
"""How images [N, C, H, W] lie."""


def row_major(rank: int) -> Order:
    return tuple(range(rank))


def transposed(order: Order, perm: Sequence[int]) -> Order:
    """The order of the result of a transposition of a tensor that lies in `order`."""
    return tuple(perm.index(dim) for dim in order)


def before_transposition(order: Order, perm: Sequence[int]) -> Order:
    """The order of the operand of a transposition whose result lies in `order`."""
    return tuple(perm[dim] for dim in order)


def without(order: Order, dims: Sequence[int]) -> Order:
    """The order of what is left of a tensor when some dimensions are gone."""
    kept = [dim for dim in order if dim not in dims]
    return tuple(dim - sum(d < dim for d in dims) for dim in kept)


def reshaped(order: Order, shape: Sequence[int], new: Sequence[int]) -> Order | None:
    """The order of a tensor of `shape`, in `order`, seen in the shape `new`.

    None where there is no such view. A reshape splits and joins runs of neighbouring dimensions;
    those of one run have to lie one after another, as in row-major order.
    """
    runs = _runs(shape, new)
    number = {dim: run for run, (dims, _) in enumerate(runs) for dim in dims if shape[dim] != 1}
    visited: list[int] = []
    last = -1
    for dim in order:
        if dim not in number:
            continue
        run = number[dim]
        if visited and visited[-1] == run:
            if dim < last:
                return None
        elif run in visited:
            return None
        else:
            visited.append(run)
        last = dim
    visited += [run for run in range(len(runs)) if run not in visited]
    return tuple(dim for run in visited for dim in runs[run][1])


def _runs(shape: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of dimensions of both shapes that hold equally many elements each."""
    runs: list[tuple[list[int], list[int]]] = []
    left, right = 0, 0
    while left < len(shape) or right < len(new):
        dims: tuple[list[int], list[int]] = ([], [])
        sizes = [1, 1]
        while not dims[0] or not dims[1] or sizes[0] != sizes[1]:
            if left < len(shape) and (not dims[0] or sizes[0] < sizes[1] or right == len(new)):
                dims[0].append(left)
                sizes[0] *= shape[left]
                left += 1
            elif right < len(new):
                dims[1].append(right)
                sizes[1] *= new[right]
                right += 1
            else:
                break
        runs.append(dims)
    return runs
