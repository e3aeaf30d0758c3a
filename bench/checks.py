"""Yes-or-no measures: sanitizer findings, identical bytes, agreement with ONNX's reference."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pulsar2 import _kernels
from pulsar2.axmodel import encode_axmodel
from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError, first_line
from pulsar2.driver.container import Compiled, compile_container
from pulsar2.ir import parse_module
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.runtime import InferenceSession
from pulsar2.targets import load_target, target_names

from .builds import ROOT, Build
from .measure import SCRIPTS, run_process
from .report import Section

_FIRST = "AX650", "NPU1"
_SMALL = 8
"""The part of the OCM that a program has in the last case of each network."""


def _compile(build: Build, target: str, npu_mode: str, ocm_bytes: int) -> Compiled:
    context = make_context()
    module = read_quant_axmodel(str(build.quantized), context)
    options = f"target={target} npu-mode={npu_mode} ocm-bytes={ocm_bytes}"
    run_passes(context, module, parse_passes(f"partition,schedule{{{options}}},emit"))
    return compile_container(module, context, macs=0)


def _outputs(compiled: Compiled) -> list[bytes]:
    """The outputs of a program for random inputs, always the same."""
    session = InferenceSession(encode_axmodel(compiled.model))
    rng = np.random.default_rng(0)
    feed: dict[str, Any] = {}
    for given in session.get_inputs():
        dtype = np.dtype(given.dtype)
        whole = dtype.kind in "iu"
        drawn = rng.integers(0, 200, given.shape) if whole else rng.normal(size=given.shape)
        feed[given.name] = drawn.astype(dtype)
    return [output.tobytes() for output in session.run(None, feed)]


def sanitizer_section(builds: Sequence[Build]) -> tuple[Section, int]:
    """Every target and mode, and an eighth of the OCM of the first; the section, and findings.

    A finding is one of the sanitizer's, or a program whose outputs are not those of the first.
    """
    section = Section(
        f"All targets and modes, and 1/{_SMALL} of the OCM of {' '.join(_FIRST)}",
        ("network", "programs", "jobs, least", "jobs, most", "sanitizer findings", "other outputs"),
    )
    cases = [(name, mode, 0) for name in target_names() for mode in load_target(name).modes]
    cases.sort(key=lambda case: case[:2] != _FIRST)
    cases.append((*_FIRST, load_target(_FIRST[0]).modes[_FIRST[1]].ocm_bytes // _SMALL))
    total = 0
    for build in builds:
        jobs: list[int] = []
        found = others = 0
        expected: list[bytes] = []
        for target, npu_mode, ocm_bytes in cases:
            try:
                compiled = _compile(build, target, npu_mode, ocm_bytes)
            except UserError as error:
                case = f"{build.name} for {target} {npu_mode}, {ocm_bytes or 'all'} bytes of OCM"
                section.notes.append(f"{case} is not scheduled. {first_line(error)}")
                continue
            jobs.append(sum(len(program.program.jobs) for program in compiled.programs))
            found += sum(
                not finding.is_note
                for program in compiled.programs
                for finding in _kernels.sanitize(program.code)
            )
            outputs = _outputs(compiled)
            expected = expected or outputs
            others += outputs != expected
        section.add(build.name, len(jobs), min(jobs), max(jobs), found, others)
        total += found + others
    return section, total


def same_bytes(build: Build, folder: Path) -> tuple[bool, int, int]:
    """Whether a second build, in another folder, with another hash seed, gives the same bytes;
    and of how many dumped stages, out of how many, the same program bytes come when continued."""
    again = folder / "again"
    command = [SCRIPTS / "pulsar2", "build", "--config", build.config, "--output_dir", again]
    process = run_process(["env", "PYTHONHASHSEED=7", *command, "--debug.dump_ir"], ROOT)
    if process.code:
        return False, 0, 0
    same = (again / "compiled.axmodel").read_bytes() == build.compiled.read_bytes()
    pipelines = (again / "ir" / "pipelines.txt").read_text().splitlines()
    dumps = sorted((again / "ir").glob("*.mlir"), key=lambda path: int(path.name.split("_")[0]))
    programs = [_continue(dump, pipelines[index:]) for index, dump in enumerate(dumps)]
    return same, sum(program == programs[-1] for program in programs), len(programs)


def _continue(dump: Path, pipelines: Sequence[str]) -> list[bytes]:
    """The programs' bytes and parameters after the rest of the passes on a dumped stage."""
    context: AxContext = make_context()
    context.weights.load(dump.with_suffix(".safetensors"))
    module: ModuleOp = parse_module(dump.read_text(), context, dump.name).module
    run_passes(context, module, parse_passes(",".join(pipelines)))
    compiled = compile_container(module, context, macs=0)
    return [part for p in compiled.programs for part in (p.code, p.params.tobytes())]


def oracle_tests() -> tuple[int, int]:
    """Oracle tests passed and failed."""
    tests = ROOT / "test" / "e2e" / "test_oracle.py"
    process = run_process([sys.executable, "-m", "pytest", "-o", "addopts=", "-q", tests], ROOT)
    last = process.output.strip().splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)
