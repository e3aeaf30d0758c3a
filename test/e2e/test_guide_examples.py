"""Every configuration of the build guide builds, on a model of our own with the names it uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import run
from guide_models import archive, backbone, lenet, reshaped, two_inputs
from qdq_models import by_hand

from pulsar2.config.readers import read_file
from pulsar2.config.tree import plain
from pulsar2.finetune.availability import missing_torch
from pulsar2.runtime import InferenceSession

EXAMPLES = sorted(
    (Path(__file__).resolve().parents[1] / "unit" / "config" / "guide").glob("*.json")
)


def model_for(name: str, folder: Path) -> Path:
    path = folder / "model.onnx"
    match name:
        case "complete":
            return lenet(path)
        case "constants":
            return reshaped(path)
        case "two_inputs":
            return two_inputs(path)
        case "quantized_onnx" | "quantized_classifier":
            # The guide's are 4w8f: weights of 4 bits, activations of 8.
            model = by_hand("UINT8", "INT4", per_channel=True)
            if name == "quantized_classifier":
                rename(model.graph, model.graph.input[0].name, "data")
            onnx.save(model, path)
            return path
        case "input_shapes":
            return backbone(path, "data")
        case _:
            return backbone(path)


def rename(graph: onnx.GraphProto, tensor: str, name: str) -> None:
    """Gives an input of a graph another name."""
    for value in graph.input:
        value.name = name if value.name == tensor else value.name
    for node in graph.node:
        node.input[:] = [name if n == tensor else n for n in node.input]


def localized(value: dict[str, Any], model: Path, folder: Path) -> dict[str, Any]:
    """The example with paths of this machine, and with a device and a patience that CI has."""
    graph = onnx.load(model).graph
    inputs = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.input}
    entries = value.setdefault("quant", {}).setdefault("input_configs", [])
    if not entries:
        entries.append({"tensor_name": "DEFAULT"})
    for entry in entries:
        kind = entry.get("calibration_format", "Image")
        entry["calibration_dataset"] = str(archive(folder / "data.tar", kind, inputs))
    for constant in value.get("const_processors", []):
        if "data_path" in constant:
            np.save(folder / "constant.npy", np.zeros(10, np.float32))
            constant["data_path"] = str(folder / "constant.npy")
    if "device" in value["quant"]:
        value["quant"] |= {"device": "cpu", "finetune_epochs": 2}
    return value | {"input": str(model), "output_dir": str(folder / "out")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_example_builds(path: Path, tmp_path: Path) -> None:
    model = model_for(path.stem, tmp_path)
    value = localized(plain(read_file(str(path))), model, tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", tmp_path / "c.json")
    if missing_torch() and "enable_adaround" in value["quant"]:
        assert outcome.code == 1
        assert "quant.enable_adaround: fine-tuning needs torch" in outcome.err
        pytest.skip("fine-tuning needs torch, which is not here")
    assert outcome.code == 0, outcome.err
    session = InferenceSession(tmp_path / "out" / "compiled.axmodel")
    feeds = {i.name: np.zeros(i.shape, i.dtype) for i in session.get_inputs()}
    assert all(np.isfinite(o).all() for o in session.run(None, feeds))
