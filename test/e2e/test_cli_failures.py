"""Builds that do not end well: bugs, signals, a full disk, and another build in the same folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from cases import run

from pulsar2.version import version

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
    lines = done.stderr.splitlines()
    reproducer = next(line for line in lines if line.startswith("reproducer: "))
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


def test_a_full_disk_is_a_plain_error(built: Path) -> None:
    code = (
        "import os, sys, errno\n"
        "import pulsar2.files as files\n"
        "real = os.replace\n"
        "def full(a, b):\n"
        "    if str(b).endswith('compiled.axmodel'):\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
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
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "compiled.axmodel: cannot write: No space left on device" in done.stderr
    assert not [p for p in (built / "full").rglob("*") if ".pulsar2-" in p.name]
    assert not (built / "full" / "compiled.axmodel").exists()
