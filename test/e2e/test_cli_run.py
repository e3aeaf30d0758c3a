"""`pulsar2 run` and the Python runtime."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import run

from pulsar2.diagnostics import UserError
from pulsar2.runtime import InferenceSession, split_batches


def session_outputs(path: Path, feeds: dict[str, np.ndarray[Any, Any]]) -> Any:
    return InferenceSession(path).run(None, feeds)


def test_run_compares_all_kinds_of_models(built: Path) -> None:
    """Float, quantized in both modes, compiled: near, within a step, and equal."""
    simulations = built / "list.txt"
    simulations.write_text("0\na/1\n\n")
    out = built / "out"
    results: dict[str, np.ndarray[Any, Any]] = {}
    for name, model, words in (
        ("npu", out / "compiled.axmodel", ["--random_input"]),
        ("npu2", out / "quant" / "quant_axmodel.onnx", ["--mode", "NPUBackend"]),
        ("reference", out / "quant" / "quant_axmodel.onnx", []),
    ):
        outcome = run(
            "run", "--model", model, "--input_dir", built / "in", "--output_dir", built / name,
            "--list", simulations, *words,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        assert outcome.out.splitlines()[-6:] == [
            ">>> [0] start",
            f"write [output] to [{built / name / '0' / 'output.bin'}] successfully",
            ">>> [0] finish",
            ">>> [a/1] start",
            f"write [output] to [{built / name / 'a' / '1' / 'output.bin'}] successfully",
            ">>> [a/1] finish",
        ]
        results[name] = np.fromfile(built / name / "a" / "1" / "output.bin", np.float32)
    np.testing.assert_array_equal(results["npu"], results["npu2"])
    picture = np.fromfile(built / "in" / "a" / "1" / "input.bin", np.uint8).reshape(1, 16, 16, 3)
    (expected,) = session_outputs(out / "compiled.axmodel", {"input": picture})
    np.testing.assert_array_equal(results["npu"], expected.reshape(-1))
    step = np.diff(np.unique(results["npu"])).min()
    assert np.abs(results["npu"] - results["reference"]).max() <= 1.01 * step
    floats = ((picture.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    floats.tofile(built / "in" / "input.bin")
    outcome = run(
        "run", "--model", built / "model.onnx", "--input_dir", built / "in",
        "--output_dir", built / "float",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    exact = np.fromfile(built / "float" / "output.bin", np.float32)
    cosine = exact @ results["npu"] / np.linalg.norm(exact) / np.linalg.norm(results["npu"])
    assert cosine > 0.99


def test_run_with_batches_repeats_a_model_of_batch_one(built: Path) -> None:
    session = InferenceSession(
        built / "out" / "compiled.axmodel", providers=["AxEngineExecutionProvider"]
    )
    batch = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    (built / "batch").mkdir()
    batch.tofile(built / "batch" / "input.bin")
    outcome = run(
        "run", "--model", built / "out" / "compiled.axmodel", "--input_dir", built / "batch",
        "--output_dir", built / "batch_out", "--batch_size", "3",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (together,) = session.run(None, {"input": batch})
    (single,) = session.run(["output"], {"input": batch[1:2]})
    np.testing.assert_array_equal(together[1:2], single)
    written = np.fromfile(built / "batch_out" / "output.bin", np.float32)
    np.testing.assert_array_equal(written, together.reshape(-1))


@pytest.mark.parametrize(
    ("model", "tensors"),
    [("model.onnx", {"c", "r", "p", "f", "output"}), ("out/quant/quant_axmodel.onnx", {"output"})],
)
def test_run_writes_inner_tensors(built: Path, model: str, tensors: set[str]) -> None:
    target = built / f"inner_{Path(model).stem}"
    outcome = run(
        "run", "--model", built / model, "--input_dir", target, "--output_dir", target / "o",
        "--random_input", "--enable_perlayer_output",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    written = {p.stem for p in (target / "o").glob("*.bin")}
    assert tensors <= written
    assert len(written) > 3


def test_run_writes_the_tensors_between_subgraphs(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["compiler"]["sub_configs"] = [{"start_tensor_names": ["r"], "end_tensor_names": ["p"]}]
    value["compiler"]["static_batch_sizes"] = [1, 2]
    (tmp_path / "c.json").write_text(json.dumps(value))
    assert run("build", "--config", tmp_path / "c.json", "--output_dir", tmp_path / "out").code == 0
    words = [
        "run",
        "--model",
        tmp_path / "out" / "compiled.axmodel",
        "--input_dir",
        tmp_path / "in",
    ]
    words += ["--output_dir", tmp_path / "o", "--enable_perlayer_output"]
    outcome = run(*words, "--random_input", "--batch_size", "1")
    assert outcome.code == 0, outcome.err
    sizes = {p.stem: p.stat().st_size for p in (tmp_path / "o").glob("*.bin")}
    assert sizes == {"r": 8 * 8 * 8, "p": 8, "output": 40}
    outcome = run(*words, "--batch_size", "3")
    assert outcome.code == 1
    assert "--batch_size of 1, 2" in outcome.err
    whole = built / "out" / "compiled.axmodel"
    outcome = run(*words[:1], "--model", whole, *words[3:])
    assert outcome.code == 1
    assert "a single program, which keeps no inner tensors" in outcome.err


def test_run_takes_the_target_and_a_configuration_file(built: Path, tmp_path: Path) -> None:
    """Another chip computes the same in another time."""
    (tmp_path / "run.yaml").write_text(
        f"model: {built / 'out' / 'quant' / 'quant_axmodel.onnx'}\n"
        f"input_dir: {tmp_path / 'in'}\noutput_dir: {tmp_path / 'o'}\nmode: NPUBackend\n"
    )
    config = ["run", "--config", tmp_path / "run.yaml"]
    cycles: set[str] = set()
    results: set[bytes] = set()
    for words in (["--random_input"], ["--target_hardware", "AX620E"]):
        outcome = run(*config, *words)
        assert outcome.code == 0, outcome.err
        cycles |= {x.split("max_cycle = ")[1] for x in outcome.err.splitlines() if "max_cycle" in x}
        results.add((tmp_path / "o" / "output.bin").read_bytes())
    assert len(cycles) == 2
    assert len(results) == 1
    assert "has an effect on" in run(*config, "--mode", "Reference", *words).err
    compiled = ["--model", built / "out" / "compiled.axmodel"]
    outcome = run(*config, *compiled, "--mode", "Reference", *words)
    assert outcome.code == 1
    assert "--target_hardware: the model is compiled for AX650 (leaving it out)" in outcome.err
    assert "--mode: a compiled model has no mode Reference" in outcome.err


def test_session_refuses_what_does_not_fit(built: Path) -> None:
    session = InferenceSession(built / "out" / "compiled.axmodel")
    picture = np.zeros((1, 16, 16, 3), np.uint8)
    assert [(i.name, i.shape, i.dtype, i.type) for i in session.get_inputs()] == [
        ("input", (1, 16, 16, 3), "uint8", "tensor(uint8)")
    ]
    assert session.get_outputs()[0].type == "tensor(float)"
    for names, feeds, message in (
        (["outptu"], {"input": picture}, "there is no output 'outptu' (outputs: output; did you"),
        (None, {"imput": picture}, "there is no input 'imput'"),
        (None, {}, "input 'input' is missing"),
        (None, {"input": picture.astype(np.float32)}, "expected uint8[n, 16, 16, 3], n samples"),
        (None, {"input": picture[:, :8]}, "input 'input' is uint8[1, 8, 16, 3]"),
        (
            None,
            {"input": picture[:0]},
            "hold 0 samples (the same number, at least 1, in each)",
        ),
        (None, {"input": [1, 2]}, "input 'input' is int64[2]"),
    ):
        with pytest.raises(UserError) as caught:
            session.run(names, feeds)
        assert message in str(caught.value)
    with pytest.raises(UserError) as caught:
        session.run(["a", "b"], {"c": picture})
    assert len(caught.value.diagnostics) == 4  # all at once
    with pytest.raises(UserError, match="unknown provider 'CUDA"):
        InferenceSession(built / "out" / "compiled.axmodel", providers=["CUDAExecutionProvider"])


def test_a_script_for_pyaxengine_runs(built: Path) -> None:
    """What pyaxengine's own examples use, with only the import changed."""
    import pulsar2.runtime as axe

    options = axe.SessionOptions()
    options.intra_op_num_threads = 1
    assert axe.axengine_provider_name in axe.get_available_providers()
    for providers in (None, axe.axclrt_provider_name, [(axe.axengine_provider_name, {"id": 0})]):
        path = str(built / "out" / "compiled.axmodel")
        with axe.InferenceSession(path, options, providers=providers) as session:
            assert session.get_session_options() is options
            (given,) = session.get_inputs()
            image = np.zeros((given.shape[1], given.shape[2], 3), np.uint8)[None]
            assert image.shape == given.shape
            assert image.dtype == given.dtype
            (scores,) = session.run(["output"], {given.name: image}, None, shape_group=0)
            assert scores.shape == session.get_outputs(shape_group=0)[0].shape
            assert (scores == session.run(None, {given.name: image})[0]).all()


