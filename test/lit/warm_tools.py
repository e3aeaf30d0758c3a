"""The tools of the RUN lines, imported once: a server that forks instead of starting Python anew.

Most of a RUN line's time is Python importing the compiler. Under pytest the lines therefore find
commands of the same names that hand their arguments, folder, environment and files to a server,
which forks and calls the very `main` that the installed command calls. `lit test/lit` by itself
runs the installed commands.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

TOOLS = {
    "ax-opt": "pulsar2.tools.ax_opt",
    "ax-translate": "pulsar2.tools.ax_translate",
    "filecheck": "filecheck.main",
    "lit": "lit.main",
}
"""Command to the module whose `main` it calls."""

_PREFACE = 4
_CLIENT = """\
#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
said = json.dumps([{tool!r}, sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(said).to_bytes({preface}, "big")], [0, 1, 2])
server.sendall(said)
code = server.recv(1)
sys.exit(code[0] if code else "the tool ended without an exit code")
"""


@contextmanager
def serving(folder: Path) -> Generator[Path]:
    """Folder of commands that run in a server, which lives as long as the context.

    Args:
        folder: an empty folder to write to, short enough for the address of a Unix socket.
    """
    address = str(folder / "socket")
    commands = folder / "bin"
    commands.mkdir()
    for tool in TOOLS:
        file = commands / tool
        file.write_text(
            _CLIENT.format(python=sys.executable, address=address, tool=tool, preface=_PREFACE)
        )
        file.chmod(0o755)
    server = subprocess.Popen([sys.executable, "-P", __file__, address])
    try:
        until = time.monotonic() + 120
        while not Path(address).exists():
            assert server.poll() is None, "the server of tools has ended"
            assert time.monotonic() < until, "the server of tools does not begin"
            time.sleep(0.02)
        yield commands
    finally:
        server.terminate()
        server.wait()


def _serve(address: str) -> NoReturn:
    for module in TOOLS.values():
        importlib.import_module(module)
    _load_passes()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    # Named only when it listens: a client that finds the name may connect.
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(client)
        client.close()


def _load_passes() -> None:
    from pulsar2.tools.ax_opt import main

    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["--list-passes"]) == 0


def _answer(client: socket.socket) -> NoReturn:
    code = 70
    try:
        preface, files, _, _ = socket.recv_fds(client, _PREFACE, 3)
        length = int.from_bytes(preface, "big")
        said = b""
        while len(said) < length:
            said += client.recv(length - len(said))
        tool, words, folder, environment = json.loads(said)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        # New streams: those of the server know what its own files were.
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", 1, closefd=False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.argv = words
        code = _run(TOOLS[tool])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        client.sendall(bytes([code & 255]))
        os._exit(code)


def _run(module: str) -> int:
    try:
        code = importlib.import_module(module).main()
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
        return 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code or 0


if __name__ == "__main__":
    _serve(sys.argv[1])
