"""Runs the lit files under pytest, one test for each, so that they share its workers and report."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm_tools import serving

_HERE = Path(__file__).resolve().parent
_FILES = sorted(
    file
    for suffix in ("*.mlir", "*.test")
    for file in _HERE.rglob(suffix)
    if "inputs" not in file.relative_to(_HERE).parts
)


@pytest.fixture(scope="session")
def tools() -> Iterator[Path]:
    # Not tmp_path: the address of a Unix socket has about 100 characters at most.
    with tempfile.TemporaryDirectory(prefix="lit") as folder, serving(Path(folder)) as commands:
        yield commands


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_HERE)))
def test_lit(file: Path, tools: Path, tmp_path: Path) -> None:
    options = ["-v", "--no-progress-bar", "-j1", "--param", f"exec_root={tmp_path}"]
    options += ["--param", f"tools={tools}"]
    done = subprocess.run(
        [tools / "lit", *options, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
