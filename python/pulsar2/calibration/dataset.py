"""Calibration data sets: the files of every input, matched into samples, read when asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from loguru import logger

from pulsar2.calibration.archive import open_source
from pulsar2.calibration.arrays import (
    check_array,
    check_file,
    check_value,
    read_binary,
    read_dictionary,
    read_npy,
)
from pulsar2.calibration.images import (
    SUFFIXES,
    Layout,
    Preprocessing,
    TensorFormat,
    check_picture,
)
from pulsar2.diagnostics import Diagnostic, Diagnostics, UserError, nearest
from pulsar2.values import Form, Value

AnyArray = npt.NDArray[Any]
Format = Literal["Image", "Numpy", "Binary", "NumpyObject"]

_SUFFIXES: dict[Format, frozenset[str]] = {
    "Image": SUFFIXES,
    "Numpy": frozenset((".npy",)),
    "Binary": frozenset((".bin",)),
    "NumpyObject": frozenset((".npy",)),
}

_SHOWN = 10
"""How many wrong files of a data set are told one by one."""


@dataclass(frozen=True)
class InputData:
    """The model input `name` and where its calibration data come from.

    `shape`, `dtype` and `form` are the model input's; what is no tensor has no shape, and is of the
    format NumpyObject. `size` files are used, -1 means all. The fields from
    `tensor_format` on say how a picture becomes the input, and mean nothing to the other formats.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dataset: Path
    format: Format = "Image"
    size: int = 32
    tensor_format: TensorFormat = "AutoColorSpace"
    layout: Layout = "NCHW"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    form: Form = "tensor"

    def preprocessing(self) -> Preprocessing:
        """How a picture becomes this input; `UserError` when that cannot be."""
        where = f"input '{self.name}'"
        if len(self.shape) != 4:
            raise UserError.of(
                f"a picture does not fit the shape {list(self.shape)}",
                where,
                "calibration_format Image needs 4 dimensions",
            )
        channels_last = self.layout == "NHWC"
        _, a, b, c = self.shape
        height, width, channels = (a, b, c) if channels_last else (b, c, a)
        made = Preprocessing(
            height, width, channels, self.tensor_format, self.layout, self.mean, self.std
        )
        errors = Diagnostics()
        if channels != made.expected_channels:
            errors.error(
                f"{self.tensor_format} pictures have {made.expected_channels} channel(s), "
                f"the input has {channels} in layout {self.layout}",
                where,
            )
        for what, numbers in (("calibration_mean", self.mean), ("calibration_std", self.std)):
            if numbers and len(numbers) != channels:
                errors.error(f"{what} has {len(numbers)} numbers for {channels} channels", where)
        if any(s == 0 for s in self.std):
            errors.error("calibration_std holds a 0, which divides by zero", where)
        errors.raise_if_any()
        return made


@dataclass(frozen=True)
class Sample:
    """One run's worth of calibration data by model input, and the files it came from.

    `inputs` are arrays, and of inputs that are no tensors lists of arrays, or None.
    """

    label: str
    inputs: Mapping[str, Any]


