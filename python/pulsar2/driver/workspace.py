"""The folders of a build, and its sole right to write there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from pulsar2.config.build import BuildConfig
from pulsar2.files import make_folder, remove_leftovers


@dataclass(frozen=True)
class Workspace:
    """Where a build puts what: results into `output`, everything else into `work`."""

    output: Path
    work: Path
    output_name: str

    @staticmethod
    def of(config: BuildConfig) -> Workspace:
        output = Path(config.output_dir)
        return Workspace(output, Path(config.work_dir or output), config.output_name)

    @property
    def compiled(self) -> Path:
        return self.output / self.output_name

    @property
    def context(self) -> Path:
        """The merged configuration, in the form that can be fed back in."""
        return self.output / "build_context.json"

    @property
    def log(self) -> Path:
        return self.work / "build.log"

    @property
    def frontend(self) -> Path:
        return self.work / "frontend"

    @property
    def optimized(self) -> Path:
        """The float model after graph optimization."""
        return self.frontend / "optimized.onnx"

    @property
    def quant(self) -> Path:
        return self.work / "quant"

    @property
    def dataset(self) -> Path:
        return self.quant / "dataset"

    @property
    def cache(self) -> Path:
        """What earlier builds found out and later ones may use."""
        return self.quant / "cache"

    @property
    def ir(self) -> Path:
        return self.work / "ir"

    @property
    def cpu_nodes(self) -> Path:
        """Which nodes run in which CPU subgraph, and why."""
        return self.work / "compiler" / "cpu_nodes.json"

    def trace(self, subgraph: str, batch: int) -> Path:
        """The schedule of a program, for a timeline viewer."""
        return self.work / "compiler" / "debug" / subgraph / f"b{batch}" / "trace.json"

    @contextmanager
    def claimed(self) -> Generator[None]:
        """Makes the folders; keeps other builds out of them until the end, whatever the end is."""
        folders = sorted({make_folder(f).resolve() for f in (self.output, self.work)})
        with ExitStack() as stack:
            for folder in folders:
                stack.enter_context(_locked(folder))
                remove_leftovers(folder)
            try:
                yield
            except BaseException:
                # A signal may have come while a temporary file was about to be removed.
                for folder in folders:
                    remove_leftovers(folder, own=True)
                raise


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Holds the lock of a folder; the system frees it when the process ends, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("another build writes into [{}]; waiting for it to end", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
