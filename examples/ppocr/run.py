"""Find and read the text on a photographed page with PP-OCR, on the emulator of the AX650.

python examples/ppocr/run.py

Boxes around the lines are drawn into output/boxes.png.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw
from prepare import HERE, Data, PreparationError, prepare
from reading import PAGE, Box, characters, cut_line, find_lines, spell

from pulsar2.runtime import InferenceSession

LEAST_LIKENESS = 0.95


@dataclass(frozen=True)
class Line:
    """A line of text: where it is, and what float network and emulated program read."""

    box: Box
    float_text: str
    text: str

    @property
    def likeness(self) -> float:
        """Share of characters that both read alike."""
        return SequenceMatcher(None, self.float_text, self.text).ratio()


def build(model: Path, config: str, output: Path) -> None:
    """Run ``pulsar2 build`` as a user does, in the example's folder."""
    command = [Path(sys.executable).with_name("pulsar2"), "build", "--input", model]
    command += ["--config", config, "--output_dir", output]
    print("$ " + " ".join(["pulsar2", *map(str, command[1:])]), flush=True)
    subprocess.run(command, cwd=HERE, check=True)


def read_page(data: Data, output: Path) -> list[Line]:
    """The lines of the page, found and read on the emulator; draws ``output``/boxes.png."""
    height, width = PAGE
    page = Image.open(data.page).convert("RGB").resize((width, height), 3)
    detection = InferenceSession(output / "detection" / "compiled.axmodel")
    (probability,) = detection.run(None, {"x": np.asarray(page)[None]})
    recognition = InferenceSession(output / "recognition" / "compiled.axmodel")
    plain = onnxruntime.InferenceSession(data.recognition)
    alphabet = characters(str(data.recognition))
    lines: list[Line] = []
    drawn = page.copy()
    for box in find_lines(probability[0, 0]):
        pixels = cut_line(page, box)[None]
        (scores,) = recognition.run(None, {"x": pixels})
        normal = (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
        (wanted,) = plain.run(None, {"x": normal})
        lines.append(Line(box, spell(wanted, alphabet), spell(scores, alphabet)))
        ImageDraw.Draw(drawn).rectangle(box, outline=(220, 30, 30), width=2)
    drawn.save(output / "boxes.png")
    return lines


def main() -> int:
    try:
        data = prepare()
    except PreparationError as error:
        print(error, file=sys.stderr)
        return 1
    output = HERE / "output"
    build(data.detection, "detection.json", output / "detection")
    build(data.recognition, "recognition.json", output / "recognition")
    lines = read_page(data, output)
    for line in lines:
        print(f"{line.likeness:5.1%}  {line.text}")
    print(f"boxes: {output / 'boxes.png'}")
    likeness = sum(line.likeness for line in lines) / max(len(lines), 1)
    print(f"{len(lines)} lines; {likeness:.1%} of the characters as the float network reads them")
    return 0 if lines and likeness > LEAST_LIKENESS else 1


if __name__ == "__main__":
    sys.exit(main())
