"""Files that are either complete or not there.

A file is written under a temporary name in its folder and renamed when it is whole, so neither a
full disk nor the end of the process at any moment leaves half of one under its final name.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pulsar2.diagnostics import UserError

_TEMPORARY = re.compile(r"\.pulsar2-(\d+)-.*\.tmp")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[Path]:
    """A temporary path beside `path`; what was written there becomes `path` at the end.

    On any exception the temporary file goes and `path` stays as it was. `UserError` when the system
    refuses to write.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".pulsar2-{os.getpid()}-", suffix=".tmp"
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        _remove(temporary)
        raise UserError.of(f"cannot write: {error.strerror or error}", str(target)) from None
    except BaseException:
        _remove(temporary)
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file, or leaves `path` as it was and raises `UserError`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a whole UTF-8 file, or leaves `path` as it was and raises `UserError`."""
    write_bytes(path, text.encode())


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder at `path`, made where it was missing; `UserError` when that cannot be."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError.of(f"cannot make the folder: {error.strerror}", str(path)) from None
    return Path(path)


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files in `folder` whose process was killed while it wrote them."""
    for entry in folder.glob(".pulsar2-*.tmp"):
        match = _TEMPORARY.fullmatch(entry.name)
        if match and not _is_alive(int(match[1])):
            _remove(entry)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
