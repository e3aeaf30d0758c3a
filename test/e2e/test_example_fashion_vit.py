"""The vision transformer of the examples: its network always, its accuracy where the data are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cases import run
from example_modules import loaded_example
from PIL import Image

from pulsar2.context import make_context
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

HERE = Path(__file__).resolve().parents[2] / "examples" / "fashion_vit"
DATA = Path("/usr/share/datasets/fashion-mnist")
LAYERS = 4


@pytest.fixture
def example() -> Iterator[ModuleType]:
    with loaded_example(HERE, ("images", "prepare", "run")) as module:
        yield module


def test_the_network_becomes_operators_of_a_transformer() -> None:
    assert (HERE / "vit.onnx").stat().st_size < 1_000_000
    context = make_context()
    module = import_onnx(HERE / "vit.onnx", context)
    run_passes(context, module, parse_passes("optimize"))
    found = Counter(op.op_type for op in module.walk() if isinstance(op, OnnxOp))
    assert found["Conv"] == 3
    assert found["LayerNormalization"] == 1 + 2 * LAYERS
    assert found["Gelu"] == found["Softmax"] == LAYERS


def test_without_the_data_it_says_what_to_install(example: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(example.MissingError, match="apt-get install dataset-fashion-mnist"):
        example.load("t10k", tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_level_1_loses_next_to_nothing(example: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number, picture in enumerate(example.load("train").pictures[:32]):
        Image.fromarray(picture).save(tmp_path / "data" / f"{number}.png")
    config = json.loads((HERE / "config.json").read_text())
    config["quant"]["input_configs"][0]["calibration_dataset"] = str(tmp_path / "data")
    (tmp_path / "config.json").write_text(json.dumps(config))
    outcome = run(
        "build", "--input", HERE / "vit.onnx", "--config", tmp_path / "config.json",
        "--output_dir", tmp_path / "out", "--quant.transformer_opt_level", "1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    test = example.load("t10k")
    few = example.Labelled(test.pictures[:400], test.labels[:400])
    wanted, found = example.float_accuracy(few), example.accuracy(tmp_path / "out", few, 1)
    assert wanted > 0.85
    assert np.isclose(found, wanted, atol=0.01)
