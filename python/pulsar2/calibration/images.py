"""Pictures into model inputs: colour order, size, mean and standard deviation, layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pulsar2.diagnostics import UserError

TensorFormat = Literal["AutoColorSpace", "RGB", "BGR", "GRAY"]
Layout = Literal["NCHW", "NHWC"]

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""File names of pictures end in one of these, in either case."""

_DAMAGES = (
    OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for a file that it cannot read."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes one entry of a model input.

    `AutoColorSpace` is GRAY for one channel and BGR for three. `mean` and `std` have one number per
    channel, or none.
    """

    height: int
    width: int
    channels: int
    tensor_format: TensorFormat
    layout: Layout
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def is_gray(self) -> bool:
        automatic = self.tensor_format == "AutoColorSpace" and self.channels == 1
        return automatic or self.tensor_format == "GRAY"

    @property
    def expected_channels(self) -> int:
        """How many channels a picture of this format has."""
        return 1 if self.is_gray else 3

    def pixels(self, path: Path) -> npt.NDArray[np.uint8]:
        """The resized picture, [height, width, channels], colours in the model's order.

        Resized bilinearly (with support over the shrunk area) where its size differs. `UserError`
        when it cannot be decoded.
        """
        try:
            with Image.open(path) as picture:
                # A JPEG can be decoded at a half, quarter or eighth of its size.
                picture.draft(None, (2 * self.width, 2 * self.height))
                picture = _of_bytes(picture).convert("L" if self.is_gray else "RGB")
                if picture.size != (self.width, self.height):
                    picture = picture.resize((self.width, self.height), Image.Resampling.BILINEAR)
                pixels = np.asarray(picture)
        except _DAMAGES as error:
            raise UserError.of(f"the picture cannot be decoded: {error}", str(path)) from None
        pixels = pixels.reshape(self.height, self.width, self.channels)
        is_rgb = self.tensor_format == "RGB"
        return pixels if is_rgb or self.is_gray else pixels[:, :, ::-1]

    def tensor(self, path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """The picture as the model takes it, of `dtype`, without the batch axis."""
        values: npt.NDArray[Any] = self.pixels(path)
        if dtype.kind == "f":
            values = values.astype(np.float32)
            if self.mean:
                values = values - np.asarray(self.mean, np.float32)
            if self.std:
                values = values / np.asarray(self.std, np.float32)
        if self.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values, dtype)


def _of_bytes(picture: Image.Image) -> Image.Image:
    """The picture in 8 bits: the upper ones where gray has 16, of which Pillow drops those."""
    if picture.mode == "F":
        raise ValueError("its pixels are float32, which calibration_format Numpy takes")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels have more than 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


def check_picture(path: Path) -> None:
    """Raises `UserError` when the file is not a picture, by its first bytes."""
    try:
        with Image.open(path):
            pass
    except _DAMAGES as error:
        raise UserError.of(f"the picture cannot be decoded: {error}", str(path)) from None
