"""Files that are either complete or not there.

A file is written under a temporary name in its folder and renamed when it is whole, so neither a
full disk nor the end of the process at any moment leaves half of one under its final name.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pulsar2.diagnostics import UserError

_TEMPORARY = re.compile(r"\.pulsar2-(\d+)-.*\.tmp")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[Path]:
    """A temporary path beside `path`; what was written there becomes `path` at the end.

    On any exception the temporary file goes and `path` stays as it was. What a link points to is
    replaced, not the link; a device or a pipe is written to. `UserError` when the system refuses to
    write.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        device = _is_device(target)
        if target.is_symlink() and not device:
            target = Path(os.path.realpath(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(Path(tempfile.gettempdir()) if device else target.parent)
        temporary.touch(0o600, exist_ok=False)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        _put(temporary, target)
    except OSError as error:
        _remove(temporary)
        raise UserError.of(f"cannot write: {error.strerror or error}", str(target)) from None
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def publishing(folder: str | os.PathLike[str]) -> Generator[Path]:
    """A temporary folder; the files written there move into `folder` at the end, models last.

    For files that name each other, such as a model and the data beside it. On any exception nothing
    moves. `UserError` when the system refuses to write.
    """
    target = make_folder(folder)
    temporary = _temporary(target)
    try:
        temporary.mkdir(0o700)
        yield temporary
        for file in sorted(temporary.iterdir(), key=lambda f: (f.suffix == ".onnx", f.name)):
            _put(file, target / file.name)
    except OSError as error:
        where = error.filename or str(target)
        raise UserError.of(f"cannot write: {error.strerror or error}", str(where)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def scratch_folder(folder: str | os.PathLike[str]) -> Generator[Path]:
    """A temporary folder in `folder`, which is gone at the end with all that is in it."""
    temporary = _temporary(make_folder(folder))
    try:
        temporary.mkdir(0o700)
        yield temporary
    except OSError as error:
        if error.filename != str(temporary):
            raise
        raise UserError.of(f"cannot write: {error.strerror or error}", str(folder)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def remove_leftovers(folder: Path, *, own: bool = False) -> None:
    """Removes temporary files under `folder` whose process was killed while it wrote them.

    With `own` those of this process go too: it writes none any more.
    """
    for entry in list(folder.rglob(".pulsar2-*.tmp")):
        match = _TEMPORARY.fullmatch(entry.name)
        if match and (not _is_alive(int(match[1])) or (own and int(match[1]) == os.getpid())):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                _remove(entry)


def _temporary(folder: Path) -> Path:
    """A path in `folder` for what is not whole yet.

    It is known before anything lies there, so that what cleans up can find it, whenever the process
    is told to end.
    """
    return folder / f".pulsar2-{os.getpid()}-{secrets.token_hex(8)}.tmp"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_device(path: Path) -> bool:
    """Whether `path` is something to write to and never to replace, such as `/dev/null`."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _put(file: Path, target: Path) -> None:
    if not _is_device(target):
        os.replace(file, target)
        return
    with file.open("rb") as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    _remove(file)


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
