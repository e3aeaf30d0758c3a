"""Small models and data sets for tests of the command line."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from pulsar2.tools.pulsar2_main import main

SIZE = 16


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def run(*words: str | Path) -> Outcome:
    """Runs `pulsar2` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(w) for w in words])
    return Outcome(code, out.getvalue(), err.getvalue())


def classifier(path: Path, **changes: Any) -> Path:
    """Writes a classifier of a convolution, a pool and a Gemm. `changes` may be its `nodes`."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "b": rng.normal(0, 0.3, 8),
        "fc": rng.normal(0, 0.3, (8, 10)),
    }
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "fc"], ["output"], "gemm"),
    ]
    graph = helper.make_graph(
        changes.get("nodes", nodes),
        "classifier",
        [helper.make_tensor_value_info("input", 1, changes.get("shape", [1, 3, SIZE, SIZE]))],
        [helper.make_tensor_value_info("output", 1, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def pictures(path: Path, count: int = 4) -> Path:
    """Writes a tar of PNG files of random pixels."""
    rng = np.random.default_rng(1)
    with tarfile.open(path, "w") as archive:
        for index in range(count):
            data = io.BytesIO()
            pixels = rng.integers(0, 256, (SIZE + index, SIZE, 3), np.uint8)
            Image.fromarray(pixels).save(data, "PNG")
            add(archive, f"{index}.png", data.getvalue())
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file to an archive."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def configuration(dataset: Path, **changes: Any) -> dict[str, Any]:
    """The build guide's first example, for the classifier."""
    return {
        "model_type": "ONNX",
        "npu_mode": "NPU1",
        "quant": {
            "input_configs": [
                {
                    "tensor_name": "input",
                    "calibration_dataset": str(dataset),
                    "calibration_size": 4,
                    "calibration_mean": [127, 127, 127],
                    "calibration_std": [128, 128, 128],
                }
            ],
            "calibration_method": "MinMax",
            "precision_analysis": False,
        },
        "input_processors": [
            {
                "tensor_name": "input",
                "tensor_format": "RGB",
                "src_format": "RGB",
                "src_dtype": "U8",
                "src_layout": "NHWC",
                "csc_mode": "NoCSC",
            }
        ],
        "compiler": {"check": 0},
    } | changes


def write_config(path: Path, value: dict[str, Any]) -> Path:
    path.write_text(json.dumps(value, indent=1))
    return path
