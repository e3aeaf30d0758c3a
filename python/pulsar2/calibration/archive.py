"""The files of a data set: a folder, a tar or zip archive."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pulsar2.diagnostics import Diagnostic, UserError, first_line

_ACCEPTED = ".tar, .tar.gz, .tgz, .zip, or a folder"


class Source(ABC):
    """Files by their path within the data set, '/' between folders."""

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def names(self) -> list[str]:
        """The paths of all regular files, sorted; `UserError` for an unsafe archive."""

    @abstractmethod
    def unpack(self, names: Iterable[str], folder: Path) -> dict[str, Path]:
        """Where each of `names` lies, unpacked into `folder` (which is emptied) if it must be."""


def open_source(path: Path) -> Source:
    """The data set at `path`; `UserError` when there is none or it is of no known form."""
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise UserError.of("the calibration data set does not exist", str(path), _ACCEPTED)
    try:
        if tarfile.is_tarfile(path):
            return _Tar(path)
        if zipfile.is_zipfile(path):
            return _Zip(path)
    except OSError as error:
        raise UserError.of(f"cannot read the data set: {error.strerror}", str(path)) from None
    except EOFError as error:
        raise UserError.of(f"the archive is truncated: {error}", str(path)) from None
    raise UserError.of("the calibration data set is not an archive", str(path), _ACCEPTED)


class _Folder(Source):
    def names(self) -> list[str]:
        found = (p for p in self.path.rglob("*") if p.is_file())
        return sorted(p.relative_to(self.path).as_posix() for p in found)

    def unpack(self, names: Iterable[str], folder: Path) -> dict[str, Path]:
        return {name: self.path / name for name in names}


class _Tar(Source):
    def names(self) -> list[str]:
        with self._open() as archive:
            try:
                members = archive.getmembers()
            except Exception as error:  # each compression has errors of its own
                raise UserError.of(
                    f"the archive is truncated or damaged: {error}", str(self.path)
                ) from None
        unsafe = [
            m.name for m in members if not _is_inside(m.name) or not (m.isfile() or m.isdir())
        ]
        _refuse(self.path, unsafe)
        return sorted(m.name for m in members if m.isfile())

    def unpack(self, names: Iterable[str], folder: Path) -> dict[str, Path]:
        wanted = set(names)
        _empty(folder)
        with self._open() as archive:
            members = [m for m in archive.getmembers() if m.name in wanted]
            _check_space(folder, sum(m.size for m in members))
            for member in members:
                with _damage_told(member.name, self.path):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    _write(folder / member.name, stream)
        return {name: folder / name for name in wanted}

    def _open(self) -> tarfile.TarFile:
        try:
            return tarfile.open(self.path)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UserError.of(f"cannot read the archive: {error}", str(self.path)) from None


class _Zip(Source):
    def names(self) -> list[str]:
        with self._open() as archive:
            entries = archive.infolist()
        _refuse(self.path, [e.filename for e in entries if not _is_inside(e.filename)])
        return sorted(e.filename for e in entries if not e.is_dir())

    def unpack(self, names: Iterable[str], folder: Path) -> dict[str, Path]:
        _empty(folder)
        places: dict[str, Path] = {}
        with self._open() as archive:
            names = list(names)
            _check_space(folder, sum(archive.getinfo(name).file_size for name in names))
            for name in names:
                places[name] = folder / name
                with _damage_told(name, self.path), archive.open(name) as stream:
                    _write(places[name], stream)
        return places

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError.of(f"cannot read the archive: {error}", str(self.path)) from None


def _is_inside(name: str) -> bool:
    """Whether an archive's path stays within the folder that it is unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in name


def _refuse(archive: Path, unsafe: list[str]) -> None:
    if unsafe:
        raise UserError(
            Diagnostic(
                f"the archive holds '{name}', which is no regular file inside it",
                str(archive),
                "pack plain files with relative paths",
            )
            for name in unsafe[:10]
        )


def _empty(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError.of(f"cannot make the folder: {error.strerror}", str(folder)) from None


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError.of(
            f"the calibration data take {size / 1e9:.1f} GB unpacked, and {free / 1e9:.1f} GB are "
            "free",
            str(folder),
            "a folder of the files, or a smaller calibration_size",
        )


@contextmanager
def _damage_told(name: str, archive: Path) -> Generator[None]:
    """Says that `name` could not be unpacked: it is damaged, encrypted, or cannot be written."""
    try:
        yield
    except Exception as error:  # each compression has errors of its own
        message = f"cannot unpack '{PurePosixPath(name).name}': {first_line(error)}"
        raise UserError.of(message, str(archive)) from None


def _write(target: Path, stream: IO[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file)
