"""Calibration data in arrays: .npy files, raw bytes, and .npy files that hold a dictionary.

Such a dictionary is a pickle. It is read by an unpickler that admits arrays, dictionaries, lists
and numbers, and refuses everything that could run code.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pulsar2.diagnostics import UserError
from pulsar2.values import Form, Value, as_value, description, tensors_of

AnyArray = npt.NDArray[Any]

_ADMITTED = {
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is not admitted")
        return super().find_class(module, name)


def read_npy(path: Path) -> AnyArray:
    """The array of a .npy file; `UserError` when it does not hold one of numbers."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError.of(f"not a .npy file of numbers: {error}", str(path)) from None


def read_binary(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
    """The array whose raw bytes a file holds; `UserError` when there are more or fewer."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise UserError.of(f"cannot read: {error.strerror}", str(path)) from None
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if data.size != expected:
        raise UserError.of(
            f"the file has {data.size} bytes",
            str(path),
            f"expected {expected}: {dtype.name} {list(shape)}",
        )
    return data.view(dtype).reshape(shape)


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
            content: object = _RestrictedUnpickler(io.BytesIO(file.read())).load()
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        IndexError,
        ImportError,
        pickle.UnpicklingError,
    ) as error:
        raise UserError.of(f"not a NumpyObject file: {error}", str(path)) from None
    if isinstance(content, np.ndarray) and content.ndim == 0:
        content = cast(object, content.item())
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
    if array.shape != shape or array.dtype != dtype:
        raise UserError.of(
            f"the data for input '{name}' are {array.dtype.name} {list(array.shape)}",
            str(path),
            f"expected {dtype.name} {list(shape)}",
        )
    return _without_nan(array, path, name)


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
    return np.ascontiguousarray(array)
