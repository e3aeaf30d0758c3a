"""The example that reads a page, where it has been run (`make example` does)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from example_modules import loaded_example

HERE = Path(__file__).resolve().parents[2] / "examples" / "ppocr"


@pytest.fixture
def example() -> Iterator[ModuleType]:
    with loaded_example(HERE, ("prepare", "reading", "run")) as module:
        yield module


def test_boxes_and_spelling(example: ModuleType) -> None:
    reading = sys.modules["reading"]
    probability = np.zeros((60, 100), np.float32)
    probability[40:50, 10:60] = 0.9
    probability[5:15, 20:40] = 0.9
    probability[0, 0] = 0.9
    assert reading.find_lines(probability) == [(14, 0, 46, 21), (4, 34, 66, 56)]
    classes = [0, 1, 1, 0, 1, 2, 2, 0]
    scores = np.eye(3, dtype=np.float32)[classes][None]
    assert reading.spell(scores, ["", "a", "b"]) == "aab"


@pytest.mark.skipif(
    not (HERE / "output" / "recognition" / "compiled.axmodel").is_file(),
    reason="the example has not been run",
)
def test_it_reads_the_page(example: ModuleType, tmp_path: Path) -> None:
    for name in ("detection", "recognition"):
        (tmp_path / name).symlink_to(HERE / "output" / name)
    lines = example.read_page(example.prepare(), tmp_path)
    assert lines[0].text == "Region-based segmentation"
    assert len(lines) == 7
    assert sum(line.likeness for line in lines) / 7 > example.LEAST_LIKENESS
    assert (tmp_path / "boxes.png").is_file()
