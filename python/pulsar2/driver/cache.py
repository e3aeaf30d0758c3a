"""What calibration found, kept in the work folder for a build with the same model and data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from pathlib import Path

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import CalibrationDataset
from pulsar2.diagnostics import UserError
from pulsar2.files import write_text
from pulsar2.ir import print_module
from pulsar2.lowering.quant.load_ranges import apply_ranges, ranges_by_name, read_ranges
from pulsar2.onnx_export import main_function
from pulsar2.version import version

_KEPT = 16
"""Calibrations kept per work folder; the one used longest ago goes first."""

_REVISION = 2
"""Raised when calibration finds something else for the same model and data."""


class Cache:
    """Text that was found by running a model over calibration data, by all that it depends on.

    That is the module with its weights (which are named by their content), the bytes of the
    calibration files, how they become inputs, what was asked, and this compiler's version.
    """

    def __init__(self, folder: Path, module: ModuleOp, dataset: CalibrationDataset, asked: str):
        self._path = folder / f"{_key(module, dataset, asked)}.json"

    def find(self) -> Path | None:
        """The file that an earlier build left, if there is one."""
        if not self._path.is_file():
            return None
        self._path.touch()
        return self._path

    def tell_used(self) -> None:
        """Logs that what was found is used, when it has been read."""
        logger.info(
            "what an earlier build with the same model and data found is used: [{}] "
            "(--no_cache calibrates anew)",
            self._path,
        )

    def store(self, text: str) -> None:
        write_text(self._path, text)
        files = sorted(self._path.parent.glob("*.json"), key=lambda f: f.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)


class CalibrationCache:
    """The ranges that calibration by one method found for a module."""

    def __init__(self, folder: Path, module: ModuleOp, dataset: CalibrationDataset, method: str):
        self._module = module
        self._cache = Cache(folder, module, dataset, method)

    def load(self) -> bool:
        """Writes the ranges of an earlier calibration into the module, if there is one."""
        found = self._cache.find()
        if found is None:
            return False
        try:
            apply_ranges(main_function(self._module), read_ranges(str(found)))
        except UserError as error:
            logger.warning("the kept calibration is not used: {}", error)
            return False
        self._cache.tell_used()
        return True

    def store(self) -> None:
        """Keeps the ranges of the module, where each tensor can be told by its name."""
        ranges = ranges_by_name(main_function(self._module))
        if ranges is not None:
            self._cache.store(json.dumps(ranges, indent=1) + "\n")


def _key(module: ModuleOp, dataset: CalibrationDataset, asked: str) -> str:
    found = hashlib.sha256()

    def add(text: str) -> None:
        # The name of a file may be no text.
        found.update(f"{len(text)}:{text}".encode(errors="surrogateescape"))

    for text in (version(), str(_REVISION), asked, print_module(module)):
        add(text)
    for data in dataset.inputs:
        # Where the files came from does not matter, what they hold does.
        add(repr((data.name, *astuple(data)[1:3], *astuple(data)[4:])))
        for file in dataset.files[data.name]:
            add(file.name)
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
