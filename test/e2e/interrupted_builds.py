"""Builds in children of a process that has everything loaded; each child meets with something bad.

Usage: interrupted_builds.py CONTEXT FOLDER EXPECTED signals|limits COUNT. Prints a line of JSON per
child: what happened to it, its exit code, what it printed, which files are damaged, and which
temporary ones it left behind.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import onnx

import pulsar2.calibration
import pulsar2.driver
import pulsar2.quant_axmodel
import pulsar2.quant_export
from pulsar2.axmodel import read_axmodel
from pulsar2.context import load_dialect, make_context
from pulsar2.lowering.pipelines import PASSES, load_pass
from pulsar2.tools.pulsar2_main import main


def load_everything() -> None:
    """Imports what a build imports on its way, so that children do not have to."""
    packages = (pulsar2.driver, pulsar2.calibration, pulsar2.quant_axmodel, pulsar2.quant_export)
    for package in packages:
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in PASSES:
        load_pass(name)
    importlib.import_module("onnxruntime")
    for name in ("onnx", "quant", "sched", "ax"):
        load_dialect(make_context(), name)


def child(words: list[str], limit: int) -> tuple[int, int]:
    """Runs the command in a child; its process id, and where what it prints can be read."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid:
        os.close(sink)
        return pid, source
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    code = 99
    try:
        code = main(words)
    except KeyboardInterrupt:
        code = 130  # before or after the command, where Python itself ends so
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(pid: int, source: int) -> tuple[int, str]:
    """Exit code of a child, and what it printed."""
    with os.fdopen(source, "rb") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode(errors="replace")


def damaged(folder: Path, expected: bytes) -> list[str]:
    """The files under their final names that are not whole."""
    wrong: list[str] = []
    for path in folder.rglob("*"):
        if not path.is_file() or ".pulsar2-" in str(path) or path.name == "build.log":
            continue
        try:
            if path.suffix == ".axmodel":
                read_axmodel(path)
                assert path.read_bytes() == expected
            elif path.suffix == ".onnx":
                onnx.checker.check_model(onnx.load(path), full_check=False)
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except Exception as error:
            wrong.append(f"{path.name}: {error}")
    return wrong


def run(context: str, folder: Path, expected: bytes, kind: str, count: int) -> None:
    words = ["build", "--config", context, "--output_dir", str(folder)]
    rng = random.Random(0)
    start = time.perf_counter()
    ended(*child(words, 0))
    whole = time.perf_counter() - start
    for index in range(count):
        what: Any = 0
        if kind == "limits":
            limit = what = int(len(expected) ** rng.uniform(0, 1.02))
            pid, source = child([*words, "--no_cache"], limit)
        else:
            what = rng.choice([signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
            extra = ["--no_cache"] if index % 2 else []
            pid, source = child([*words, *extra], 0)
            time.sleep(rng.uniform(0, whole))
            os.kill(pid, what)
        code, said = ended(pid, source)
        wrong = damaged(folder, expected)
        left = [str(p) for p in folder.rglob(f".pulsar2-{pid}-*")]
        line = {"what": int(what), "code": code, "said": said, "damaged": wrong, "left": left}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    load_everything()
    run(
        sys.argv[1],
        Path(sys.argv[2]),
        Path(sys.argv[3]).read_bytes(),
        sys.argv[4],
        int(sys.argv[5]),
    )
