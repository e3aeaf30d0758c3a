"""Prefetching: how early loads may be issued so that memory still suffices.

IR-free. Jobs stand in a legal order; some of them are loads, each of which fills a buffer for later
jobs. Moving a load up makes its buffer live longer, which costs memory and hides its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Load(NamedTuple):
    """A job that fills a buffer: its position, the buffer's bytes, its first possible position."""

    position: int
    nbytes: int
    earliest: int


def hoist(
    loads: Sequence[Load], pressure: npt.NDArray[np.int64], limit: int, window: int
) -> list[int]:
    """For each load, the position before which to issue it.

    `pressure` is the bytes alive at each position in the present order, loads counted from where
    they stand. A load moves up, at most `window` positions, while the bytes alive stay within
    `limit`. Loads keep their order among themselves.
    """
    alive = pressure.copy()
    targets: list[int] = []
    previous = 0
    for load in loads:
        floor = max(load.earliest, load.position - window, previous, 0)
        stretch = alive[floor : load.position]
        blocked = np.flatnonzero(stretch + load.nbytes > limit)
        target = floor + int(blocked[-1]) + 1 if len(blocked) else floor
        alive[target : load.position] += load.nbytes
        targets.append(target)
        previous = target
    return targets
