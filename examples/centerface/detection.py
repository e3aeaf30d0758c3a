"""From the four outputs of CenterFace to faces.

The network looks at the picture on a grid of every fourth pixel. For each point it says how likely
a face is centred there (537), the face's size (538) and where in the cell its centre is (539).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_STRIDE = 4
_THRESHOLD = 0.5
_MOST_COMMON = 0.3
"""Two boxes that have more than this share in common are of one face."""


class Face(NamedTuple):
    """A face: its box in pixels, and how sure the network is."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


def find_faces(likely: Array, size: Array, centre: Array) -> list[Face]:
    """The faces of a picture, the surest first.

    ``likely`` is [1, 1, h, w]; ``size`` (as logarithm, in steps of the grid) and ``centre`` (0 to 1
    within the cell) are [1, 2, h, w], the vertical direction first.
    """
    found: list[Face] = []
    for y, x in np.argwhere(likely[0, 0] > _THRESHOLD):
        height, width = np.exp(size[0, :, y, x].astype(float)) * _STRIDE
        down, right = (np.array([y, x]) + centre[0, :, y, x] + 0.5) * _STRIDE
        left, top = right - width / 2, down - height / 2
        score = float(likely[0, 0, y, x])
        found.append(Face(left, top, left + width, top + height, score))
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face, other) <= _MOST_COMMON for other in kept):
            kept.append(face)
    return kept


def overlap(one: Face, other: Face) -> float:
    """The area that two boxes have in common, as a share of what they cover together."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    common = max(width, 0) * max(height, 0)
    return common / (one.area + other.area - common)


def likeness(wanted: Sequence[Face], found: Sequence[Face]) -> list[float]:
    """For each face that is wanted, its overlap with the one found that fits best; 0 for none."""
    return [max((overlap(face, other) for other in found), default=0.0) for face in wanted]
