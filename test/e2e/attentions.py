"""Attention as a model by itself, and what it takes to build it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

HEADS, WIDTH = 4, 32


def make_attention(path: Path, tokens: int) -> None:
    """Writes attention of some tokens: inputs q, k, v of [1, HEADS, tokens, WIDTH], output y."""
    shape = (1, HEADS, tokens, WIDTH)
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], "turn", perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"], "scores"),
        helper.make_node("Softmax", ["scores"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"], "context"),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "qkv"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def prepare_attention(folder: Path, tokens: int, **config: Any) -> dict[str, np.ndarray]:
    """Writes the model, a sample to calibrate with and `folder`/c.json; the sample."""
    make_attention(folder / "model.onnx", tokens)
    (folder / "data").mkdir()
    rng = np.random.default_rng(1)
    feed = {n: rng.normal(size=(1, HEADS, tokens, WIDTH)).astype(np.float32) for n in "qkv"}
    np.save(folder / "data" / "0.npy", np.array(feed, object))
    inputs = {
        "tensor_name": "DEFAULT",
        "calibration_dataset": str(folder / "data"),
        "calibration_size": 1,
        "calibration_format": "NumpyObject",
    }
    config |= {"input": str(folder / "model.onnx"), "quant": {"input_configs": [inputs]}}
    (folder / "c.json").write_text(json.dumps(config))
    return feed