def test_threads_share_a_session(built: Path) -> None:
    """Threads that run one session at once get what they would get alone."""
    session = InferenceSession(built / "out" / "compiled.axmodel")
    rng = np.random.default_rng(8)
    pictures = [rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8) for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda p: session.run(None, {"input": p})[0], pictures))
    for picture, got in zip(pictures, together, strict=True):
        np.testing.assert_array_equal(got, session.run(None, {"input": picture})[0])


def test_split_batches() -> None:
    assert split_batches(3, [1, 2, 4]) == [2, 1]
    assert split_batches(9, [1, 2, 4]) == [4, 4, 1]
    assert split_batches(3, [1]) == [1, 1, 1]
    assert split_batches(3, [2, 4]) == [2, 2]


def test_inner_tensors_of_the_program(built: Path, tmp_path: Path) -> None:
    model = built / "out" / "quant" / "quant_axmodel.onnx"
    found: dict[str, dict[str, np.ndarray]] = {}
    for index, mode in enumerate(["NPUBackend", "Reference"]):
        outcome = run(
            "run", "--model", model, "--input_dir", tmp_path / "in", "--output_dir",
            tmp_path / mode, "--mode", mode, "--enable_perlayer_output",
            *(["--random_input"] if index == 0 else []),
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        files = (tmp_path / mode).glob("*.bin")
        found[mode] = {f.stem: np.fromfile(f, np.float32) for f in files}
    assert {"r", "output"} <= set(found["NPUBackend"])
    np.testing.assert_allclose(
        found["NPUBackend"]["output"], found["Reference"]["output"], atol=0.05
    )
