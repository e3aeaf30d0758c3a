"""Read a PyTorch checkpoint of the older, pre-zip form without PyTorch.

The file is five pickles one after another (magic number, protocol version, facts of the writing
machine, the object, the list of storage keys), then, for each key in that order, the number of
elements as a little-endian u64 and the raw elements. A tensor in the object is a call of
``torch._utils._rebuild_tensor_v2`` on a reference to such a storage.

Unpickling can run any code that the file names, so the unpickler here knows four names and refuses
everything else: a checkpoint holds data, and a file that asks for more is not one.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

Array = npt.NDArray[Any]


class CheckpointError(Exception):
    """The file is not a checkpoint that this reader accepts."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    elements: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    _requires_grad: bool,
    _backward_hooks: object,
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _CheckpointUnpickler(pickle.Unpickler):
    """Knows dictionaries, tensors and storages; refuses every other name."""

    def find_class(self, module_name: str, global_name: str, /) -> Callable[..., Any] | str:
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module_name == "torch" and global_name in _STORAGE_DTYPES:
            return global_name
        raise CheckpointError(
            f"the checkpoint names {module_name}.{global_name}, which is no part of a checkpoint"
        )

    def persistent_load(self, pid: Any, /) -> _Storage:
        kind, storage_type, key, _location, elements, view = pid
        if kind != "storage" or view is not None:
            raise CheckpointError(f"unknown persistent id {pid!r}")
        return _Storage(key, _STORAGE_DTYPES[storage_type], elements)


def read_checkpoint(content: bytes) -> dict[str, Array]:
    """The tensors of the state dictionary ``content``, by name, in file order, contiguous.

    Raises CheckpointError when the content is not a checkpoint of the pre-zip form, asks for
    anything but tensors of f32 and i64, or is cut short.
    """
    stream = io.BytesIO(content)
    try:
        magic, protocol, machine, tensors, keys = (
            _CheckpointUnpickler(stream).load() for _ in range(5)
        )
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError) as error:
        raise CheckpointError(f"not a checkpoint of the pre-zip form: {error}") from error
    if magic != _MAGIC or protocol != _PROTOCOL or not machine["little_endian"]:
        raise CheckpointError("not a checkpoint of the pre-zip form, protocol 1001, little-endian")

    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages: dict[str, Array] = {}
    for key in keys:
        elements = int.from_bytes(stream.read(8), "little")
        raw = stream.read(elements * dtypes[key].itemsize)
        if len(raw) != elements * dtypes[key].itemsize:
            raise CheckpointError(f"the checkpoint is cut short in storage {key}")
        storages[key] = np.frombuffer(raw, dtypes[key])
    return {name: _materialize(name, tensor, storages) for name, tensor in tensors.items()}


def _materialize(name: str, tensor: _Tensor, storages: dict[str, Array]) -> Array:
    """A contiguous copy of the view; its strides, in elements, may be of any order."""
    flat = storages[tensor.storage.key]
    last = tensor.offset + sum(
        (extent - 1) * stride for extent, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min(tensor.strides, default=0) < 0 or tensor.offset < 0 or last >= flat.size:
        raise CheckpointError(f"tensor {name} reaches outside its storage")
    strides = tuple(stride * flat.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return view.copy(order="C")
