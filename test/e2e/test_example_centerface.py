"""The example that finds faces, where it has been run (`make example` does)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from example_modules import loaded_example

HERE = Path(__file__).resolve().parents[2] / "examples" / "centerface"


@pytest.fixture
def example() -> Iterator[ModuleType]:
    with loaded_example(HERE, ("prepare", "detection", "run")) as module:
        yield module


def test_boxes(example: ModuleType) -> None:
    detection = sys.modules["detection"]
    likely = np.zeros((1, 1, 8, 8), np.float32)
    size = np.zeros((1, 2, 8, 8), np.float32)
    centre = np.zeros((1, 2, 8, 8), np.float32)
    likely[0, 0, 2, 3], likely[0, 0, 2, 4], likely[0, 0, 6, 6] = 0.9, 0.8, 0.6
    size[0, :, 2, 3:5] = np.log([[4, 4], [2, 2]])
    centre[0, :, 2, 3] = 0.25, 0.5
    faces = detection.find_faces(likely, size, centre)
    assert [round(f.score, 1) for f in faces] == [0.9, 0.6]  # one of two that overlap is left
    assert np.allclose(faces[0][:4], (12, 3, 20, 19), atol=1e-5)
    assert np.allclose(detection.likeness(faces, [detection.Face(12, 3, 20, 11, 1)]), [0.5, 0])


@pytest.mark.skipif(
    not (HERE / "output" / "compiled.axmodel").is_file(), reason="the example has not been run"
)
def test_it_finds_the_faces(example: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "compiled.axmodel").symlink_to(HERE / "output" / "compiled.axmodel")
    pictures = example.look(example.prepare(), tmp_path)
    counts = {p.name: (len(p.float_faces), len(p.faces)) for p in pictures}
    assert counts == {"astronaut": (1, 1), "camera": (1, 1), "chelsea": (0, 0), "faces": (64, 64)}
    assert np.mean([o for p in pictures for o in p.overlaps]) > 0.93
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == {f"{n}.png" for n in counts}
