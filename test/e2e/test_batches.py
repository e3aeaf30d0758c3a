"""Several batch sizes, and groups of input sizes, in one compiled model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cases import Outcome, add, run
from onnx import helper, numpy_helper

from pulsar2.axmodel import read_axmodel
from pulsar2.runtime import InferenceSession

SIZE = 16


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Any:
    """Builds the first example with `options` of the compiler and other changes."""

    def with_options(*words: str | Path, code: int = 0, **options: Any) -> Outcome:
        value = json.loads((built / "out" / "build_context.json").read_text())
        value["input_processors"][0] |= options.pop("processor", {})
        value |= options.pop("root", {})
        value["compiler"] |= options
        (tmp_path / "c.json").write_text(json.dumps(value))
        outcome = run(
            "build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out", *words
        )
        assert outcome.code == code, outcome.err
        return outcome

    return with_options


def images(count: int, size: int = SIZE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(0, 256, (count, size, size, 3), np.uint8)


def singles(path: Path, batch: np.ndarray[Any, Any], **where: Any) -> np.ndarray[Any, Any]:
    """What the model of batch one computes, sample by sample."""
    session = InferenceSession(path)
    return np.concatenate([session.run(None, {"input": b[None]}, **where)[0] for b in batch])


def test_static_batches_compute_the_same_and_share_weights(
    build: Any, built: Path, tmp_path: Path
) -> None:
    outcome = build(static_batch_sizes=[1, 2, 4], check=2)
    assert "graph [subgraph_npu_0] batchs [1, 2, 4]" in outcome.err
    assert outcome.err.count("check npu graph [subgraph_npu_0] [output]") == 3
    path = tmp_path / "out" / "compiled.axmodel"
    alone = read_axmodel(built / "out" / "compiled.axmodel")
    model = read_axmodel(path)
    assert model.batches == (1, 2, 4)
    assert model.inputs[0].shape == (4, SIZE, SIZE, 3)
    assert model.outputs[0].shape == (4, 10)
    assert len(model.params) < 1.3 * len(alone.params)
    assert model.subgraphs[0].programs[0].code == alone.subgraphs[0].programs[0].code
    batch = images(7)
    (got,) = InferenceSession(path).run(None, {"input": batch})
    np.testing.assert_array_equal(got, singles(built / "out" / "compiled.axmodel", batch))


def test_dynamic_batches_stop_where_they_do_not_pay(build: Any, tmp_path: Path) -> None:
    build("--compiler.max_dynamic_batch_size", "7")
    model = read_axmodel(tmp_path / "out" / "compiled.axmodel")
    assert model.inputs[0].shape == (7, SIZE, SIZE, 3)
    assert model.batches[0] == 1
    assert set(model.batches) <= {1, 2, 4}
    figures = model.figures
    times = [figures["latency_us"]]
    times += [figures[f"latency_us_g0_b{b}"] / b for b in model.batches[1:]]
    assert times == sorted(times, reverse=True)
    batch = images(9)
    (got,) = InferenceSession(tmp_path / "out" / "compiled.axmodel").run(None, {"input": batch})
    assert got.shape == (9, 10)


def test_run_splits_a_batch(build: Any, built: Path, tmp_path: Path) -> None:
    build(static_batch_sizes=[4, 1, 2])
    batch = images(9)
    (tmp_path / "in").mkdir()
    batch.tofile(tmp_path / "in" / "input.bin")
    words = ("--model", tmp_path / "out" / "compiled.axmodel", "--input_dir", tmp_path / "in")
    outcome = run("run", *words, "--output_dir", tmp_path / "o", "--batch_size", "9")
    assert outcome.code == 0, outcome.err
    written = np.fromfile(tmp_path / "o" / "output.bin", np.float32).reshape(9, 10)
    np.testing.assert_array_equal(written, singles(built / "out" / "compiled.axmodel", batch))
    outcome = run("run", *words, "--output_dir", tmp_path / "o")
    assert outcome.code == 1
    assert f"expected {4 * SIZE * SIZE * 3}: uint8[4, 16, 16, 3]" in outcome.err


def test_groups_of_sizes(build: Any, built: Path, tmp_path: Path) -> None:
    outcome = build(
        static_batch_sizes=[1, 2], processor={"src_extra_shapes": [{"shape": [1, 3, 24, 24]}]}
    )
    assert "extra input shape, index: 1, shape: {'input': (1, 3, 24, 24)}" in outcome.err, (
        outcome.err
    )
    assert "subgraph [1], group: 1, type: GraphType.NPU" in outcome.err
    path = tmp_path / "out" / "compiled.axmodel"
    model = read_axmodel(path)
    assert [s.name for s in model.subgraphs] == ["subgraph_npu_0", "subgraph_npu_0_g1"]
    alone = read_axmodel(built / "out" / "compiled.axmodel")
    assert len(model.params) < 1.3 * len(alone.params)
    session = InferenceSession(path)
    assert session.get_inputs(1)[0].shape == (2, 24, 24, 3)
    (first,) = session.run(None, {"input": images(3)})
    np.testing.assert_array_equal(first, singles(built / "out" / "compiled.axmodel", images(3)))
    (second,) = session.run(None, {"input": images(3, 24)}, shape_group=1)
    floats = onnx.load(built / "model.onnx")
    floats.graph.input[0].CopyFrom(helper.make_tensor_value_info("input", 1, [3, 3, 24, 24]))
    import onnxruntime

    reference = onnxruntime.InferenceSession(floats.SerializeToString())
    normal = ((images(3, 24).astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    (expected,) = reference.run(None, {"input": normal})
    assert np.corrcoef(second.ravel(), expected.ravel())[0, 1] > 0.99
    (tmp_path / "in").mkdir()
    images(2, 24).tofile(tmp_path / "in" / "input.bin")
    words = ("--model", path, "--input_dir", tmp_path / "in", "--output_dir", tmp_path / "o")
    outcome = run("run", *words, "--group_index", "1")
    assert outcome.code == 0, outcome.err
    written = np.fromfile(tmp_path / "o" / "output.bin", np.float32).reshape(2, 10)
    np.testing.assert_array_equal(written, second[:2])
    assert "the model has no group 2" in run("run", *words, "--group_index", "2").err


def test_soft_compression(build: Any, built: Path, tmp_path: Path) -> None:
    build("--compiler.enable_data_soft_compression")
    plain, packed = built / "out" / "compiled.axmodel", tmp_path / "out" / "compiled.axmodel"
    assert packed.stat().st_size < 0.8 * plain.stat().st_size
    first, second = read_axmodel(plain), read_axmodel(packed)
    assert (first.groups, second.compressed) == (second.groups, True)
    np.testing.assert_array_equal(first.params, second.params)
    with InferenceSession(packed, None, [("AxEngineExecutionProvider", {})]) as session:
        (got,) = session.run(["output"], {"input": images(2)}, None, 0)
    np.testing.assert_array_equal(got, singles(plain, images(2)))


def model_with(
    tmp_path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Any], shape: list[int]
) -> list[str | Path]:
    """A model of one input, and the words that build it with numpy data."""
    import io
    import tarfile

    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        for index in range(4):
            data = io.BytesIO()
            np.save(data, np.random.default_rng(index).normal(size=shape).astype(np.float32))
            add(archive, f"{index}.npy", data.getvalue())
    entry = {
        "tensor_name": "DEFAULT", "calibration_dataset": str(tmp_path / "d.tar"),
        "calibration_format": "Numpy",
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps({"quant": {"input_configs": [entry]}}))
    return [
        "build", "--input", tmp_path / "m.onnx", "--config", tmp_path / "c.json",
        "--output_dir", tmp_path / "out", "--compiler.static_batch_sizes", "1", "3",
    ]  # fmt: skip


def tokens(tmp_path: Path) -> list[str | Path]:
    """A model as a transformer begins: Reshapes with the batch in them, and a class token."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["r"], "reshape"),
        helper.make_node("Concat", ["token", "r"], ["c"], "concat", axis=1),
        helper.make_node("MatMul", ["c", "w"], ["m"], "matmul"),
        helper.make_node("Reshape", ["m", "t"], ["h"], "heads"),
        helper.make_node("Transpose", ["h"], ["y"], "transpose", perm=[0, 2, 1, 3]),
    ]
    constants = {
        "s": np.array([1, 4, 8]), "t": np.array([1, 5, 2, 4]),
        "token": rng.normal(size=(1, 1, 8)).astype(np.float32),
        "w": rng.normal(size=(8, 8)).astype(np.float32),
    }  # fmt: skip
    return model_with(tmp_path, nodes, constants, [1, 8, 4])


