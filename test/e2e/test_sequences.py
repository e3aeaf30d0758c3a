"""Models whose inputs and outputs are sequences and optional values, through build and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, run
from onnx import TensorProto, helper, numpy_helper

from pulsar2.axmodel import read_axmodel
from pulsar2.diagnostics import UserError
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.runtime import InferenceSession

_F = TensorProto.FLOAT
_RNG = np.random.default_rng(0)
_TENSOR = helper.make_tensor_type_proto(_F, [1, 4, 8, 8])
_SEQUENCE = helper.make_sequence_type_proto(_TENSOR)
_ANY = helper.make_sequence_type_proto(helper.make_tensor_type_proto(_F, None))


def array(*shape: int) -> Any:
    return _RNG.normal(0, 1, shape).astype(np.float32)


def network(path: Path) -> Path:
    """A convolution on the NPU, whose result meets tensors of a sequence on the CPU."""
    weights = {"w": 0.3 * array(4, 3, 3, 3), "zero": np.int64(0)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("SequenceAt", ["s", "zero"], ["first"], "at"),
        helper.make_node("Add", ["c", "first"], ["y"], "add"),
        helper.make_node("SequenceInsert", ["s", "y"], ["longer"], "insert"),
        helper.make_node("SplitToSequence", ["y"], ["parts"], "split", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "sequences",
        [
            helper.make_tensor_value_info("x", _F, [1, 3, 8, 8]),
            helper.make_value_info("s", _SEQUENCE),
        ],
        [
            helper.make_tensor_value_info("y", _F, [1, 4, 8, 8]),
            helper.make_value_info("longer", _SEQUENCE),
            helper.make_value_info("parts", _ANY),
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    return path


def configuration(folder: Path, *, tensor_name: str = "DEFAULT", **entry: Any) -> Path:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    for index in range(3):
        sample = {"x": array(1, 3, 8, 8), "s": [array(1, 4, 8, 8) for _ in range(index + 1)]}
        np.save(data / f"{index}.npy", sample, allow_pickle=True)  # pyright: ignore
    given = {
        "tensor_name": tensor_name,
        "calibration_dataset": str(data),
        "calibration_format": "NumpyObject",
        "calibration_size": 3,
        **entry,
    }
    path = folder / "config.json"
    path.write_text(json.dumps({"quant": {"input_configs": [given]}}))
    return path


def build(folder: Path, config: Path, *words: str) -> Outcome:
    return run(
        "build", "--input", folder / "model.onnx", "--config", config, "--output_dir",
        folder / "out", "--target_hardware", "AX650", *words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    network(folder / "model.onnx")
    words = ("--compiler.check", "1", "--onnx_opt.model_check")
    outcome = build(folder, configuration(folder), *words)
    assert outcome.code == 0, outcome.err
    assert "[longer], a sequence of 2: float32[1, 4, 8, 8]" in outcome.err
    assert "the optimized model computes what the original does on 3 sample(s)" in outcome.err
    return folder


def test_a_session_takes_and_gives_lists(built: Path) -> None:
    session = InferenceSession(built / "out" / "compiled.axmodel")
    assert [i.type for i in session.get_inputs()] == ["tensor(float)", "seq(tensor(float))"]
    assert session.get_outputs()[1].form == "sequence"
    assert [type(s).__name__ for s in session.model.subgraphs].count("NpuSubgraph") == 1
    sample: Any = np.load(built / "data" / "2.npy", allow_pickle=True).item()
    got = dict(zip(("y", "longer", "parts"), session.run(None, sample), strict=True))
    expected = FloatModel(built / "model.onnx").run(sample)
    wanted: Any = expected["y"]
    step = np.abs(wanted).max() / 255
    assert np.abs(got["y"] - wanted).max() < 3 * step
    assert difference(got["longer"][:-1], sample["s"]) == ""
    assert difference(got["longer"][-1], got["y"]) == ""
    assert [p.shape for p in got["parts"]] == [(1, 1, 8, 8)] * 4
    assert difference(np.concatenate(got["parts"], axis=1), got["y"]) == ""


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ({"s": array(1, 4, 8, 8)}, "input 's' is float32[1, 4, 8, 8] (a list of float32[1, 4, 8"),
        ({"s": [array(1, 4, 8, 7)]}, "input 's' is a sequence of 1: float32[1, 4, 8, 7] (a list"),
        ({"s": None}, "input 's' is nothing (a list of float32[1, 4, 8, 8] arrays)"),
        ({}, "input 's' is missing"),
        ({"x": array(2, 3, 8, 8), "s": [array(1, 4, 8, 8)]}, "hold 2 samples, but s is no tensor"),
    ],
)
def test_what_does_not_fit_is_refused(built: Path, feed: dict[str, Any], words: str) -> None:
    session = InferenceSession(built / "out" / "compiled.axmodel")
    with pytest.raises(UserError) as caught:
        session.run(None, {"x": array(1, 3, 8, 8)} | feed)
    assert words in str(caught.value)


def test_files_of_a_run(built: Path) -> None:
    def simulate(model: Path, target: str, *words: str) -> Path:
        outcome = run(
            "run", "--model", model, "--input_dir", built / "in", "--output_dir",
            built / target, *words,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        return built / target

    compiled = built / "out" / "compiled.axmodel"
    stale = built / "npu" / "longer" / "7.npy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    npu = simulate(compiled, "npu", "--random_input")
    assert sorted(f.name for f in (built / "in" / "s").iterdir()) == ["0.npy", "1.npy"]
    assert sorted(f.name for f in (npu / "longer").iterdir()) == ["0.npy", "1.npy", "2.npy"]
    qdq = simulate(built / "out" / "quant" / "quant_axmodel.onnx", "qdq")
    for name in ("longer/0.npy", "longer/2.npy", "parts/3.npy"):
        np.testing.assert_allclose(np.load(npu / name), np.load(qdq / name), atol=1e-6)
    (built / "in" / "s" / "0.npy").unlink()
    outcome = run(
        "run", "--model", compiled, "--input_dir", built / "in", "--output_dir", built / "no",
    )  # fmt: skip
    assert outcome.code == 1
    assert "its .npy files are 1.npy" in outcome.err


def test_the_configuration_is_held_against_the_forms(tmp_path: Path) -> None:
    network(tmp_path / "model.onnx")
    config = configuration(tmp_path, calibration_format="Numpy", calibration_mean=[1.0])
    words = ("--compiler.static_batch_sizes", "1", "2", "--quant.precision_analysis")
    outcome = build(tmp_path, config, *words)
    assert outcome.code == 1
    assert "calibration_format Numpy cannot hold" in outcome.err
    assert "what is not a tensor has no batch" in outcome.err
    assert "it is for models whose inputs and outputs are all tensors" in outcome.err
    np.save(tmp_path / "data" / "1.npy", {"x": array(1, 3, 8, 8), "s": [array(2).astype(int)]})
    outcome = build(tmp_path, configuration_only(tmp_path))
    assert outcome.code == 1
    assert "the data for input 's' are a sequence of 1: int64[2]" in outcome.err


def configuration_only(folder: Path) -> Path:
    """The configuration again, the data as they are."""
    path = folder / "config.json"
    said = json.loads(path.read_text())
    said["quant"]["input_configs"][0] |= {"calibration_format": "NumpyObject"}
    del said["quant"]["input_configs"][0]["calibration_mean"]
    path.write_text(json.dumps(said))
    return path


def test_an_optional_value_may_be_missing(tmp_path: Path) -> None:
    """Optional tensors and sequences go in and out by the session and by files."""
    tensor = helper.make_optional_type_proto(helper.make_tensor_type_proto(_F, [3]))
    several = helper.make_optional_type_proto(_ANY)
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["a"], ["c"], "tensor"),
            helper.make_node("Identity", ["b"], ["d"], "sequence"),
        ],
        "optional",
        [helper.make_value_info("a", tensor), helper.make_value_info("b", several)],
        [helper.make_value_info("c", tensor), helper.make_value_info("d", several)],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(
        helper.make_model(graph, opset_imports=[opset], ir_version=10), tmp_path / "model.onnx"
    )
    data = tmp_path / "data"
    data.mkdir()
    np.save(data / "0.npy", {"a": None, "b": [array(2), array(3)]}, allow_pickle=True)  # pyright: ignore
    outcome = build(tmp_path, configuration(tmp_path))
    assert "the dictionary has no entry for input 'a'" in outcome.err
    for name in ("1.npy", "2.npy"):
        (data / name).unlink()
    np.save(data / "0.npy", {"a": None, "b": [array(2), array(3)]}, allow_pickle=True)  # pyright: ignore
    outcome = build(tmp_path, tmp_path / "config.json")
    assert outcome.code == 0, outcome.err
    compiled = tmp_path / "out" / "compiled.axmodel"
    told = [(t.form, t.element_shape) for t in read_axmodel(compiled).inputs]
    assert told == [("optional", (3,)), ("optional sequence", None)]
    session = InferenceSession(compiled)
    assert session.get_inputs()[1].type == "optional(seq(tensor(float)))"
    value = array(3)
    assert session.run(None, {"a": None, "b": None}) == [None, None]
    assert difference(session.run(["c"], {"a": value, "b": []})[0], value) == ""

    def simulate() -> set[str]:
        outcome = run(
            "run", "--model", compiled, "--input_dir", tmp_path / "in", "--output_dir",
            tmp_path / "o",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        return {str(f.relative_to(tmp_path / "o")) for f in (tmp_path / "o").rglob("*.npy")}

    (tmp_path / "in" / "b").mkdir(parents=True)
    np.save(tmp_path / "in" / "a.npy", value)
    np.save(tmp_path / "in" / "b" / "0.npy", value)
    assert simulate() == {"c.npy", "d/0.npy"}
    (tmp_path / "in" / "a.npy").unlink()
    assert simulate() == {"d/0.npy"}
