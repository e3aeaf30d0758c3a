"""`pulsar2 build | run | version` as a user meets them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from cases import run

from pulsar2.axmodel import read_axmodel
from pulsar2.config import load_build_config
from pulsar2.driver.build import build
from pulsar2.runtime import InferenceSession
from pulsar2.tools.ax_translate import main as translate
from pulsar2.version import version


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
        # Processor time, which the load of the machine changes little.
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([command, "build", "-h"], check=True, capture_output=True)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
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
        "Num of Quantized Op: ",
        "Quantization Snapshot",
        "Num of Quant Config: ",
        *(f"{state}: " for state in ("ACTIVATED", "OVERLAPPED", "BAKED", "PASSIVE_BAKED", "FP32")),
        "preprocess tensor [input]",
        "op: AxDequantizeLinear",
        "op: AxNormalize",
        "op: AxTranspose",
        "QuantAxModel macs: ",
        "subgraph [0], group: 0, type: GraphType.NPU",
        "tiling op...",
        "build op serially...",
        "build op...",
        "add ddr swap...",
        "calc input dependencies...",
        "calc output dependencies...",
        "assign eu heuristic",
        "assign eu onepass",
        "assign eu greedy",
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
        "import",
        "optimize",
        "place",
        "calibrate",
        "decide",
        "preprocess",
        "quantize",
        "partition",
        "schedule",
        "emit",
    ]
    log = (built / "out" / "build.log").read_text()
    assert f"dump ir after [emit] to [{dumps[-1]}]" in log
    pipelines = (folder / "pipelines.txt").read_text().splitlines()
    assert pipelines[0] == "optimize"
    for index in range(len(dumps) - 1):
        rest = pipelines[index:]
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
              input_configs:
              - {{tensor_name: DEFAULT, calibration_dataset: {data}, calibration_size: 2}}
            input_processors:
            - {{tensor_name: DEFAULT, src_dtype: U8}}
        """,
        "prototxt": f"""
            input: {model}
            quant {{
              input_configs {{
                tensor_name: "DEFAULT" calibration_dataset: {data} calibration_size: 2
              }}
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


def test_the_driver_adds_little_to_the_stages(built: Path, tmp_path: Path) -> None:
    """At most half a second, of the best of three, and the stages of other batches count too."""
    context = built / "out" / "build_context.json"
    spent: list[float] = []
    for number in range(3):
        config = load_build_config(str(context)).model_copy(
            update={"output_dir": str(tmp_path / str(number))}
        )
        options = config.compiler.model_copy(update={"static_batch_sizes": [1, 2]})
        config = config.model_copy(update={"compiler": options})
        start = time.perf_counter()
        result = build(config)
        spent.append(time.perf_counter() - start - sum(result.seconds.values()))
        assert {"schedule", "quantize b2", "compile b2"} <= set(result.seconds)
    assert -0.05 < min(spent) < 0.5


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


def test_a_quant_axmodel_and_what_is_said_of_it(built: Path, tmp_path: Path) -> None:
    model = built / "out" / "quant" / "quant_axmodel.onnx"
    words = ("build", "--input", model, "--output_dir", tmp_path / "out")
    outcome = run(*words, "--config", built / "config.json")
    assert outcome.code == 1
    assert "the model is the quant_axmodel.onnx of an earlier build (model_type" in outcome.err
    assert "1 error" not in outcome.err
    words = (*words, "--model_type", "QuantAxModel")
    outcome = run(*words, "--input_shapes", "input:1x3x24x24")
    assert outcome.code == 1
    assert "a QuantAxModel has the sizes that it was quantized with" in outcome.err
    (tmp_path / "c.json").write_text(
        '{"quant": {}, "op_processors": [{"op_name": "a", "attrs": {}}]}'
    )
    outcome = run(*words, "--config", tmp_path / "c.json")
    assert outcome.code == 0, outcome.err
    assert "op_processors has no effect on a QuantAxModel" in outcome.err
    assert "quant has no effect" not in outcome.err


@pytest.mark.parametrize("form", ["qdq", "qlinear"])
def test_a_quant_axmodel_as_standard_onnx(built: Path, form: str) -> None:
    source, target = built / "out" / "quant" / "quant_axmodel.onnx", built / f"{form}.onnx"
    assert translate([f"--export-{form}", str(source), "-o", str(target)]) == 0
    feed = {"input": np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)}
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    (got,) = ort.InferenceSession(str(target), options).run(None, feed)
    (expected,) = InferenceSession(built / "out" / "compiled.axmodel").run(None, feed)
    step = np.diff(np.unique(expected)).min()
    assert np.abs(got - expected).max() <= 1.001 * step


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


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_colors_are_for_terminals_that_want_them(built: Path, no_color: str, colored: bool) -> None:
    """On a terminal: bars that move, and colours unless NO_COLOR says otherwise."""
    leader, follower = pty.openpty()
    command = [
        sys.executable, "-m", "pulsar2.tools.pulsar2_main", "build", "--config",
        built / "out" / "build_context.json", "--output_dir", built / f"terminal{no_color}",
    ]  # fmt: skip
    environment = os.environ | {"NO_COLOR": no_color, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    output = b""
    # Reading a terminal whose other end has closed is an error on Linux.
    with contextlib.suppress(OSError):
        while data := os.read(leader, 65536):
            output += data
    os.close(leader)
    assert process.wait(timeout=60) == 0, output
    assert "━" in output.decode()
    summary = output.decode().partition("Build finished.")[2].splitlines()
    assert max(map(len, summary)) <= 100
    assert any(line.startswith("  build time ") for line in summary)
    assert bool(re.search(rb"\x1b\[[0-9;]*(3|9)[0-7]m", output)) == colored
