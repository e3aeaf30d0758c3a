"""Classify Fashion-MNIST with a vision transformer on the emulator, at each transformer level.

apt-get install dataset-fashion-mnist
python examples/fashion_vit/run.py [--pictures 10000] [--threads 2]

The network, vit.onnx, was trained by train.py. Each line is one build: the level, with or without
SmoothQuant, the top-1 accuracy and the estimated cycles.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from images import MEAN, STD, Labelled, MissingError, load
from prepare import HERE, prepare

from pulsar2.runtime import InferenceSession

MODEL = HERE / "vit.onnx"
MOST_LOST = 0.3
"""Points of top-1 accuracy that level 1 may lose."""


@dataclass(frozen=True)
class Variant:
    """One build: a level, with or without SmoothQuant."""

    level: int
    smooth: bool

    @property
    def name(self) -> str:
        return f"level{self.level}{'_smooth' if self.smooth else ''}"

    def build(self) -> Path:
        """Runs ``pulsar2 build`` as a user does; the folder of its results."""
        output = Path("output") / self.name
        command = ["pulsar2", "build", "--input", MODEL.name, "--config", "config.json"]
        command += ["--output_dir", str(output), "--quant.transformer_opt_level", str(self.level)]
        command += ["--quant.enable_smooth_quant"] if self.smooth else []
        print("$ " + " ".join(command), flush=True)
        done = subprocess.run(
            [Path(sys.executable).with_name("pulsar2"), *command[1:]],
            cwd=HERE,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        return HERE / output


VARIANTS = [Variant(level, smooth) for level in (0, 1, 2) for smooth in (False, True)]


def float_accuracy(test: Labelled) -> float:
    """The share of pictures that the float network gives their class."""
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    right = 0
    for picture, label in zip(test.pictures, test.labels, strict=True):
        image = (picture[None, None].astype(np.float32) - MEAN) / STD
        right += int(np.argmax(session.run(None, {"image": image})[0]) == label)
    return right / len(test.labels)


def accuracy(folder: Path, test: Labelled, threads: int) -> float:
    """The same of the compiled program on the emulator."""
    session = InferenceSession(folder / "compiled.axmodel", threads=threads)
    right = 0
    for picture, label in zip(test.pictures, test.labels, strict=True):
        (scores,) = session.run(None, {"image": picture[None, :, :, None]})
        right += int(np.argmax(scores) == label)
    return right / len(test.labels)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    try:
        prepare()
        test = load("t10k")
    except MissingError as error:
        print(error, file=sys.stderr)
        return 1
    test = Labelled(test.pictures[: options.pictures], test.labels[: options.pictures])
    wanted = float_accuracy(test)
    print(f"{len(test.labels)} pictures; float: {wanted:.2%}", flush=True)
    worst = 0.0
    for variant in VARIANTS:
        found = accuracy(variant.build(), test, options.threads)
        lost = (wanted - found) * 100
        print(f"{variant.name:15} {found:.2%}, {lost:+.2f} points lost", flush=True)
        worst = max(worst, lost if variant.level == 1 else 0.0)
    return 0 if worst <= MOST_LOST else 1


if __name__ == "__main__":
    sys.exit(main())
