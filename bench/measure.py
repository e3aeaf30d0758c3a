"""How the benchmark measures: interleaved medians, peak memory of processes, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_PAUSE = 0.02
SCRIPTS = Path(sys.executable).parent


def interleaved(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each side; the sides take turns, so a drifting machine moves all of them.

    Each side runs once beforehand, unmeasured. A pause before each run lets the threads that the
    other side left spinning go to sleep.
    """
    for run in sides.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            time.sleep(_PAUSE)
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: median(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class Process:
    """A finished process: wall time in seconds, peak resident memory in bytes, what it printed."""

    code: int
    seconds: float
    peak_bytes: int
    output: str


def run_process(command: Sequence[str | Path], folder: Path | None = None) -> Process:
    """Run a command to its end; stdout and stderr come back as one text."""
    begin = time.perf_counter()
    child = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return Process(child.returncode, seconds, usage.ru_maxrss * unit, output)


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    cpu, flags = platform.processor(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                cpu = value.strip()
            elif key.strip() == "flags":
                flags = value
    extensions = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
    import onnxruntime

    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "extensions": " ".join(name for name in extensions if name in flags.split()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }
