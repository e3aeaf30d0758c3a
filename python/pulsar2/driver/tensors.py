"""Values as files: how `pulsar2 run` names, reads, makes and writes them.

A tensor's bytes are `<name>.bin`. What is no tensor has no fixed shape, so it lies in files that
tell theirs: an optional tensor in `<name>.npy`, which is missing where it is, a sequence in the
files `0.npy`, `1.npy`, .. of a folder `<name>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from pulsar2.axmodel import UNKNOWN, TensorInfo
from pulsar2.calibration.arrays import read_npy
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.files import make_folder, write_bytes
from pulsar2.ort_values import is_ml_dtype
from pulsar2.values import Form, Value, tensors_of
from pulsar2.weights import AnyArray

_SEED = 0
_INDEX_LIMIT = 16


def file_name(tensor: str) -> str:
    """The file that holds a tensor: `a/b:0` lies in `a_b_0.bin`."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", tensor) + ".bin"


def check_file_names(names: Iterable[str]) -> None:
    """Raises `UserError` when two tensors would lie in one file."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(file_name(name), name)
        if other != name:
            raise UserError.of(
                f"the tensors '{other}' and '{name}' would both lie in {file_name(name)}",
                accepted="rename one of them in the model",
            )


def read_tensors(folder: Path, tensors: Sequence[TensorInfo]) -> dict[str, Value]:
    """The values in a folder; `UserError` with every file that is missing or of another size."""
    problems = Diagnostics()
    values: dict[str, Value] = {}
    for tensor in tensors:
        path = folder / file_name(tensor.name)
        if tensor.form != "tensor":
            try:
                values[tensor.name] = _read_form(path, tensor.form)
            except UserError as error:
                problems.errors += error.diagnostics
            continue
        try:
            data = path.read_bytes()
        except OSError as error:
            problems.error(f"cannot read the input '{tensor.name}': {error.strerror}", str(path))
            continue
        if tensor.dtype.hasobject:
            problems.error(f"the input '{tensor.name}' holds strings, which no .bin file can hold")
            continue
        expected = int(np.prod(tensor.shape)) * tensor.dtype.itemsize
        if len(data) != expected:
            problems.error(
                f"the input '{tensor.name}' has {len(data)} bytes",
                str(path),
                f"expected {expected}: {tensor.dtype.name}{list(tensor.shape)}",
            )
            continue
        values[tensor.name] = np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
    problems.raise_if_any()
    return values


def _read_form(path: Path, form: Form) -> Value:
    """What is no tensor; `path` is where a tensor would lie."""
    if form == "optional":
        file = path.with_suffix(".npy")
        return read_npy(file) if file.exists() else None
    folder = path.with_suffix("")
    if not folder.is_dir():
        if form == "optional sequence":
            return None
        raise UserError.of(
            "cannot read the sequence: there is no such folder",
            str(folder),
            "a folder with its tensors as 0.npy, 1.npy, ..",
        )
    files = {f.name for f in folder.glob("*.npy")}
    wanted = [f"{index}.npy" for index in range(len(files))]
    if files != set(wanted):
        raise UserError.of(
            f"its .npy files are {', '.join(sorted(files))}", str(folder), "0.npy, 1.npy, .."
        )
    return [read_npy(folder / name) for name in wanted]


def sample_folders(root: Path) -> list[Path]:
    """The folders in `root`, each a sample; `root` itself where it has none."""
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    return folders or [root]


def random_tensors(tensors: Sequence[TensorInfo], seed: int = _SEED) -> dict[str, Value]:
    """Random values, the same for the same `seed`: bytes over their whole range, normal floats.

    An optional value is there, and a sequence has two tensors. Raises `UserError` where their shape
    is not fixed.
    """
    generator = np.random.default_rng(seed)
    values: dict[str, Value] = {}
    for tensor in tensors:
        if tensor.form == "tensor":
            values[tensor.name] = _random(generator, tensor.dtype, tensor.shape)
            continue
        shape = tensor.element_shape
        if shape is None or UNKNOWN in shape:
            raise UserError.of(
                f"there are no random data for the input '{tensor.name}', whose tensors have no "
                "fixed shape",
                accepted="files",
            )
        if tensor.form == "optional":
            values[tensor.name] = _random(generator, tensor.dtype, shape)
        else:
            values[tensor.name] = [_random(generator, tensor.dtype, shape) for _ in range(2)]
    return values


def _random(
    generator: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> AnyArray:
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if is_ml_dtype(dtype) and dtype.name.startswith(("int", "uint")):
        few = ml_dtypes.iinfo(dtype)
        return generator.integers(few.min, few.max, shape, endpoint=True).astype(dtype)
    if dtype.kind in "iu":
        return generator.integers(0, _INDEX_LIMIT, shape, dtype)
    return generator.standard_normal(shape).astype(dtype)


def write_tensors(
    folder: Path,
    values: Mapping[str, Value],
    tensors: Sequence[TensorInfo] = (),
    told: bool = False,
) -> None:
    """Writes each value into its file; `told` says so for each.

    `tensors` say of which form values are; those that they do not name are tensors.
    """
    forms: dict[str, Form] = {t.name: t.form for t in tensors}
    for name, value in values.items():
        path = folder / file_name(name)
        if any(array.dtype.hasobject for array in tensors_of(value)):
            raise UserError.of(f"the tensor '{name}' holds strings, which no .bin file can hold")
        form = forms.get(name, "tensor")
        if isinstance(value, np.ndarray) and form == "tensor":
            write_bytes(path, np.ascontiguousarray(value).tobytes())
        else:
            path = _write_form(path, value, form)
        if told:
            print(f"write [{name}] to [{path}] successfully")


def _write_form(path: Path, value: Value, form: Form) -> Path:
    """Writes what is no tensor, in place of what an earlier run left; the file or folder."""
    if form == "optional":
        file = path.with_suffix(".npy")
        file.unlink(missing_ok=True)
        for array in tensors_of(value):
            write_bytes(file, _npy(array))
        return file
    folder = path.with_suffix("")
    if folder.is_dir():
        for old in folder.glob("*.npy"):
            old.unlink()
    if value is None:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return folder
    make_folder(folder)
    for index, array in enumerate(tensors_of(value)):
        write_bytes(folder / f"{index}.npy", _npy(array))
    return folder


def _npy(array: AnyArray) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
