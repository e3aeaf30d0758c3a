"""From a picture to boxes around its lines of text, and from a line to its characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image
from prepare import LINE

Array = npt.NDArray[Any]
PAGE = (384, 768)
"""Height and width of a picture as the detection network takes it."""
_THRESHOLD = 0.3
_LEAST_PIXELS = 60
_GROWTH = 0.45
"""The network marks the middle of a line; letters reach out by this share of its height."""


class Box(NamedTuple):
    """A rectangle in pixels, its right and lower edge outside."""

    left: int
    top: int
    right: int
    bottom: int


def find_lines(probability: Array) -> list[Box]:
    """The boxes of the connected regions of a map [H, W], from top to bottom."""
    left_over = probability > _THRESHOLD
    height, width = probability.shape
    boxes: list[Box] = []
    for start in zip(*np.nonzero(left_over), strict=True):
        region = _region(left_over, (int(start[0]), int(start[1])))
        if len(region) < _LEAST_PIXELS:
            continue
        (top, left), (bottom, right) = region.min(0), region.max(0) + 1
        grown = int(_GROWTH * (bottom - top)) + 2
        boxes.append(
            Box(
                max(int(left) - grown, 0),
                max(int(top) - grown, 0),
                min(int(right) + grown, width),
                min(int(bottom) + grown, height),
            )
        )
    return sorted(boxes, key=lambda box: box.top)


def _region(left_over: Array, start: tuple[int, int]) -> Array:
    """The pixels [n, 2] that are connected with ``start``; they are cleared."""
    waiting, found = [start] if left_over[start] else [], list[tuple[int, int]]()
    while waiting:
        y, x = waiting.pop()
        inside = 0 <= y < left_over.shape[0] and 0 <= x < left_over.shape[1]
        if inside and left_over[y, x]:
            left_over[y, x] = False
            found.append((y, x))
            waiting += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return np.array(found).reshape(-1, 2)


def cut_line(picture: Image.Image, box: Box) -> Array:
    """A line of text u8 [48, 640, 3], its height filled and grey behind its end."""
    height, width = LINE
    line = picture.crop(box)
    scaled = line.resize((min(height * line.width // line.height, width), height), 3)
    frame = Image.new("RGB", (width, height), (127, 127, 127))
    frame.paste(scaled, (0, 0))
    return np.asarray(frame)


def characters(model: str) -> list[str]:
    """What the classes of the recognition network mean; '' is the blank."""
    properties = {p.key: p.value for p in onnx.load(model).metadata_props}
    return ["", *properties["character"].splitlines(), " "]


def spell(scores: Array, alphabet: Sequence[str]) -> str:
    """The text of scores [1, steps, classes]: repeats are one, and blanks are none."""
    best = [int(i) for i in scores[0].argmax(1)]
    return "".join(alphabet[i] for n, i in enumerate(best) if i and (n == 0 or best[n - 1] != i))
