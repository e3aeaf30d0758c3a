"""`compiler.ddr_bw_limit`: plan, schedule and timing know the bandwidth, also of one subgraph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cases import run

from pulsar2 import _kernels
from pulsar2.axmodel import read_axmodel
from pulsar2.program import Program
from pulsar2.runtime import InferenceSession
from pulsar2.targets import load_target

TARGET = load_target("AX650")


def build(built: Path, out: Path, **compiler: Any) -> list[tuple[bytes, Program]]:
    """The programs of the small network of `built` with these options of the compiler."""
    value = json.loads((built / "out" / "build_context.json").read_text())
    value["compiler"] |= compiler
    out.mkdir()
    (out / "c.json").write_text(json.dumps(value))
    outcome = run("build", "--config", out / "c.json", "--output_dir", out, "--debug.dump_ir")
    assert outcome.code == 0, outcome.err
    subgraphs = read_axmodel(out / "compiled.axmodel").npu_subgraphs
    return [(p.code, Program.decode(p.code)) for s in subgraphs for p in s.programs]


def cycles(code: bytes) -> int:
    _, ends = _kernels.replay_program(code, TARGET.timing)
    return int(ends.max())


def test_a_limit_of_bandwidth_changes_the_schedule(built: Path, tmp_path: Path) -> None:
    ((free, freely),) = build(built, tmp_path / "free")
    ((code, program),) = build(built, tmp_path / "limited", ddr_bw_limit=0.05)
    assert freely.ddr_limit == 0
    assert program.ddr_limit == 50_000_000
    assert code != free
    # The replay goes by the limit in the bytes: no faster than it lets the bytes through.
    nbytes = int(_kernels.job_costs(code, TARGET.timing)["ddr_bytes"].sum())
    least = nbytes / 50e6 * TARGET.clock_hz
    assert least <= cycles(code) < 1.5 * least
    assert cycles(free) < least / 4
    estimates = [
        read_axmodel(tmp_path / name / "compiled.axmodel").figures["max_cycle"]
        for name in ("free", "limited")
    ]
    assert estimates == [cycles(free), cycles(code)]
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    results = [
        InferenceSession(tmp_path / name / "compiled.axmodel").run(None, {"input": images})[0]
        for name in ("free", "limited")
    ]
    np.testing.assert_array_equal(*results)


def test_dumps_with_limits_continue_to_the_same_program(built: Path, tmp_path: Path) -> None:
    middle = {"start_tensor_names": ["r"], "end_tensor_names": ["p"], "ddr_bw_limit": 0.25}
    build(built, tmp_path / "b", sub_configs=[middle], ddr_bw_limit=0.5)
    folder = tmp_path / "b" / "ir"
    stages = {p.stem.split("_", 1)[1]: p for p in folder.glob("*.mlir")}
    pipelines = (folder / "pipelines.txt").read_text().splitlines()
    for stage, count in [("quantize", 3), ("partition", 2), ("schedule", 1)]:
        done = subprocess.run(
            [
                sys.executable, "-m", "pulsar2.tools.ax_opt", "-p", ",".join(pipelines[-count:]),
                stages[stage], "--weights", stages[stage].with_suffix(".safetensors"),
                "--mlir-print-debuginfo",
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == stages["emit"].read_text().strip()


def test_a_subgraph_has_a_limit_of_its_own(built: Path, tmp_path: Path) -> None:
    middle = {"start_tensor_names": ["r"], "end_tensor_names": ["p"]}
    programs = build(
        built, tmp_path / "one", sub_configs=[middle | {"ddr_bw_limit": 0.25}], ddr_bw_limit=1
    )
    assert [p.ddr_limit for _, p in programs] == [1_000_000_000, 250_000_000, 1_000_000_000]
    programs = build(built, tmp_path / "none", sub_configs=[middle | {"ddr_bw_limit": 0}],
                     ddr_bw_limit=0.5)  # fmt: skip
    assert [p.ddr_limit for _, p in programs] == [500_000_000, 0, 500_000_000]


def test_limits_that_are_none_are_refused(built: Path) -> None:
    config = built / "out" / "build_context.json"
    outcome = run("build", "--config", config, "--compiler.ddr_bw_limit", "0.0001")
    assert outcome.code == 1
    assert "compiler.ddr_bw_limit: 0.0001 GB/s is too little to plan with" in outcome.err
