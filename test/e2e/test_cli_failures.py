"""Builds that do not end well: bugs, signals, a full disk, and another build in the same folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cases import run

from pulsar2.driver.guard import Crash, guarded
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


def interrupted(built: Path, name: str, kind: str, count: int) -> list[dict[str, Any]]:
    """What became of `count` builds in one folder, each ended early in some way."""
    script = Path(__file__).with_name("interrupted_builds.py")
    expected = built / "out" / "compiled.axmodel"
    words = [built / "out" / "build_context.json", built / name, expected, kind, str(count)]
    done = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == count
    again = run(
        "build", "--config", built / "out" / "build_context.json", "--output_dir", built / name
    )
    assert again.code == 0, again.err
    assert (built / name / "compiled.axmodel").read_bytes() == expected.read_bytes()
    assert not [p for p in (built / name).rglob("*") if ".pulsar2-" in p.name]
    return found


def test_signals_at_random_moments_do_no_harm(built: Path) -> None:
    """Fifty: no half-written file, no traceback, and the next build is as any other."""
    found = interrupted(built, "killed", "signals", 50)
    accepted = {signal.SIGINT: (0, 130), signal.SIGTERM: (0, 143, -15), signal.SIGKILL: (0, -9)}
    for each in found:
        assert each["damaged"] == [], each
        assert each["code"] in accepted[signal.Signals(each["what"])], each
        # A killed process cannot clean up, and the next build does; any other leaves nothing.
        assert each["code"] < 0 or each["left"] == [], each
        assert "Traceback" not in each["said"], each
    assert len({each["code"] for each in found}) > 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_out_as_something_else(number: int, code: int) -> None:
    """As from an extension module that is loaded at that moment."""

    def command(_: Crash) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except BaseException:
            raise ImportError("initialization failed") from None
        return 0

    before = signal.getsignal(signal.SIGINT)  # a shell's background job ignores it
    assert guarded(command, []) == code
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("interrupted_by", [None, signal.SIGTERM])
def test_finalizers_of_what_a_signal_left_half_made(
    interrupted_by: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))

    class Half:
        def __init__(self) -> None:
            if interrupted_by is not None:
                os.kill(os.getpid(), interrupted_by)
                time.sleep(10)

        def __del__(self) -> None:
            raise AttributeError("it is not finished")

    def command(_: Crash) -> int:
        Half()
        return 0

    assert guarded(command, []) == (0 if interrupted_by is None else 143)
    assert told == ([AttributeError] if interrupted_by is None else [])


def test_a_disk_that_is_full_at_some_size(built: Path) -> None:
    """A limit on the size of files stands for it: a plain error, nothing half-written."""
    found = interrupted(built, "limited", "limits", 12)
    for each in found:
        assert each["damaged"] == [], each
        assert each["left"] == [], each
        assert "Traceback" not in each["said"], each
        assert "Logging error" not in each["said"], each
        assert each["code"] in (0, 1), each
        assert each["code"] == 0 or "error: " in each["said"], each
    assert any("cannot write" in each["said"] for each in found)
    assert {each["code"] for each in found} >= {1}


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


def test_a_signal_while_python_finalizes_an_object() -> None:
    """What a finalizer raises is dropped by Python: the signal comes again, and nothing is said."""

    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    def command(_: Crash) -> int:
        dying = Dying()
        del dying
        time.sleep(10)
        return 0

    started = time.monotonic()
    assert guarded(command, []) == 143
    assert time.monotonic() - started < 5


LOST_LOCK = """
import os, signal, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pulsar2.driver import guard
guard._AGAIN = 0.2
lost = threading.Lock()
def command(crash):
    lost.acquire()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lost.acquire)
        os.kill(os.getpid(), signal.SIGTERM)
    return 0
sys.exit(guard.guarded(command, []))
"""


def test_a_signal_that_leaves_a_lock_taken() -> None:
    """A thread waits for it for good, and the command for the thread: both are left behind."""
    done = subprocess.run(
        [sys.executable, "-c", LOST_LOCK], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 143
    assert done.stderr == "\npulsar2: terminated\n"
