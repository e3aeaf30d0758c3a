"""A transposed convolution as ordinary ones: each computes every s-th output element.

IR-free, for one axis. Output element o of a transposed convolution of stride s sums x[i] * w[k]
over o + pad = i * s + k * dilation. For the outputs of one residue mod s the k that occur are those
of one residue too, so they are a convolution of stride 1 with some of the kernel's elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Phase:
    """Outputs `first`, `first + stride`, ..: `count` of them.

    The convolution of stride 1 reads the input from element `begin` on, `pad` elements of padding
    before it, with the kernel's elements `taps` in order, `dilation` apart. Without taps nothing is
    summed.
    """

    first: int
    count: int
    taps: tuple[int, ...]
    begin: int = 0
    pad: int = 0
    dilation: int = 1


def phases(size: int, out: int, kernel: int, stride: int, dilation: int, pad: int) -> list[Phase]:
    """The phases of an axis of `size` elements that gives `out`, `pad` being cut off before."""
    step = gcd(stride, dilation)
    found: list[Phase] = []
    for first in range(min(stride, out)):
        count = -(-(out - first) // stride)
        # A greater k goes with a smaller i.
        taps = [k for k in range(kernel) if (first + pad - k * dilation) % stride == 0][::-1]
        begin = (first + pad - taps[0] * dilation) // stride if taps else size
        if begin >= size:
            found.append(Phase(first, count, ()))
            continue
        found.append(
            Phase(first, count, tuple(taps), max(begin, 0), max(-begin, 0), dilation // step)
        )
    return found
