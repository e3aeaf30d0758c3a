"""Tensors as files: how `pulsar2 run` names, reads, makes and writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from pulsar2.axmodel import TensorInfo
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.files import write_bytes
from pulsar2.ort_values import is_ml_dtype
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


def read_tensors(folder: Path, tensors: Sequence[TensorInfo]) -> dict[str, AnyArray]:
    """The tensors in a folder; `UserError` with every file that is missing or of another size."""
    problems = Diagnostics()
    values: dict[str, AnyArray] = {}
    for tensor in tensors:
        path = folder / file_name(tensor.name)
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


def sample_folders(root: Path) -> list[Path]:
    """The folders in `root`, each a sample; `root` itself where it has none."""
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    return folders or [root]


def random_tensors(tensors: Sequence[TensorInfo], seed: int = _SEED) -> dict[str, AnyArray]:
    """Random values, the same for the same `seed`: bytes over their whole range, normal floats."""
    generator = np.random.default_rng(seed)
    return {t.name: _random(generator, t.dtype, t.shape) for t in tensors}


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


def write_tensors(folder: Path, values: Mapping[str, AnyArray], told: bool = False) -> None:
    """Writes each tensor into its file; `told` says so for each."""
    for name, array in values.items():
        path = folder / file_name(name)
        if array.dtype.hasobject:
            raise UserError.of(f"the tensor '{name}' holds strings, which no .bin file can hold")
        write_bytes(path, np.ascontiguousarray(array).tobytes())
        if told:
            print(f"write [{name}] to [{path}] successfully")
