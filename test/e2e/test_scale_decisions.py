"""EasyQuant and bias correction: what they do for the outputs of a compiled model."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from cases import run
from onnx import TensorProto, helper, numpy_helper

from pulsar2.runtime import InferenceSession

_SHAPE = (1, 8, 10, 10)


def _model(path: Path) -> None:
    """Two convolutions whose first reads numbers with rare large ones that it hardly weighs."""
    random = np.random.default_rng(1)
    first = random.normal(size=(16, 8, 3, 3)).astype(np.float32)
    first[:, 0] *= 0.01
    constants = {
        "w1": first,
        "b1": random.normal(size=16).astype(np.float32),
        "w2": random.normal(size=(4, 16, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "w2"], ["y"], "second"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, _SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def _inputs(count: int, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    found = [random.normal(1, 1, _SHAPE).astype(np.float32) for _ in range(count)]
    for x in found:
        x[0, 0, random.integers(10), random.integers(10)] = 60.0
    return found


class Built:
    def __init__(self, folder: Path):
        self.folder = folder
        _model(folder / "model.onnx")
        with tarfile.open(folder / "data.tar", "w") as archive:
            for index, array in enumerate(_inputs(8, 0)):
                data = io.BytesIO()
                np.save(data, array)
                member = tarfile.TarInfo(f"{index}.npy")
                member.size = len(data.getvalue())
                archive.addfile(member, io.BytesIO(data.getvalue()))
        self.inputs = _inputs(8, 1)
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        self.expected = np.stack([session.run(None, {"x": x})[0] for x in self.inputs])

    def errors(self, name: str, *words: str, **quant: Any) -> np.ndarray:
        """How far the outputs of a build with these options are off: [samples, 1, 4, 10, 10]."""
        data = {
            "tensor_name": "x",
            "calibration_dataset": str(self.folder / "data.tar"),
            "calibration_format": "Numpy",
        }
        config = {
            "input": str(self.folder / "model.onnx"),
            "output_dir": str(self.folder / name),
            "quant": {"input_configs": [data], **quant},
        }
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        outcome = run("build", "--config", path, *words)
        assert outcome.code == 0, outcome.err
        self.printed = outcome.out
        session = InferenceSession(str(self.folder / name / "compiled.axmodel"))
        return np.stack([session.run(None, {"x": x})[0] for x in self.inputs]) - self.expected


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("decisions"))


def test_easy_quant_helps_where_greatest_numbers_mislead(built: Built) -> None:
    plain = np.mean(built.errors("plain") ** 2)
    searched = np.mean(built.errors("searched", enable_easy_quant=True) ** 2)
    assert 10 * np.log10(plain / searched) > 3
    assert "EasyQuant Progress: 100% 2/2" in built.printed
    assert "EasyQuant: scales of 2 layer(s)" in (built.folder / "searched/build.log").read_text()
    # A second build has the same from the cache, and says so.
    again = np.mean(built.errors("searched", enable_easy_quant=True) ** 2)
    assert again == searched
    assert "EasyQuant Progress" not in built.printed


def test_bias_correction_and_how_to_turn_it_off(built: Built) -> None:
    # Weights of 4 bits are rounded more.
    layers = [{"op_type": "Conv", "data_type": "U8", "weight_data_type": "S4"}]
    averages: list[float] = []
    for name, off in (("corrected", False), ("plainly", True)):
        errors = built.errors(name, disable_bias_correction=off, layer_configs=layers)
        averages.append(float(np.abs(errors.mean(axis=(0, 1, 3, 4))).sum()))
    assert "Bias Correction Progress" not in built.printed
    assert averages[0] < 0.6 * averages[1]
