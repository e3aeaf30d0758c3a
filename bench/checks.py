"""Yes-or-no measures: sanitizer findings, identical bytes, agreement with ONNX's reference."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from pulsar2 import _kernels
from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.driver.container import Compiled, compile_container
from pulsar2.ir import parse_module
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_axmodel import read_quant_axmodel
from pulsar2.targets import load_target

from .builds import ROOT, Build
from .measure import SCRIPTS, run_process
from .report import Section, first_line

_TARGET = "AX650"


def _compile(build: Build, npu_mode: str, ocm_bytes: int) -> Compiled:
    context = make_context()
    module = read_quant_axmodel(str(build.quantized), context)
    options = f"npu-mode={npu_mode} ocm-bytes={ocm_bytes}"
    run_passes(context, module, parse_passes(f"partition,schedule{{{options}}},emit"))
    return compile_container(module, context, macs=0)


def sanitizer_section(builds: Sequence[Build]) -> tuple[Section, int]:
    """Findings by mode, and with an eighth of the OCM; the section and their number."""
    section = Section(
        "Schedule sanitizer, and what an eighth of the OCM costs",
        ("network", "mode", "OCM bytes", "jobs", "cycles", "findings"),
    )
    total = 0
    modes = load_target(_TARGET).modes
    for build in builds:
        first = next(iter(modes))
        cases = [(name, mode.ocm_bytes) for name, mode in modes.items()]
        cases.append((first, modes[first].ocm_bytes // 8))
        for npu_mode, ocm_bytes in cases:
            try:
                compiled = _compile(build, npu_mode, ocm_bytes)
            except UserError as error:
                case = f"{build.name} for {npu_mode} with {ocm_bytes} bytes"
                section.notes.append(f"{case} is not scheduled. {first_line(error)}")
                continue
            found = sum(
                not finding.is_note
                for program in compiled.programs
                for finding in _kernels.sanitize(program.code)
            )
            jobs = sum(len(program.program.jobs) for program in compiled.programs)
            section.add(build.name, npu_mode, ocm_bytes, jobs, compiled.estimate.cycles, found)
            total += found
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
