"""Calibration data in arrays: .npy files, raw bytes, and .npy files that hold a dictionary.

Such a dictionary is a pickle, which `pulsar2.calibration.pickles` reads without running code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pulsar2.calibration.pickles import read_pickle
from pulsar2.diagnostics import UserError, first_line
from pulsar2.values import Form, Value, as_value, description, tensors_of

AnyArray = npt.NDArray[Any]


def read_npy(path: Path) -> AnyArray:
    """The array of a .npy file, in native byte order; `UserError` when it holds none of numbers."""
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # what numpy raises at a broken header is up to that
        raise UserError.of(f"not a .npy file of numbers: {first_line(error)}", str(path)) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_file(
    path: Path, kind: str, shape: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> None:
    """Raises `UserError` where the size of a .bin file, or what a .npy file says it holds, does not
    fit the tensor `name`; its numbers are not read.
    """
    if kind == "Binary":
        _check_size(path, path.stat().st_size, shape, dtype)
    elif kind == "Numpy":
        try:
            array = np.lib.format.open_memmap(path, mode="r")
        except Exception:  # whatever is wrong is told there
            array = read_npy(path)
        _check_type(array, shape, dtype, path, name)


def read_binary(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """The array whose raw bytes a file holds; `UserError` when there are more or fewer."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise UserError.of(f"cannot read: {error.strerror}", str(path)) from None
    _check_size(path, data.size, shape, dtype)
    return data.view(dtype).reshape(shape)


def _check_size(path: Path, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size != expected:
        raise UserError.of(
            f"the file has {size} bytes",
            str(path),
            f"expected {expected}: {dtype.name} {list(shape)}",
        )


def read_dictionary(path: Path) -> Mapping[str, object]:
    """The values by input name of a .npy file that holds a dictionary; `UserError` otherwise.

    A value is made of arrays of numbers: what numpy makes an array of, a list of arrays, or None.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if reader is None:
                raise ValueError(f"a .npy file of version {version}")
            _, _, dtype = reader(file)
            if dtype != np.dtype(object):
                raise ValueError(f"it holds an array of {dtype}, not a dictionary")
            content = read_pickle(file.read())
    except Exception as error:  # as in `read_npy`
        raise UserError.of(f"not a NumpyObject file: {first_line(error)}", str(path)) from None
    accepted = "a dictionary of arrays by input name, saved with numpy.save"
    if not isinstance(content, dict):
        raise UserError.of("it holds no dictionary", str(path), accepted)
    found: dict[str, object] = {}
    for name, value in cast(dict[object, object], content).items():
        if not isinstance(name, str) or not _is_of_numbers(value):
            raise UserError.of(f"the entry {name!r} is no array of numbers", str(path), accepted)
        found[name] = value
    return found


def _is_of_numbers(value: object) -> bool:
    try:
        return all(a.dtype.kind in "fiub" for a in tensors_of(as_value(value)))
    except ValueError:  # lists of different lengths
        return False


def check_array(
    given: object, shape: tuple[int, ...], dtype: np.dtype[Any], path: Path, name: str
) -> AnyArray:
    """What fits the tensor `name`, as an array, when none of its numbers is NaN."""
    array = np.asarray(given)
    _check_type(array, shape, dtype, path, name)
    return _without_nan(array, path, name)


def _check_type(
    array: AnyArray, shape: tuple[int, ...], dtype: np.dtype[Any], path: Path, name: str
) -> None:
    if array.shape != shape or array.dtype.newbyteorder("=") != dtype:
        raise UserError.of(
            f"the data for input '{name}' are {array.dtype.name} {list(array.shape)}",
            str(path),
            f"expected {dtype.name} {list(shape)}",
        )


def check_value(given: object, form: Form, dtype: np.dtype[Any], path: Path, name: str) -> Value:
    """What fits the input `name`, which is no tensor; tensors in it may have any shape."""
    value = as_value(given)
    kind = list if form.endswith("sequence") else np.ndarray
    fits = isinstance(value, kind) or (value is None and form.startswith("optional"))
    if not fits or any(a.dtype != dtype for a in tensors_of(value)):
        raise UserError.of(
            f"the data for input '{name}' are {description(value)}",
            str(path),
            f"expected what is {form} of {dtype.name}",
        )
    for array in tensors_of(value):
        _without_nan(array, path, name)
    return value


def _without_nan(array: AnyArray, path: Path, name: str) -> AnyArray:
    wrong = int(np.count_nonzero(np.isnan(array))) if array.dtype.kind == "f" else 0
    if wrong:
        raise UserError.of(f"the data for input '{name}' hold {wrong} times NaN", str(path))
    return np.asarray(array, order="C")
