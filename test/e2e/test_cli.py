"""`pulsar2 build | run | version` as a user meets them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from cases import classifier, configuration, pictures, run, write_config

from pulsar2.axmodel import read_axmodel
from pulsar2.config import load_build_config
from pulsar2.runtime import InferenceSession, split_batches
from pulsar2.version import version


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the guide's first example was built, with its IR dumped."""
    folder = tmp_path_factory.mktemp("built")
    classifier(folder / "model.onnx")
    write_config(folder / "config.json", configuration(pictures(folder / "data.tar")))
    outcome = run(
        "build", "--input", folder / "model.onnx", "--config", folder / "config.json",
        "--output_dir", folder / "out", "--target_hardware", "AX650", "--debug.dump_ir",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (folder / "log.txt").write_text(outcome.out + outcome.err)
    return folder


def session_outputs(path: Path, feeds: dict[str, np.ndarray[Any, Any]]) -> Any:
    return InferenceSession(path).run(None, feeds)


def test_help() -> None:
    assert run("--help").out.startswith("usage: pulsar2 [-h] {build,run,version}")
    assert run().code == 2
    assert "--quant.calibration_method" in run("build", "-h").out
    assert "--enable_perlayer_output" in run("run", "--help").out
    assert "did you mean 'build'" in run("bild").err


def test_version() -> None:
    assert run("version").out == f"version: {version()}\n"
    assert run("version", "x").code == 2


def test_the_installed_command_starts_quickly() -> None:
    command = shutil.which("pulsar2", path=str(Path(sys.executable).parent)) or "pulsar2"
    seconds: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([command, "build", "-h"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


def test_help_imports_no_compiler() -> None:
    code = (
        "import sys; from pulsar2.tools.pulsar2_main import main; main(['build', '-h']);"
        "print([m for m in ('xdsl', 'onnx', 'onnxruntime', 'numpy', 'loguru', 'rich') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_output_folder(built: Path) -> None:
    out = built / "out"
    files = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert {
        "build_context.json",
        "compiled.axmodel",
        "frontend/optimized.onnx",
        "quant/quant_axmodel.onnx",
        "quant/quant_axmodel.json",
        "quant/dataset/input/0.png",
        "build.log",
    } <= files
    assert not [f for f in files if ".tmp" in f]


def test_messages(built: Path) -> None:
    text = (built / "log.txt").read_text()
    for words in (
        "apply default output processor configuration to ['output']",
        "4 File(s) Loaded.",
        f"save optimized onnx to [{built / 'out' / 'frontend' / 'optimized.onnx'}]",
        "Quant Config Table",
        "Transformer optimize level: 0",
        "Calibration Progress(Phase 1)",
        "Network Snapshot",
        "preprocess tensor [input]",
        "op: AxDequantizeLinear",
        "op: AxNormalize",
        "op: AxTranspose",
        "QuantAxModel macs: ",
        "subgraph [0], group: 0, type: GraphType.NPU",
        "tiling op...",
        "build op...",
        "add ddr swap...",
        "calc input dependencies...",
        "max_cycle = ",
        "build jobs",
        "assemble model [0] [subgraph_npu_0] b1",
        "fuse 1 subgraph(s)",
        "latency estimate",
    ):
        assert words in text, words
    assert "\x1b" not in text
    assert "max_cycle" in (built / "out" / "build.log").read_text()


def test_the_written_configuration_builds_the_same_bytes(built: Path) -> None:
    context = built / "out" / "build_context.json"
    config = load_build_config(str(context))
    assert config.target_hardware == "AX650"
    assert config.quant.input_configs[0].calibration_mean == [127, 127, 127]
    again = run("build", "--config", context, "--output_dir", built / "again")
    assert again.code == 0, again.err
    first = (built / "out" / "compiled.axmodel").read_bytes()
    assert (built / "again" / "compiled.axmodel").read_bytes() == first


def test_the_compiled_model_has_the_runtime_interface(built: Path) -> None:
    model = read_axmodel(built / "out" / "compiled.axmodel")
    (tensor,) = model.inputs
    assert (tensor.name, tensor.dtype, tensor.shape) == ("input", np.uint8, (1, 16, 16, 3))
    (tensor,) = model.outputs
    assert (tensor.name, tensor.dtype, tensor.shape) == ("output", np.float32, (1, 10))
    assert model.figures["macs"] > 0
    assert model.figures["max_cycle"] > 0


def test_every_dumped_stage_continues_to_the_same_program(built: Path) -> None:
    """ax-opt, from each dump, gives the text of the last one."""
    folder = built / "out" / "ir"
    dumps = sorted(folder.glob("*.mlir"), key=lambda p: int(p.name.split("_")[0]))
    stages = [p.stem.split("_", 1)[1] for p in dumps]
    assert stages == [
        "import", "optimize", "calibrate", "preprocess", "quantize", "partition", "schedule", "emit",
    ]  # fmt: skip
    log = (built / "out" / "build.log").read_text()
    assert f"dump ir after [emit] to [{dumps[-1]}]" in log
    options = {
        "preprocess": '{inputs="input dtype=U8 layout=NHWC model-layout=NCHW '
        'mean=127.0,127.0,127.0 std=128.0,128.0,128.0"}',
        "schedule": "{target=AX650 npu-mode=NPU1}",
    }
    for index in range(2, len(dumps) - 1):
        rest = [name + options.get(name, "") for name in stages[index + 1 :]]
        done = subprocess.run(
            [
                sys.executable, "-m", "pulsar2.tools.ax_opt", "-p", ",".join(rest), dumps[index],
                "--weights", dumps[index].with_suffix(".safetensors"), "--mlir-print-debuginfo",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == dumps[-1].read_text().strip()


def test_builds_in_an_output_and_a_work_folder(built: Path) -> None:
    outcome = run(
        "build", "--config", built / "out" / "build_context.json", "--output_dir", built / "o",
        "--work_dir", built / "w", "--output_name", "mine.axmodel", "--npu_mode", "NPU3",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert {p.name for p in (built / "o").iterdir()} == {"mine.axmodel", "build_context.json"}
    assert (built / "w" / "quant" / "quant_axmodel.onnx").is_file()
    assert read_axmodel(built / "o" / "mine.axmodel").npu_mode == "NPU3"


@pytest.mark.parametrize("suffix", ["toml", "yaml", "prototxt"])
def test_a_configuration_of_another_format(built: Path, suffix: str) -> None:
    value = json.loads((built / "out" / "build_context.json").read_text())
    entry = value["quant"]["input_configs"][0]
    data, model = json.dumps(entry["calibration_dataset"]), json.dumps(value["input"])
    text = {
        "toml": f"""
            input = {model}
            [[quant.input_configs]]
            tensor_name = "DEFAULT"
            calibration_dataset = {data}
            calibration_size = 2
            [[input_processors]]
            tensor_name = "DEFAULT"
            src_dtype = "U8"
        """,
        "yaml": f"""
            input: {model}
            quant:
              input_configs: [{{tensor_name: DEFAULT, calibration_dataset: {data}, calibration_size: 2}}]
            input_processors:
            - {{tensor_name: DEFAULT, src_dtype: U8}}
        """,
        "prototxt": f"""
            input: {model}
            quant {{
              input_configs {{ tensor_name: "DEFAULT" calibration_dataset: {data} calibration_size: 2 }}
            }}
            input_processors {{ tensor_name: "DEFAULT" src_dtype: U8 }}
        """,
    }[suffix]
    lines = text.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    file = built / f"c.{suffix}"
    file.write_text("\n".join(line[indent:] for line in lines))
    outcome = run("build", "--config", file, "--output_dir", built / suffix)
    assert outcome.code == 0, outcome.err
    (tensor,) = read_axmodel(built / suffix / "compiled.axmodel").inputs
    assert tensor.shape == (1, 3, 16, 16)


def test_input_shapes(built: Path) -> None:
    outcome = run(
        "build", "--config", built / "out" / "build_context.json",
        "--output_dir", built / "shapes", "--input_shapes", "input:2x3x24x16",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "change input shape to {'input': (2, 3, 24, 16)}" in outcome.err
    (tensor,) = read_axmodel(built / "shapes" / "compiled.axmodel").inputs
    assert tensor.shape == (2, 24, 16, 3)


def test_a_quant_axmodel_builds_the_same_program(built: Path) -> None:
    outcome = run(
        "build", "--input", built / "out" / "quant" / "quant_axmodel.onnx",
        "--model_type", "QuantAxModel", "--output_dir", built / "requantized",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    first, second = (read_axmodel(built / d / "compiled.axmodel") for d in ("out", "requantized"))
    assert first.subgraphs[0].programs == second.subgraphs[0].programs


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


def test_the_optimized_model_computes_the_same(built: Path) -> None:
    picture = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    before, after = (
        ort.InferenceSession(str(p), providers=["CPUExecutionProvider"]).run(
            None, {"input": picture}
        )
        for p in (built / "model.onnx", built / "out" / "frontend" / "optimized.onnx")
    )
    np.testing.assert_allclose(before[0], after[0], rtol=1e-5, atol=1e-6)
    onnx.checker.check_model(onnx.load(built / "out" / "frontend" / "optimized.onnx"))


def test_session_refuses_what_does_not_fit(built: Path) -> None:
    session = InferenceSession(built / "out" / "compiled.axmodel")
    picture = np.zeros((1, 16, 16, 3), np.uint8)
    assert [(i.name, i.shape, i.dtype, i.type) for i in session.get_inputs()] == [
        ("input", [1, 16, 16, 3], "uint8", "tensor(uint8)")
    ]
    assert session.get_outputs()[0].type == "tensor(float)"
    for names, feeds, message in (
        (["outptu"], {"input": picture}, "there is no output 'outptu' (outputs: output; did you"),
        (None, {"imput": picture}, "there is no input 'imput'"),
        (None, {}, "input 'input' is missing"),
        (None, {"input": picture.astype(np.float32)}, "expected uint8[n, 16, 16, 3], n samples"),
        (None, {"input": picture[:, :8]}, "input 'input' is uint8[1, 8, 16, 3]"),
        (None, {"input": picture[:0]}, "the same number of samples"),
    ):
        with pytest.raises(Exception, match="") as caught:
            session.run(names, feeds)
        assert message in str(caught.value)


def test_split_batches() -> None:
    assert split_batches(3, [1, 2, 4]) == [2, 1]
    assert split_batches(9, [1, 2, 4]) == [4, 4, 1]
    assert split_batches(3, [1]) == [1, 1, 1]
    assert split_batches(3, [2, 4]) == [2, 2]


CRASH = """
import sys
from pulsar2.lowering.chips.convert_sched_to_chip import ConvertSchedToChip
def broken(self, ctx, module):
    raise ZeroDivisionError("told to")
ConvertSchedToChip.run = broken
from pulsar2.tools.pulsar2_main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_bug_of_ours_leaves_a_trace_and_a_reproducer(built: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-c", CRASH, "build", "--config", built / "out" / "build_context.json",
            "--output_dir", built / "crashed",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 70
    assert "internal error" in done.stderr
    assert "told to" in done.stderr
    assert "Traceback" not in done.stderr
    folder = built / "crashed" / "crash"
    trace = (folder / "trace.txt").read_text()
    assert "ZeroDivisionError: told to" in trace
    assert f"pulsar2 {version()}" in trace
    assert not (built / "crashed" / "compiled.axmodel").exists()
    reproducer = [line for line in done.stderr.splitlines() if line.startswith("reproducer: ")][0]
    words = reproducer.removeprefix("reproducer: ").split()
    assert words[:3] == ["ax-opt", "-p", "emit"]
    again = subprocess.run(
        [sys.executable, "-m", "pulsar2.tools.ax_opt", *words[1:]], capture_output=True, check=False
    )
    assert again.returncode == 0


def start_build(built: Path, folder: str) -> subprocess.Popen[str]:
    """A build in a process of its own, past the reading of its configuration."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pulsar2.tools.pulsar2_main", "build", "--config",
            built / "out" / "build_context.json", "--output_dir", built / folder,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not (built / folder / "build.log").exists() and process.poll() is None:
        time.sleep(0.005)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_build_cleanly(built: Path, number: int, code: int) -> None:
    process = start_build(built, f"signal{code}")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, out
    assert "Traceback" not in out
    left = [p for p in (built / f"signal{code}").rglob("*") if ".pulsar2-" in p.name]
    assert not left
    assert not (built / f"signal{code}" / "compiled.axmodel").exists()


def test_killed_builds_do_not_harm_later_ones(built: Path) -> None:
    """SIGKILL at random moments: no half-written file, and the next build is as any other."""
    rng = np.random.default_rng(0)
    folder = built / "killed"
    expected = (built / "out" / "compiled.axmodel").read_bytes()
    for _ in range(6):
        process = start_build(built, "killed")
        time.sleep(float(rng.uniform(0, 0.6)))
        process.kill()
        process.communicate()
        for name in ("compiled.axmodel",):
            if (folder / name).exists():
                assert (folder / name).read_bytes() == expected
        for model in (folder / "frontend").glob("*.onnx"):
            onnx.load(model)
    outcome = run("build", "--config", built / "out" / "build_context.json", "--output_dir", folder)
    assert outcome.code == 0, outcome.err
    assert (folder / "compiled.axmodel").read_bytes() == expected
    assert not [p for p in folder.rglob("*") if ".pulsar2-" in p.name]


def test_two_builds_at_once_in_one_folder(built: Path) -> None:
    first, second = (start_build(built, "shared") for _ in range(2))
    outputs = [p.communicate(timeout=120)[0] for p in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    expected = (built / "out" / "compiled.axmodel").read_bytes()
    assert (built / "shared" / "compiled.axmodel").read_bytes() == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_plain_error(built: Path) -> None:
    code = (
        "import os, sys, errno\n"
        "import pulsar2.files as files\n"
        "real = os.replace\n"
        "def full(a, b):\n"
        "    if str(b).endswith('compiled.axmodel'): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return real(a, b)\n"
        "os.replace = full\n"
        "from pulsar2.tools.pulsar2_main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [
            sys.executable, "-c", code, "build", "--config", built / "out" / "build_context.json",
            "--output_dir", built / "full",
        ],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "compiled.axmodel: cannot write: No space left on device" in done.stderr
    assert not [p for p in (built / "full").rglob("*") if ".pulsar2-" in p.name]
    assert not (built / "full" / "compiled.axmodel").exists()
