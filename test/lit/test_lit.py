"""Runs the lit files under pytest, one test for each, so that they share its workers and report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
_FILES = sorted(
    file
    for suffix in ("*.mlir", "*.test")
    for file in _HERE.rglob(suffix)
    if "inputs" not in file.relative_to(_HERE).parts
)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: str(file.relative_to(_HERE)))
def test_lit(file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from lit.main import main; main()"]
    options = ["-v", "--no-progress-bar", "-j1", "--param", f"exec_root={tmp_path}"]
    done = subprocess.run(
        [*command, *options, str(file)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
