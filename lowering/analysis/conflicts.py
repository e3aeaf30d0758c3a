"""Which jobs touch common bytes, and so must be ordered.

IR-free. Jobs are given in a legal order. Every access is a strided box of bytes; two accesses
conflict when they share a byte and at least one writes. The result is, for each job, the earlier
jobs that it has to wait for so that every conflict is ordered (in C++).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Access(NamedTuple):
    """Bytes of one memory space that a job touches.

    `key` names the space. The bytes are those of a box of `shape` elements of `itemsize` bytes at
    byte `strides` from `address`. `buffer` is the number of the buffer that they are part of, -1
    where that is not known.
    """

    key: int
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int
    writes: bool
    buffer: int = -1


def conflict_waits(
    jobs: Sequence[Sequence[Access]], buffers: Sequence[tuple[int, int]] = ()
) -> list[list[int]]:
    """For each job, the earlier jobs that share bytes with it, one of the two writing them.

    `buffers` are the ranges [low, high) of bytes of the buffers that accesses name. An earlier
    access whose bytes were all written again since is not listed: the later writers are. That is
    seen for writes without gaps, and for a buffer that its writes filled, each byte once.
    """
    from pulsar2 import _kernels

    accesses = [access for job in jobs for access in job]
    offsets, waits = _kernels.conflict_waits(
        _offsets(map(len, jobs)),
        _numbers(a.key for a in accesses),
        _numbers(a.address for a in accesses),
        _numbers(a.itemsize for a in accesses),
        _numbers(a.writes for a in accesses),
        _offsets(len(a.shape) for a in accesses),
        _numbers(n for a in accesses for n in a.shape),
        _numbers(n for a in accesses for n in a.strides),
        _numbers(a.buffer for a in accesses),
        _numbers(low for low, _ in buffers),
        _numbers(high for _, high in buffers),
    )
    return _lists(offsets, waits)


def prune_waits(queues: Sequence[int], waits: Sequence[Sequence[int]]) -> list[list[int]]:
    """Drops every wait that queue order or another wait implies.

    `queues[j]` is the in-order queue of job j; jobs are listed in an order that respects both.
    """
    from pulsar2 import _kernels

    flat = np.array([other for others in waits for other in others], np.int32)
    offsets, pruned = _kernels.prune_waits(
        np.array(queues, np.int32), _offsets(map(len, waits)), flat
    )
    return _lists(offsets, pruned)


def _numbers(values: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(values, np.int64)


def _offsets(lengths: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(accumulate(lengths, initial=0), np.int64)


def _lists(offsets: npt.NDArray[np.int64], values: npt.NDArray[np.int32]) -> list[list[int]]:
    bounds: list[int] = offsets.tolist()
    flat: list[int] = values.tolist()
    return [flat[low:high] for low, high in pairwise(bounds)]