@dataclass
class CalibrationDataset(Sequence[Sample]):
    """The samples of a calibration; each is read and decoded when it is taken.

    A model input of batch n takes n pictures per sample; the last ones are repeated where the
    number of pictures is no multiple of n.
    """

    inputs: Sequence[InputData]
    files: Mapping[str, Sequence[Path]]
    preprocessings: Mapping[str, Preprocessing] = field(default_factory=dict[str, Preprocessing])

    def __len__(self) -> int:
        return min(-(-len(self.files[i.name]) // self._per_sample(i)) for i in self.inputs)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.sample(index % len(self))

    def sample(self, index: int) -> Sample:
        """Sample `index`; `UserError` when a file does not decode or does not fit its input."""
        values: dict[str, Value] = {}
        labels: list[str] = []
        errors: list[Diagnostic] = []
        for data in self.inputs:
            count = self._per_sample(data)
            files = self.files[data.name][index * count : (index + 1) * count]
            try:
                values[data.name] = self._read(data, files)
            except UserError as error:
                errors += [e for e in error.diagnostics if e not in errors]
            labels += [f.name for f in files if f.name not in labels]
        if errors:
            raise UserError(errors)
        return Sample(", ".join(labels), values)

    @staticmethod
    def _per_sample(data: InputData) -> int:
        return data.shape[0] if data.format == "Image" else 1

    def _read(self, data: InputData, files: Sequence[Path]) -> Value:
        if data.format == "Image":
            preprocessing = self.preprocessings[data.name]
            pictures = [preprocessing.tensor(f, data.dtype) for f in files]
            pictures += [pictures[-1]] * (data.shape[0] - len(pictures))
            return np.stack(pictures)
        path = files[0]
        given: object
        if data.format == "Numpy":
            given = read_npy(path)
        elif data.format == "Binary":
            given = read_binary(path, data.shape, data.dtype)
        else:
            content = read_dictionary(path)
            if data.name not in content:
                raise UserError.of(
                    f"the dictionary has no entry for input '{data.name}'",
                    str(path),
                    nearest(data.name, content) or f"it has {', '.join(sorted(content)) or 'none'}",
                )
            given = content[data.name]
            if data.form != "tensor":
                return check_value(given, data.form, data.dtype, path, data.name)
        return check_array(given, data.shape, data.dtype, path, data.name)


def load_dataset(inputs: Sequence[InputData], folder: Path) -> CalibrationDataset:
    """Finds, matches and unpacks the files of all inputs, archives into `folder`/<input>.

    Of several inputs, files of the same name (without suffix) make a sample. Warns when a data set
    has fewer files than asked for. Raises one `UserError` with everything that is wrong.
    """
    errors: list[Diagnostic] = []
    preprocessings: dict[str, Preprocessing] = {}
    found: dict[str, dict[str, str]] = {}
    for data in inputs:
        try:
            if data.format == "Image":
                preprocessings[data.name] = data.preprocessing()
            found[data.name] = _files_of(data)
        except UserError as error:
            errors += error.diagnostics
    if errors:
        raise UserError(errors)
    chosen = _match(inputs, found)
    files: dict[str, list[Path]] = {}
    for data in inputs:
        # Inputs that one dictionary file feeds are unpacked once.
        twin = next(
            (d for d in inputs if d.name in files and (d.dataset, d.format) == _origin(data)), None
        )
        if twin is not None and data.format == "NumpyObject":
            files[data.name] = files[twin.name]
            continue
        names = [found[data.name][key] for key in chosen[data.name]]
        target = folder / re.sub(r"[^a-zA-Z0-9_-]", "_", data.name)
        places = open_source(data.dataset).unpack(names, target)
        files[data.name] = [places[name] for name in names]
        errors += _misfits(data, files[data.name])
    if errors:
        raise UserError(errors)
    logger.info("{} File(s) Loaded.", len({f for places in files.values() for f in places}))
    return CalibrationDataset(tuple(inputs), files, preprocessings)


def _misfits(data: InputData, files: Sequence[Path]) -> list[Diagnostic]:
    """What is wrong with files as far as their first bytes tell, and how many more there are."""
    errors: list[Diagnostic] = []
    for file in files:
        try:
            if data.format == "Image":
                check_picture(file)
            else:
                check_file(file, data.format, data.shape, data.dtype, data.name)
        except UserError as error:
            errors += error.diagnostics
    more = len(errors) - _SHOWN
    if more > 0:
        message = f"{more} more file(s) of {data.dataset} are wrong"
        return [*errors[:_SHOWN], Diagnostic(message, f"input '{data.name}'")]
    return errors


def _origin(data: InputData) -> tuple[Path, Format]:
    return data.dataset, data.format


def _files_of(data: InputData) -> dict[str, str]:
    """The usable files of a data set: path by key, the path without its suffix, in order."""
    names = open_source(data.dataset).names()
    names = [n for n in names if not _is_hidden(n)]
    suffixes = _SUFFIXES[data.format]
    usable = [n for n in names if PurePosixPath(n).suffix.lower() in suffixes]
    where = f"input '{data.name}'"
    if not usable:
        raise UserError.of(
            f"the data set {data.dataset} holds no file for calibration_format {data.format}",
            where,
            f"files that end in {', '.join(sorted(suffixes))}",
        )
    if len(usable) < len(names):
        logger.warning(
            "{}: {} file(s) of {} do not end in {} and are left out",
            where,
            len(names) - len(usable),
            data.dataset,
            ", ".join(sorted(suffixes)),
        )
    if 0 < len(usable) < data.size:
        logger.warning(
            "{}: {} calibration files asked for, but {} has {}; all {} are used",
            where,
            data.size,
            data.dataset,
            len(usable),
            len(usable),
        )
    found: dict[str, str] = {}
    for name in usable:
        key = str(PurePosixPath(name).with_suffix(""))
        found[name if key in found else key] = name
    return found


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(p.startswith((".", "__MACOSX")) for p in parts)


def _match(
    inputs: Sequence[InputData], found: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """The keys of the files that each input uses, in an order that makes the samples."""
    sizes = [len(found[d.name]) if d.size < 0 else d.size for d in inputs]
    if len(inputs) == 1:
        data = inputs[0]
        return {data.name: list(found[data.name])[: sizes[0]]}
    keys = _namesakes([found[d.name] for d in inputs])
    count = min(sizes)
    if len({d.size for d in inputs}) > 1:
        told = ", ".join(f"'{d.name}' {d.size}" for d in inputs)
        words = "calibration_size is not the same for all inputs ({}): the least counts"
        logger.warning(words, told)
    if keys:
        for data in inputs:
            left_out = len(found[data.name]) - len(keys)
            if left_out:
                logger.warning(
                    "input '{}': {} file(s) without a namesake for the other inputs are left out",
                    data.name,
                    left_out,
                )
        return {d.name: [k[n] for k in keys[:count]] for n, d in enumerate(inputs)}
    logger.warning("no file names are common to all inputs: files are matched in sorted order")
    count = min(count, *(len(found[d.name]) for d in inputs))
    return {d.name: list(found[d.name])[:count] for d in inputs}


def _namesakes(found: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """The keys of files, one of each mapping, that have the same path, or the same name in it.

    By path where that matches more of them: folders within a data set may tell namesakes apart, or
    be called after the inputs.
    """
    by_path = [(k,) * len(found) for k in found[0] if all(k in keys for keys in found)]
    names = [{PurePosixPath(k).name: k for k in keys} for keys in found]
    by_name = [
        tuple(keys[n] for keys in names) for n in names[0] if all(n in keys for keys in names)
    ]
    return by_path if len(by_path) >= len(by_name) else by_name
