"""Calibration pictures for the build, from Fashion-MNIST's training part."""

from __future__ import annotations

from pathlib import Path

from images import load
from PIL import Image

HERE = Path(__file__).resolve().parent
CALIBRATION = 64


def prepare() -> None:
    """Writes data/calibration/<n>.png; MissingError without Fashion-MNIST."""
    folder = HERE / "data" / "calibration"
    pictures = load("train").pictures[:CALIBRATION]
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03}.png")
