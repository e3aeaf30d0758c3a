"""Find the faces on photographs with CenterFace, on the emulator of the AX650.

python examples/centerface/run.py

The pictures with boxes drawn on them go into output/pictures.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from detection import Face, find_faces, likeness
from PIL import Image, ImageDraw
from prepare import HERE, SIZE, Data, PreparationError, prepare

from pulsar2.runtime import InferenceSession

LEAST_OVERLAP = 0.8
"""Of the boxes that float network and emulated program draw around the same face, on average."""
_COLOUR = (40, 220, 60)
_OUTPUTS = ["537", "538", "539"]


@dataclass(frozen=True)
class Picture:
    """A picture, and the faces that float network and emulated program find on it."""

    name: str
    float_faces: list[Face]
    faces: list[Face]

    @property
    def overlaps(self) -> list[float]:
        """How well the box around each of the float network's faces is met."""
        return likeness(self.float_faces, self.faces)


def build(data: Data, output: Path) -> None:
    """Run ``pulsar2 build`` as a user does, in the example's folder."""
    command = [Path(sys.executable).with_name("pulsar2"), "build", "--input", data.network]
    command += ["--config", "config.json", "--output_dir", output]
    print("$ " + " ".join(["pulsar2", *map(str, command[1:])]), flush=True)
    subprocess.run(command, cwd=HERE, check=True)


def float_network(data: Data) -> onnxruntime.InferenceSession:
    """The float network, for a picture of 512 x 512 pixels."""
    model = onnx.load(data.network)
    constants = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in constants]
    shape = inputs[0].type.tensor_type.shape
    for dimension, length in zip(shape.dim, (1, 3, SIZE, SIZE), strict=True):
        dimension.dim_value = length
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it would tell of each constant that the file has in vain
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def look(data: Data, output: Path) -> list[Picture]:
    """Every picture with the faces found on it; draws them into ``output``/pictures."""
    session = InferenceSession(output / "compiled.axmodel")
    plain = float_network(data)
    (output / "pictures").mkdir(exist_ok=True)
    pictures: list[Picture] = []
    for path in data.pictures:
        pixels = np.asarray(Image.open(path))[None]
        wanted = plain.run(_OUTPUTS, {"input.1": pixels.transpose(0, 3, 1, 2).astype(np.float32)})
        found = session.run(_OUTPUTS, {"input.1": pixels})
        picture = Picture(path.stem, find_faces(*wanted), find_faces(*found))
        draw(path, picture.faces, output / "pictures" / path.name)
        pictures.append(picture)
    return pictures


def draw(source: Path, faces: Sequence[Face], target: Path) -> None:
    """Draws a box around each face, and how sure the network is above it."""
    picture = Image.open(source)
    pen = ImageDraw.Draw(picture)
    for face in faces:
        pen.rectangle(face[:4], outline=_COLOUR, width=2)
        if face.bottom - face.top > SIZE / 8:
            place, words = (face.left + 3, face.top - 14), f"face {face.score:.2f}"
            pen.rectangle(pen.textbbox(place, words), _COLOUR, _COLOUR, 3)
            pen.text(place, words, (0, 0, 0))
    picture.save(target)


def main() -> int:
    try:
        data = prepare()
    except PreparationError as error:
        print(error, file=sys.stderr)
        return 1
    output = HERE / "output"
    build(data, output)
    pictures = look(data, output)
    for picture in pictures:
        counts = f"{len(picture.float_faces):3} faces, float; {len(picture.faces):3} emulated"
        print(f"{picture.name:10} {counts}")
    overlaps = [overlap for picture in pictures for overlap in picture.overlaps]
    mean = sum(overlaps) / max(len(overlaps), 1)
    print(f"boxes: {output / 'pictures'}")
    print(f"{len(overlaps)} faces; emulated boxes overlap those of the float network by {mean:.1%}")
    return 0 if mean > LEAST_OVERLAP else 1


if __name__ == "__main__":
    sys.exit(main())
