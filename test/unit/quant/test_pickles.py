"""Pickles of calibration data: all that numpy writes is read, and nothing that they name is run."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulsar2.calibration.pickles import read_pickle

ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    np.arange(6, dtype=np.float64)[::2],
    np.array(True),
    np.zeros((0, 3), np.uint8),
    np.arange(4, dtype=">f4"),
    np.float16(1.5),
    np.int32(-7),
]


@pytest.mark.parametrize("protocol", range(6))
def test_what_numpy_writes_is_read(protocol: int) -> None:
    for array in ARRAYS:
        content = OrderedDict(input=array, several=[array, array], number=3, nothing=None)
        whole = np.array(content, object)
        for written in (content, whole):
            found: Any = read_pickle(pickle.dumps(written, protocol))
            assert list(found) == ["input", "several", "number", "nothing"]
            for given in (found["input"], *found["several"]):
                np.testing.assert_array_equal(given, array)
                assert given.shape == array.shape
                assert given.dtype == array.dtype.newbyteorder("=")


def test_lists_of_arrays_of_different_sizes() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros(2), np.ones(3)]
    found: Any = read_pickle(pickle.dumps({"input": ragged}))
    assert [a.size for a in found["input"]] == [2, 3]


class _Calls:
    """Pickles as a call of `function`, and what its `__setstate__` is told."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None):
        self._reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self._reduced


def _empty() -> Any:
    reconstruct: Any = np.zeros(1).__reduce__()[0]
    return reconstruct, np.ndarray, (0,), b"b"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_Calls(Path.touch, Path("/tmp/pulsar2-was-here")), "not admitted"),
        (_Calls(np.ndarray, (1,), "O", b"AAAAAAAA"), "calls numpy.ndarray"),
        (_Calls(np.ndarray, (), "O", b"AAAAAAAA"), "calls numpy.ndarray"),
        (_Calls(np.dtype, "i4,O"), "no numbers"),
        (_Calls(np.dtype, "U5"), "no numbers"),
        (_Calls(*_empty(), state=(1, (1,), np.dtype("O"), False, b"AAAAAAAA")), "too few"),
        (_Calls(*_empty(), state=(1, (9,), np.dtype("O"), False, [1])), "too few"),
        (_Calls(*_empty(), state=(1, (9,), np.dtype("f4"), False, b"AAAA")), "reshape"),
        (_Calls(*_empty(), state=(1, (9,), "f4", False, b"AAAA")), "no type"),
        (_Calls(np.float32(1).__reduce__()[0], np.dtype("O"), b"AAAAAAAA"), "bytes for objects"),
        (
            _Calls(
                *_empty(),
                state=(
                    1,
                    (1,),
                    # A type of objects that says of itself that it holds none.
                    _Calls(np.dtype, "O", state=(3, "|", None, None, None, -1, -1, 0)),
                    False,
                    b"AAAAAAAA",
                ),
            ),
            "too few",
        ),
    ],
)
def test_nothing_but_numbers_is_made(value: object, message: str) -> None:
    for protocol in (2, 4):
        with pytest.raises(pickle.UnpicklingError, match=message):
            read_pickle(pickle.dumps({"input": value}, protocol))
    assert not Path("/tmp/pulsar2-was-here").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04garbage",
        pickle.dumps({"input": np.zeros(4)})[:-20],
        b"\x80\x02h\x05.",
        b"\x80\x02}X\x01\x00\x00\x00xc_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00nopex\x86Rs.",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02}q\x00X\x01\x00\x00\x00x]q\x01h\x01as.",  # a list that holds itself
        b"Pabc\n.",
        b"\x80\x04}]K\x01s.",
    ],
)
def test_broken_pickles(data: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read_pickle(data)
