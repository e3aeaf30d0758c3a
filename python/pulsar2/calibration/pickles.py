"""Pickles of arrays, dictionaries, lists and numbers, read without running what they name.

A pickle builds objects by calling what it names. Neither numpy's constructors nor its
`__setstate__` may be among that: with a type of its own choice a pickle makes them take bytes for
pointers. So what numpy writes into a pickle is answered by classes of this module, which take
bytes of numbers and lists of objects, and nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

_OBJECT = np.dtype(object)


def read_pickle(data: bytes) -> object:
    """What `data` holds, arrays in native byte order; an array of one object is that object.

    Raises `UnpicklingError` for anything that is not made of dictionaries, lists, tuples, texts,
    numbers and arrays of numbers.
    """
    try:
        return _plain(_Unpickler(io.BytesIO(data)).load())
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # what a broken pickle raises is up to it
        raise pickle.UnpicklingError(str(error) or type(error).__name__) from None


class _Type:
    """A numpy type: made from its code, then told its byte order."""

    def __init__(self, code: str, align: bool = False, copy: bool = False):
        self.dtype = np.dtype(str(code))
        if self.dtype.kind not in "fiubO":
            raise pickle.UnpicklingError(f"it holds elements of type {self.dtype}, no numbers")

    def __setstate__(self, state: Sequence[Any]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array: made empty, then told its shape, type and elements."""

    def __init__(self, *given: object) -> None:
        if given:
            raise pickle.UnpicklingError("it calls numpy.ndarray, which is not admitted")
        self.value: object = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, shape, given, fortran, content = state
        if _dtype(given) != _OBJECT:
            self.value = _numbers(content, given, shape, "F" if fortran else "C")
            return
        objects = cast(list[object], content)
        if not isinstance(content, list) or len(objects) != math.prod(shape):
            raise pickle.UnpicklingError("an array of objects has too few of them, or too many")
        self.value = objects if shape else objects[0]


def _numbers(content: Any, given: object, shape: Any, order: Any) -> npt.NDArray[Any]:
    dtype = _dtype(given)
    if dtype == _OBJECT:
        raise pickle.UnpicklingError("it takes bytes for objects")
    array = np.frombuffer(content, dtype).reshape(shape, order=order)
    return array.astype(dtype.newbyteorder("="))


def _dtype(given: object) -> np.dtype[Any]:
    if not isinstance(given, _Type):
        raise pickle.UnpicklingError("an array in it has no type")
    return given.dtype


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    return _Array()


def _scalar(given: object, content: Any) -> object:
    return _numbers(content, given, (), "C")[()]


def _from_buffer(content: Any, given: object, shape: Any, order: Any) -> object:
    return _numbers(content, given, shape, order)


def _no_bytes() -> bytes:
    """How old protocols write that there are none."""
    return b""


def _encode(text: str, encoding: str) -> bytes:
    """How old protocols write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding}")
    return text.encode(encoding)


_ADMITTED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("__builtin__", "bytes"): _no_bytes,
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    **{
        (f"numpy.{core}.{module}", name): answer
        for core in ("core", "_core")
        for module, name, answer in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is not admitted")
        return _ADMITTED[module, name]


def _plain(value: object) -> object:
    """The value without the classes of this module."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in cast(Sequence[object], value)]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in cast(dict[object, object], value).items()}
    return value
