"""The weight store: constant bytes that the IR refers to by content hash.

The IR holds a `#ax.weight<"key", type>` handle; the bytes live here, in memory or in a
memory-mapped file of the safetensors layout. Keys are immutable: a derived weight (folded, packed,
quantized) is a new key, so a handle never changes its meaning. Equal content has equal key, and is
stored once.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pulsar2.diagnostics import UserError
from pulsar2.files import replacing

AnyArray = npt.NDArray[np.generic]

_DTYPE_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16",
    "uint32": "U32", "int32": "I32", "uint64": "U64", "int64": "I64",
    "float16": "F16", "float32": "F32", "float64": "F64",
}  # fmt: skip
_DTYPES = {v: np.dtype(k) for k, v in _DTYPE_NAMES.items()}
_KEY_HEX_DIGITS = 32


_LEAST_IN_FILE = 1 << 16


def _is_mapped(array: AnyArray) -> bool:
    """Whether the bytes of an array are those of a memory-mapped file."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def content_key(array: AnyArray) -> str:
    """Hash of dtype, shape and bytes of `array`: the key under which the store keeps it."""
    contiguous = np.ascontiguousarray(array)
    digest = hashlib.blake2b(digest_size=_KEY_HEX_DIGITS // 2)
    digest.update(f"{contiguous.dtype.name}{array.shape}".encode())
    digest.update(contiguous.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class WeightStore:
    """Maps content keys to read-only arrays."""

    def __init__(self) -> None:
        self._arrays: dict[str, AnyArray] = {}
        self._folder: Path | None = None

    def keep_in(self, folder: Path) -> None:
        """Keeps large arrays that are added from now on in files of `folder`, memory-mapped.

        Those that are mapped from a file already stay where they are.
        """
        self._folder = folder

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def add(self, array: AnyArray) -> str:
        """Keeps `array` (any shape; dtype of bool, 8 to 64 bit integer, f16, f32, f64); its key."""
        if array.dtype.name not in _DTYPE_NAMES:
            raise ValueError(f"weights of dtype {array.dtype} cannot be stored")
        key = content_key(array)
        if key not in self._arrays and self._goes_to_file(array):
            self._arrays[key] = self._in_file(key, array)
        elif key not in self._arrays:
            kept = np.ascontiguousarray(array).reshape(array.shape)
            if kept.flags.writeable:
                kept = kept.copy() if kept is array or kept.base is not None else kept
                kept.flags.writeable = False
            self._arrays[key] = kept
        return key

    def _goes_to_file(self, array: AnyArray) -> bool:
        return self._folder is not None and array.nbytes >= _LEAST_IN_FILE and not _is_mapped(array)

    def _in_file(self, key: str, array: AnyArray) -> AnyArray:
        assert self._folder is not None
        path = self._folder / key
        with path.open("wb") as file:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        mapped = np.memmap(path, dtype=array.dtype, mode="r", shape=array.shape)
        return np.asarray(mapped)

    def get(self, key: str) -> AnyArray:
        """The read-only array kept under `key`; `UserError` if there is none."""
        try:
            return self._arrays[key]
        except KeyError:
            raise UserError.of(
                f"the weight '{key}' is not in the weight store",
                accepted="give the file written beside the IR with --weights",
            ) from None

    def save(self, path: str | os.PathLike[str], keys: Iterable[str] | None = None) -> None:
        """Writes the arrays (all, or those under `keys`) as a safetensors file, sorted by key.

        The file appears under its final name only when it is complete.
        """
        names = sorted(self._arrays if keys is None else set(keys))
        header: dict[str, object] = {}
        offset = 0
        for name in names:
            array = self._arrays[name]
            header[name] = {
                "dtype": _DTYPE_NAMES[array.dtype.name],
                "shape": list(array.shape),
                "data_offsets": [offset, offset + array.nbytes],
            }
            offset += array.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for name in names:
                file.write(np.ascontiguousarray(self._arrays[name]).reshape(-1).view(np.uint8).data)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Adds every array of a safetensors file by memory map.

        Raises `UserError` when the file is missing, truncated or not of that layout.
        """
        file = Path(path)
        try:
            data = np.memmap(file, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise UserError.of(f"cannot read weights: {error}", str(file)) from None
        try:
            (length,) = struct.unpack("<Q", data[:8].tobytes())
            header = json.loads(data[8 : 8 + length].tobytes())
            base = 8 + length
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                begin, end = entry["data_offsets"]
                dtype = _DTYPES[entry["dtype"]]
                array = data[base + begin : base + end].view(dtype).reshape(entry["shape"])
                self._arrays[name] = array
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise UserError.of(f"not a complete safetensors file: {error}", str(file)) from None
