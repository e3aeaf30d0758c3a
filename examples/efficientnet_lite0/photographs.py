"""The photographs of the example: squares cut the way the network was trained.

Calibration takes the photographs that scikit-image and scikit-learn ship as samples: a centre
square of each, then, of those that show a coloured scene, a close-up and a mirrored square from the
left edge, 32 in all. Evaluation takes the 20 labelled ImageNet photographs that foolbox ships; the
label is the number at the end of the file name.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

IMAGE_SIZE = 224
MEAN, STD = 127.0, 128.0
_SHARE_OF_SHORT_SIDE = 7 / 8

_SCENES = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/rocket.jpg",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
_STUDIES = (
    "skimage/data/brick.png",
    "skimage/data/camera.png",
    "skimage/data/coins.png",
    "skimage/data/grass.png",
    "skimage/data/gravel.png",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/ihc.png",
    "skimage/data/moon.png",
    "skimage/data/page.png",
    "skimage/data/retina.jpg",
    "skimage/data/text.png",
)
_EVALUATION = "foolbox/data/imagenet_"


@dataclass(frozen=True)
class Photograph:
    """``pixels`` is u8 [224, 224, 3], RGB; ``label`` the ImageNet class."""

    name: str
    label: int
    pixels: npt.NDArray[np.uint8]

    def normalized(self) -> npt.NDArray[np.float32]:
        """What the float model takes: f32 [1, 3, 224, 224], (x - 127) / 128."""
        scaled = (self.pixels.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def _square(
    photo: Image.Image, share: float = _SHARE_OF_SHORT_SIDE, at: float = 0.5
) -> Image.Image:
    """A square of ``share`` of the short side, at ``at`` of the free way, at the network's size."""
    side = round(min(photo.size) * share)
    left, top = (round((extent - side) * at) for extent in photo.size)
    square = photo.crop((left, top, left + side, top + side))
    return square.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)


def _open(wheels: list[zipfile.ZipFile], path: str) -> Image.Image:
    for wheel in wheels:
        if path in wheel.NameToInfo:
            return Image.open(io.BytesIO(wheel.read(path))).convert("RGB")
    raise FileNotFoundError(f"none of the fetched wheels holds {path}")


def calibration_squares(wheels: list[zipfile.ZipFile]) -> Iterator[tuple[str, Image.Image]]:
    """The 32 calibration images, with file names that say what they are."""
    for path in (*_SCENES, *_STUDIES):
        photo, stem = _open(wheels, path), Path(path).stem
        yield f"{stem}.png", _square(photo)
        if path in _SCENES:
            yield f"{stem}_close.png", _square(photo, share=0.5)
            yield f"{stem}_left_mirrored.png", ImageOps.mirror(_square(photo, share=1.0, at=0.0))


def write_calibration_tar(wheels: list[zipfile.ZipFile], destination: Path) -> int:
    """Write the calibration images as a tar of PNG files, the same bytes each time; their count."""
    count = 0
    with tarfile.open(destination, "w") as archive:
        for name, square in calibration_squares(wheels):
            png = io.BytesIO()
            square.save(png, "PNG")
            member = tarfile.TarInfo(name)
            member.size = len(png.getvalue())
            archive.addfile(member, io.BytesIO(png.getvalue()))
            count += 1
    return count


def write_evaluation_photographs(wheels: list[zipfile.ZipFile], folder: Path) -> int:
    """Write the labelled photographs, cut to squares, as PNG files; their count."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(
        name for wheel in wheels for name in wheel.namelist() if name.startswith(_EVALUATION)
    )
    for name in names:
        _square(_open(wheels, name)).save(folder / f"{Path(name).stem}.png")
    return len(names)


def read_evaluation_photographs(folder: Path) -> list[Photograph]:
    """The labelled photographs of ``folder``, by file name."""
    return [
        Photograph(path.stem, int(path.stem.rsplit("_", 1)[1]), np.asarray(Image.open(path)))
        for path in sorted(folder.glob("*.png"))
    ]
