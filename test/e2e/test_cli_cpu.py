"""`pulsar2 build` and `pulsar2 run` of models that the NPU runs in part, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, classifier, configuration, pictures, run, write_config
from onnx import helper

from pulsar2.axmodel import read_axmodel

_NODES = [
    helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", strides=[2, 2], pads=[1] * 4),
    helper.make_node("ThresholdedRelu", ["c"], ["r"], "cut", alpha=0.2),
    helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
    helper.make_node("Flatten", ["p"], ["f"], "flatten"),
    helper.make_node("Gemm", ["f", "fc"], ["g"], "gemm"),
    helper.make_node("ThresholdedRelu", ["g"], ["output"], "keep", alpha=-1e6),
    helper.make_node("ArgMax", ["output"], ["which"], "best", axis=1, select_last_index=1),
]


def build_file(model: Path, folder: Path, *words: str) -> Outcome:
    """Builds a model of pictures for AX650 into `folder`/out."""
    write_config(folder / "config.json", configuration(pictures(folder / "data.tar")))
    return run(
        "build", "--input", model, "--config", folder / "config.json", "--output_dir",
        folder / "out", "--target_hardware", "AX650", *words,
    )  # fmt: skip


def build(folder: Path, nodes: list[onnx.NodeProto], *words: str) -> Outcome:
    """Builds a network of these nodes, whose outputs are `output` and, where made, `which`."""
    path = classifier(folder / "model.onnx", nodes=nodes)
    model = onnx.load(path)
    if any("which" in n.output for n in nodes):
        model.graph.output.append(helper.make_tensor_value_info("which", 7, None))
    onnx.save(model, path)
    return build_file(path, folder, *words)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("mixed")
    return folder, build(folder, _NODES, "--debug.dump_ir")


def simulate(folder: Path, model: str, name: str, *words: str) -> dict[str, np.ndarray[Any, Any]]:
    outcome = run(
        "run", "--model", folder / model, "--input_dir", folder / "in", "--output_dir",
        folder / name, *words,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    files = {"output": np.dtype(np.float32), "which": np.dtype(np.int64)}
    return {
        n: np.frombuffer((folder / name / f"{n}.bin").read_bytes(), t) for n, t in files.items()
    }


def test_the_user_is_told(mixed: tuple[Path, Outcome]) -> None:
    folder, outcome = mixed
    assert outcome.code == 0, outcome.err
    assert (
        "3 node(s) run on the CPU, not on the NPU of AX650: ArgMax, ThresholdedRelu (2)"
        in outcome.err
    )
    assert "subgraph [0], group: 0, type: GraphType.NPU" in outcome.err
    assert "subgraph [1], group: 0, type: GraphType.CPU" in outcome.err
    assert "assemble model [1] [subgraph_cpu_0] b1" in outcome.err
    assert "fuse 4 subgraph(s)" in outcome.err
    assert "Nodes on the CPU" in outcome.out
    assert "the operator is not supported on the NPU" in outcome.out
    assert "subgraph_npu_0, subgraph_cpu_0, subgraph_npu_1, subgraph_cpu_1" in outcome.out
    assert "the time of 2 CPU subgraph(s) is not told" in outcome.out
    log = (folder / "out" / "build.log").read_text()
    assert "on the CPU: node 'cut' (ThresholdedRelu): the operator is not supported" in log
    told = json.loads((folder / "out" / "compiler" / "cpu_nodes.json").read_text())
    assert [(n, [e["node"] for e in entries]) for n, entries in told.items()] == [
        ("subgraph_cpu_0", ["cut"]),
        ("subgraph_cpu_1", ["keep", "best"]),
    ]
    assert told["subgraph_cpu_0"][0]["kind"] == "operator"


def test_every_simulator_says_the_same(mixed: tuple[Path, Outcome]) -> None:
    folder, _ = mixed
    quantized = "out/quant/quant_axmodel.onnx"
    compiled = simulate(folder, "out/compiled.axmodel", "compiled", "--random_input")
    program = simulate(
        folder, quantized, "program", "--mode", "NPUBackend", "--target_hardware", "AX650"
    )
    reference = simulate(folder, quantized, "reference", "--mode", "Reference")
    for name, values in compiled.items():
        np.testing.assert_array_equal(program[name], values)
    step = np.abs(reference["output"]).max() / 100
    assert np.abs(compiled["output"] - reference["output"]).max() <= step
    inner = folder / "inner"
    outcome = run(
        "run", "--model", folder / quantized, "--input_dir", folder / "in", "--output_dir", inner,
        "--mode", "NPUBackend", "--target_hardware", "AX650", "--enable_perlayer_output",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    cut = np.frombuffer((inner / "r.bin").read_bytes(), np.float32)
    assert cut.size == 8 * 8 * 8
    assert not ((cut > 0) & (cut < 0.2)).any()


def test_the_quantized_model_builds_to_the_same_bytes(mixed: tuple[Path, Outcome]) -> None:
    folder, _ = mixed
    outcome = run(
        "build", "--model_type", "QuantAxModel", "--input",
        folder / "out" / "quant" / "quant_axmodel.onnx", "--output_dir", folder / "again",
        "--target_hardware", "AX650",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "3 node(s) run on the CPU" in outcome.err
    first, second = (folder / n / "compiled.axmodel" for n in ("out", "again"))
    assert first.read_bytes() == second.read_bytes()
    told = [folder / n / "compiler" / "cpu_nodes.json" for n in ("out", "again")]
    assert told[0].read_text() == told[1].read_text()


def test_a_model_for_the_cpu_alone(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ThresholdedRelu", ["input"], ["a"], "cut"),
        helper.make_node("Flatten", ["a"], ["output"], "flat"),
    ]
    outcome = build(tmp_path, nodes)
    assert outcome.code == 0, outcome.err
    assert "no node runs on the NPU of AX650: the CPU runs the whole model" in outcome.err
    assert "max_cycle = 0" in outcome.err
    assert "none: the CPU runs the whole model" in outcome.out
    model = read_axmodel(tmp_path / "out" / "compiled.axmodel")
    assert [s.name for s in model.subgraphs] == ["subgraph_cpu_0"]
    assert (model.target, model.npu_mode) == ("AX650", "NPU1")
    outcome = run(
        "run", "--model", tmp_path / "out" / "compiled.axmodel", "--input_dir", tmp_path / "in",
        "--output_dir", tmp_path / "sim", "--random_input",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "sim" / "output.bin").stat().st_size == 4 * 3 * 16 * 16


def test_a_limit_of_the_chip_is_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv"),
        helper.make_node("Pad", ["c", "pads"], ["p"], "mirror", mode="reflect"),
        helper.make_node("Relu", ["p"], ["output"], "relu"),
    ]
    path = classifier(tmp_path / "model.onnx", nodes=nodes)
    model = onnx.load(path)
    pads = np.asarray([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    model.graph.initializer.append(onnx.numpy_helper.from_array(pads, "pads"))
    onnx.save(model, path)
    outcome = build_file(path, tmp_path)
    assert outcome.code == 0, outcome.err
    (entry,) = json.loads((tmp_path / "out" / "compiler" / "cpu_nodes.json").read_text())[
        "subgraph_cpu_0"
    ]
    assert entry == {
        "node": "mirror",
        "operator": "Pad",
        "kind": "attribute",
        "message": "mode is reflect, but AX650 has the limit: mode is constant",
        "attribute": "mode",
        "value": "reflect",
        "limit": "mode is constant",
    }


def test_every_limit_is_told_and_those_that_are_passed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv"),
        helper.make_node(
            "MaxPool", ["c"], ["m"], "wide", kernel_shape=[2, 2], strides=[2, 2], dilations=[2, 2]
        ),
        helper.make_node(
            "ConvTranspose", ["m", "up"], ["output"], "both",
            dilations=[2, 2], strides=[2, 2], output_padding=[1, 1],
        ),
    ]  # fmt: skip
    path = classifier(tmp_path / "model.onnx", nodes=nodes)
    model = onnx.load(path)
    channels = next(t.dims[0] for t in model.graph.initializer if t.name == "w")
    weight = np.ones((channels, 2, 2, 2), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "up"))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, path)
    outcome = build_file(path, tmp_path)
    assert outcome.code == 0, outcome.err
    told = json.loads((tmp_path / "out" / "compiler" / "cpu_nodes.json").read_text())
    (entry,) = told["subgraph_cpu_0"]
    assert entry["node"] == "both"
    assert entry["limit"] == ("dilations are 1; output_padding is within the bottom and right pads")
    assert "dilations is 2, 2, but AX650 has the limit" in entry["message"]
    assert "operand 0 is output_padding [1, 1] with pads [0, 0, 0, 0]" in entry["message"]
    assert (
        "beyond the support list of AX650, and on its NPU all the same: node 'wide' (MaxPool): "
        "dilations is 2, 2, the limit: dilations are 1" in outcome.err
    )
