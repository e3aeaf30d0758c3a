"""Files that are whole or not there, when the process is told to end at any moment."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

from pulsar2.config import BuildConfig
from pulsar2.driver.guard import Crash, guarded
from pulsar2.driver.workspace import Workspace
from pulsar2.files import publishing, remove_leftovers, write_text

_ROUNDS = 150


def test_nothing_is_left_of_what_a_signal_interrupts(tmp_path: Path) -> None:
    rng = random.Random(1)
    workspace = Workspace.of(BuildConfig(input="m", output_dir=str(tmp_path / "out")))

    def command(_: Crash) -> int:
        with workspace.claimed():
            threading.Timer(rng.uniform(0, 0.004), interrupt).start()
            until = time.monotonic() + 10
            while time.monotonic() < until:
                with publishing(workspace.frontend) as folder:
                    (folder / "model.onnx").write_text("1")
                    (folder / "data").write_text("2")
                write_text(workspace.context, "3")
        return 0

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    for _ in range(_ROUNDS):
        assert guarded(command, []) == 130
        assert not list(tmp_path.rglob(".pulsar2-*"))
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or path.read_text() in "123"


def test_leftovers_of_processes_that_have_ended_go(tmp_path: Path) -> None:
    pids = 2**22 + 5, os.getpid()
    dead, mine = (tmp_path / f".pulsar2-{pid}-x.tmp" for pid in pids)
    dead.mkdir()
    mine.touch()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
    remove_leftovers(tmp_path, own=True)
    assert list(tmp_path.iterdir()) == []