def test_reshapes_are_repaired(tmp_path: Path) -> None:
    words = tokens(tmp_path)
    outcome = run(*words, "--compiler.check", "2")
    assert outcome.code == 0, outcome.err
    path = tmp_path / "out" / "compiled.axmodel"
    x = np.random.default_rng(9).normal(size=(3, 8, 4)).astype(np.float32)
    session = InferenceSession(path)
    (together,) = session.run(None, {"x": x})
    apart = [session.run(None, {"x": x[i : i + 1]})[0] for i in range(3)]
    assert together.shape == (3, 2, 5, 4)
    np.testing.assert_array_equal(together, np.concatenate(apart))


def test_disable_ir_fix_leaves_reshapes_alone(tmp_path: Path) -> None:
    outcome = run(*tokens(tmp_path), "--compiler.disable_ir_fix")
    assert outcome.code == 1
    assert "batch 3: " in outcome.err
    assert "reshape" in outcome.err
    assert not (tmp_path / "out" / "compiled.axmodel").exists()


def test_a_model_that_mixes_samples_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["r"], "flat"),
        helper.make_node("Transpose", ["r"], ["t"], "transpose", perm=[1, 0]),
        helper.make_node("Relu", ["t"], ["u"], "relu"),
        helper.make_node("Reshape", ["u", "v"], ["y"], "back"),
    ]
    words = model_with(tmp_path, nodes, {"s": np.array([4, 8]), "v": np.array([1, 32])}, [1, 8, 4])
    outcome = run(*words)
    assert outcome.code == 1
    assert "the output 'y' is not what the model computes for each sample by itself" in outcome.err


def test_sizes_that_do_not_fit_are_refused(build: Any, built: Path, tmp_path: Path) -> None:
    extra = {"src_extra_shapes": [{"shape": [1, 3, 24]}]}
    outcome = build(processor=extra, code=1)
    assert "the input 'input' has 4 dimensions, its extra shape 3" in outcome.err
    outcome = build(processor={"src_extra_shapes": [{"shape": [1, 3, 0, 4]}]}, code=1)
    assert "input_processors[0].src_extra_shapes[0].shape: [1, 3, 0, 4] is not a shape" in (
        outcome.err
    )
    outcome = run(
        "build", "--input", built / "out" / "quant" / "quant_axmodel.onnx", "--model_type",
        "QuantAxModel", "--output_dir", tmp_path / "q", "--compiler.static_batch_sizes", "1", "2",
    )  # fmt: skip
    assert outcome.code == 1
    assert "a QuantAxModel has the sizes that it was quantized with" in outcome.err
