"""The pictures of Fashion-MNIST (Xiao et al., 2017) as the Debian package installs them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FOLDER = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
MEAN, STD = 73.0, 90.0
"""Of the training pictures' numbers, rounded: the network is given (x - MEAN) / STD."""
_PARTS = {"train": 60_000, "t10k": 10_000}


class MissingError(Exception):
    """The pictures are not on this machine."""


class Labelled(NamedTuple):
    """Pictures u8 [n, 28, 28] and their classes, 0 to 9, [n]."""

    pictures: Array
    labels: Array


def load(part: Literal["train", "t10k"], folder: Path = FOLDER) -> Labelled:
    """The 60,000 pictures to train with, or the 10,000 to test with; MissingError without them."""
    files = [folder / f"{part}-{name}.gz" for name in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise MissingError(
            f"Fashion-MNIST is not installed: there is no {' and no '.join(missing)}\n"
            f"the Debian package has it: apt-get install {PACKAGE}"
        )
    count = _PARTS[part]
    images, labels = (np.frombuffer(gzip.decompress(f.read_bytes()), np.uint8) for f in files)
    return Labelled(images[16:].reshape(count, 28, 28), labels[8:].reshape(count))
