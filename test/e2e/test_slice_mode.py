"""`--compiler.enable_slice_mode` and `enable_tile_mode`: less DDR traffic, the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from attentions import HEADS, prepare_attention
from cases import run
from onnx import TensorProto, helper

from pulsar2 import _kernels
from pulsar2.axmodel import CompiledModel, read_axmodel
from pulsar2.runtime import InferenceSession
from pulsar2.targets import load_target

SHAPE = (1, 8, 192, 192)


def make_model(path: Path) -> None:
    """Three convolutions whose inner tensors are larger than AX615's OCM."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for index, (inputs, outputs) in enumerate([(8, 24), (24, 24), (24, 4)]):
        values = rng.normal(size=(outputs, inputs, 3, 3)).astype(np.float32) / (3 * inputs**0.5)
        weights.append(onnx.numpy_helper.from_array(values, f"w{index}"))
        node = helper.make_node(
            "Conv", [f"t{index}", f"w{index}"], [f"t{index + 1}"], f"conv{index}", pads=[1, 1, 1, 1]
        )
        nodes.append(node)
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("t3", TensorProto.FLOAT, (1, 4, *SHAPE[2:]))],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


TOKENS = 640
"""Their scores are larger than AX615's OCM."""


def ddr_bytes(model: CompiledModel) -> int:
    (program,) = model.subgraphs[0].programs
    costs = _kernels.job_costs(program.code, load_target("AX615").timing)
    return int(costs["ddr_bytes"].sum())


def test_attention_runs_by_slices_of_queries(tmp_path: Path) -> None:
    feed = prepare_attention(tmp_path, TOKENS, target_hardware="AX615")
    results: list[np.ndarray] = []
    traffic: list[int] = []
    told: list[str] = []
    for words in [(), ("--compiler.enable_slice_mode",), ("--quant.transformer_opt_level", "1")]:
        out = tmp_path / f"out{len(results)}"
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", out, *words)
        assert outcome.code == 0, outcome.err
        traffic.append(ddr_bytes(read_axmodel(out / "compiled.axmodel")))
        session = InferenceSession(str(out / "compiled.axmodel"))
        results.append(session.run(None, feed)[0])
        told.append((out / "build.log").read_text())
    # Without, the scores and what Softmax makes of them are stored and loaded.
    scores = HEADS * TOKENS * TOKENS
    assert traffic[0] - traffic[1] > 3.5 * scores
    assert np.array_equal(results[0], results[1])
    segment = "to [node 'context']: "
    assert [segment in text for text in told] == [False, True, True]


def test_slices_move_less_and_compute_the_same(tmp_path: Path) -> None:
    make_model(tmp_path / "model.onnx")
    data = tmp_path / "data"
    data.mkdir()
    sample = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    np.save(data / "0.npy", sample)
    config = {
        "input": str(tmp_path / "model.onnx"),
        "target_hardware": "AX615",
        "quant": {
            "input_configs": [
                {
                    "tensor_name": "t0",
                    "calibration_dataset": str(data),
                    "calibration_size": 1,
                    "calibration_format": "Numpy",
                }
            ]
        },
    }
    (tmp_path / "c.json").write_text(json.dumps(config))
    results: list[np.ndarray] = []
    traffic: list[int] = []
    for words in [(), ("--compiler.enable_slice_mode",), ("--compiler.enable_tile_mode",)]:
        out = tmp_path / f"out{len(results)}"
        outcome = run("build", "--config", tmp_path / "c.json", "--output_dir", out, *words)
        assert outcome.code == 0, outcome.err
        traffic.append(ddr_bytes(read_axmodel(out / "compiled.axmodel")))
        session = InferenceSession(str(out / "compiled.axmodel"))
        results.append(session.run(None, {"t0": sample})[0])
    assert max(traffic[1:]) < 0.7 * traffic[0]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
