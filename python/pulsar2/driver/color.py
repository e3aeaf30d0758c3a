"""What turns Y, U and V into red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Mode = Literal["FullRange", "LimitedRange"]

# ITU-R BT.601: the weights of red, green and blue in Y, from which the rest follows.
_KR, _KB = 0.299, 0.114
_KG = 1 - _KR - _KB


def yuv_matrix(mode: Mode, order: str) -> list[float]:
    """A 3 x 4 matrix, row by row: of each colour in `order` (RGB or BGR) the factors of Y, U, V
    and the bias.

    In FullRange (as in JPEG) Y, U and V take 0 to 255; in LimitedRange Y takes 16 to 235, U and V
    16 to 240. Source: ITU-R BT.601-7, sections 2.5.1 and 2.5.3.
    """
    luma, chroma, black = (1.0, 1.0, 0.0) if mode == "FullRange" else (255 / 219, 255 / 224, 16.0)
    blue, red = 2 * (1 - _KB) * chroma, 2 * (1 - _KR) * chroma
    factors = {
        "R": (luma, 0.0, red),
        "G": (luma, -blue * _KB / _KG, -red * _KR / _KG),
        "B": (luma, blue, 0.0),
    }
    rows: list[float] = []
    for color in order:
        y, u, v = factors[color]
        rows += [y, u, v, -y * black - (u + v) * 128]
    return rows


def color_option(format_: str, mode: str, order: str, matrix: Sequence[float]) -> list[str]:
    """What `onnx-insert-preprocess` is told of a YUV input."""
    if mode == "FullRange" or mode == "LimitedRange":
        matrix = yuv_matrix(mode, order)
    return [f"format={format_}", f"color={','.join(repr(float(v)) for v in matrix)}"]
