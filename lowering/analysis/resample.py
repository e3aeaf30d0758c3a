"""Which elements of an axis a resized axis is made of: the kernel's arithmetic, in f64.

IR-free. The kernel in cpp_kernels/src/kernels/resize.cpp computes the same numbers, and refuses a
tile that lacks an element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ASYMMETRIC, HALF_PIXEL, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, HALF_PIXEL_SYMMETRIC = range(5)
FLOOR, CEIL, ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL = range(4)
NEAREST, LINEAR = range(2)


def source_position(coordinates: int, index: int, size: int, out: int, scale: float) -> float:
    """Where element `index` of an axis resized from `size` to `out` lies among the input's.

    A `scale` of 0 stands for out / size.
    """
    scale = scale or out / size
    reach = scale * size
    if coordinates == ASYMMETRIC:
        return index / scale
    if coordinates == ALIGN_CORNERS:
        return 0.0 if reach == 1.0 else index * (size - 1.0) / (reach - 1.0)
    if coordinates == PYTORCH_HALF_PIXEL and reach == 1.0:
        return -0.5
    if coordinates == HALF_PIXEL_SYMMETRIC:
        offset = size / 2.0 * (1.0 - out / reach)
        return offset + (index + 0.5) / scale - 0.5
    return (index + 0.5) / scale - 0.5


def _neighbours(kind: int, rounding: int, position: float) -> tuple[int, int]:
    """The first and the last element that an element at `position` is made of."""
    low = math.floor(position)
    if kind == LINEAR:
        return low, low if position == low else low + 1
    if rounding == CEIL:
        low = math.ceil(position)
    elif rounding == ROUND_PREFER_FLOOR:
        low += position - low > 0.5
    elif rounding == ROUND_PREFER_CEIL:
        low += position - low >= 0.5
    return low, low


def source_range(
    params: Mapping[str, int | float], size_name: str, index_name: str, out: tuple[int, int]
) -> tuple[int, int]:
    """The elements [begin, end) of the input operand that elements `out` of the output need.

    `params` are those of a resize; `size_name` is "h" or "w", `index_name` "row" or "column". Both
    ranges count from where the operands begin.
    """
    size, whole = int(params[f"in_{size_name}"]), int(params[f"out_{size_name}"])
    scale = float(params[f"scale_{size_name}"])
    first = int(params[f"out_{index_name}"])
    ends: list[int] = []
    for index in (first + out[0], first + out[1] - 1):
        position = source_position(int(params["coordinates"]), index, size, whole, scale)
        pair = _neighbours(int(params["kind"]), int(params["rounding"]), position)
        ends += [min(max(i, 0), size - 1) for i in pair]
    begin = int(params[f"in_{index_name}"])
    return min(ends) - begin, max(ends) + 1 - begin
