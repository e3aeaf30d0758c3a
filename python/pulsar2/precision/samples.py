"""The samples that a precision analysis runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pulsar2.axmodel import TensorInfo
from pulsar2.calibration.arrays import check_array, read_npy
from pulsar2.calibration.dataset import Sample
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.driver.tensors import file_name, read_tensors, sample_folders

DEFAULT_SAMPLES = 8
"""How many calibration samples are looked at, where the user gives none of his own."""


@dataclass
class Spread(Sequence[Sample]):
    """Some of a data set's samples, spread evenly over it; each is read when it is taken."""

    dataset: Sequence[Sample]
    size: int = DEFAULT_SAMPLES

    def __len__(self) -> int:
        return min(self.size, len(self.dataset))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place: int = index % len(self) * len(self.dataset) // len(self)
        return self.dataset[place]


class SampleFolders(Sequence[Sample]):
    """Samples in folders, in the float model's own format: `<input>.bin`, or `<input>.npy`.

    Every folder in `root` is a sample, or `root` itself where it has none. All files are looked at
    at once: raises one `UserError` with every one that is missing, of another size or type, or not
    finite. Each is read again when it is taken, so memory does not grow with their number.
    """

    def __init__(self, root: Path, inputs: Sequence[TensorInfo]):
        if not root.is_dir():
            raise UserError.of("it is no folder", str(root), "a folder with a file per input")
        self._inputs = inputs
        self.folders = sample_folders(root)
        problems = Diagnostics()
        for folder in self.folders:
            try:
                self._read(folder)
            except UserError as error:
                problems.errors += error.diagnostics
        problems.raise_if_any()

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        folder = self.folders[int(index)]
        return Sample(folder.name, self._read(folder))

    def _read(self, folder: Path) -> dict[str, Any]:
        problems = Diagnostics()
        values: dict[str, Any] = {}
        for tensor in self._inputs:
            binary = folder / file_name(tensor.name)
            numpy = binary.with_suffix(".npy")
            if not numpy.exists() and not binary.exists():
                accepted = f"{binary.name}, or {numpy.name}"
                problems.error(f"the input '{tensor.name}' has no file", str(folder), accepted)
                continue
            try:
                if not binary.exists():
                    array = read_npy(numpy)
                else:
                    numpy, array = binary, read_tensors(folder, [tensor])[tensor.name]
                dtype: np.dtype[Any] = tensor.dtype
                values[tensor.name] = check_array(array, tensor.shape, dtype, numpy, tensor.name)
            except UserError as error:
                problems.errors += error.diagnostics
        problems.raise_if_any()
        return values
