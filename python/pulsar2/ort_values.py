"""Runs ONNX Runtime on arrays of ml_dtypes too, which its own `run` neither takes nor gives."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from pulsar2.weights import AnyArray

_PLAIN = frozenset(
    f"tensor({name})"
    for name in (
        *("float", "float16", "double", "bool", "string", "int8", "uint8", "int16", "uint16"),
        *("int32", "uint32", "int64", "uint64"),
    )
)
"""Types that `run` gives as numpy's."""

FAULTY_OPTIMIZERS = ("ClipQuantRewrite", "ReluQuantRewrite")
"""Optimizers of ONNX Runtime that fail at integers of 4 bits behind an activation."""


def is_ml_dtype(dtype: np.dtype[Any]) -> bool:
    """Whether an element type is one of ml_dtypes: bfloat16, float8, .."""
    return dtype.type.__module__.split(".")[0] == ml_dtypes.__name__


def _shares_bytes(dtype: np.dtype[Any]) -> bool:
    """Whether ONNX Runtime has several elements of a type in a byte (ml_dtypes has one)."""
    return is_ml_dtype(dtype) and _bits(dtype) < 8


def _bits(dtype: np.dtype[Any]) -> int:
    known: Any = ml_dtypes.iinfo if dtype.name.startswith(("int", "uint")) else ml_dtypes.finfo
    return int(known(dtype).bits)


def ort_value(array: AnyArray) -> Any:
    """An array as ONNX Runtime takes it, on the array's own memory where it is contiguous.

    Elements of less than a byte are packed, the first one lowest, into memory of the value's own.
    """
    value: Any = import_module("onnxruntime").OrtValue
    given = np.ascontiguousarray(array).reshape(array.shape)
    if not is_ml_dtype(given.dtype):
        return value.ortvalue_from_numpy(given)
    element = helper.np_dtype_to_tensor_dtype(given.dtype)
    if _shares_bytes(given.dtype):
        packed = np.frombuffer(numpy_helper.from_array(given).raw_data, np.uint8)
        # The value takes its shape from the carrier, which so is longer than what is packed.
        carrier = np.zeros(given.size, np.uint8)
        carrier[: packed.size] = packed
        carrier = carrier.reshape(given.shape)
    else:
        carrier = given.view(np.dtype(f"uint{8 * given.dtype.itemsize}"))
    return value.ortvalue_from_numpy_with_onnx_type(carrier, element)


def run_session(session: Any, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
    """The outputs of that name of a session of ONNX Runtime; all where `names` is None.

    Sequences are lists of arrays, and optional values that are not there None. Beside those, there
    may be no arrays of ml_dtypes.
    """
    types = {o.name: o.type for o in session.get_outputs()}
    wanted = list(types) if names is None else list(names)
    special = any(types[n].startswith("tensor(") and types[n] not in _PLAIN for n in wanted)
    plain = any(value is None or isinstance(value, list) for value in feeds.values())
    if plain or (not special and not any(_is_special(value) for value in feeds.values())):
        return list(session.run(wanted, dict(feeds)))
    values = {name: ort_value(np.asarray(array)) for name, array in feeds.items()}
    return [_array(v) for v in session.run_with_ort_values(wanted, values)]


def _is_special(value: Any) -> bool:
    dtype: Any = getattr(value, "dtype", None)
    return dtype is not None and is_ml_dtype(dtype)


def _array(value: Any) -> Any:
    if not value.is_tensor() or f"{value.data_type()}" in _PLAIN:
        return value.numpy()
    dtype: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(value.element_type())
    shape = tuple(value.shape())
    bits = _bits(dtype) if _shares_bytes(dtype) else 8 * dtype.itemsize
    count = -(-int(np.prod(shape, dtype=np.int64)) * bits // 8)
    memory = ctypes.string_at(value.data_ptr(), count) if count else b""
    if _shares_bytes(dtype):
        element = value.element_type()
        return numpy_helper.to_array(TensorProto(dims=shape, data_type=element, raw_data=memory))
    return np.frombuffer(bytearray(memory), dtype).reshape(shape)
