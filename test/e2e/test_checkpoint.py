"""The example's checkpoint reader: tensors of any strides, and refusal of everything else."""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from checkpoint import CheckpointError, read_checkpoint

_MAGIC = 0x1950A86A20F9469CFC6C


class _FakeTorch:
    """Stands in for torch while a checkpoint is written, so that its names get into the pickle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

        def _rebuild_tensor_v2(*_: object) -> None:
            raise AssertionError("only its name is written")

        _rebuild_tensor_v2.__module__ = "torch._utils"
        _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
        utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
        self.rebuild = _rebuild_tensor_v2
        self.storage = type("FloatStorage", (), {"__module__": "torch"})
        torch.FloatStorage = self.storage  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "torch._utils", utils)


class _Tensor:
    def __init__(
        self, fake: _FakeTorch, key: str, flat: Any, offset: int, shape: Any, strides: Any
    ):
        self._fake, self.key, self.flat = fake, key, flat
        self._view = (offset, shape, strides)

    def __reduce__(self) -> Any:
        return (self._fake.rebuild, (_Storage(self), *self._view, False, OrderedDict()))


class _Storage:
    def __init__(self, tensor: _Tensor) -> None:
        self.tensor = tensor


def _write(fake: _FakeTorch, tensors: list[tuple[str, _Tensor]], magic: int = _MAGIC) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any, /) -> Any:
            if isinstance(obj, _Storage):
                flat = obj.tensor.flat
                return ("storage", fake.storage, obj.tensor.key, "cpu", flat.size, None)
            return None

    stream = io.BytesIO()
    for head in (magic, 1001, {"little_endian": True}):
        pickle.dump(head, stream, protocol=2)
    Pickler(stream, protocol=2).dump(OrderedDict(tensors))
    keys = sorted({tensor.key for _, tensor in tensors})
    pickle.dump(keys, stream, protocol=2)
    flats = {tensor.key: tensor.flat for _, tensor in tensors}
    for key in keys:
        stream.write(flats[key].size.to_bytes(8, "little") + flats[key].tobytes())
    return stream.getvalue()


def test_tensors_of_any_strides_and_shared_storages(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeTorch(monkeypatch)
    flat = np.arange(12, dtype=np.float32)
    tensors = [
        ("rows", _Tensor(fake, "a", flat, 0, (3, 4), (4, 1))),
        ("columns", _Tensor(fake, "a", flat, 0, (4, 3), (1, 4))),
        ("tail", _Tensor(fake, "a", flat, 10, (2,), (1,))),
        ("scalar", _Tensor(fake, "b", flat[5:6].copy(), 0, (), ())),
    ]
    read = read_checkpoint(_write(fake, tensors))
    assert list(read) == ["rows", "columns", "tail", "scalar"]
    np.testing.assert_array_equal(read["rows"], flat.reshape(3, 4))
    np.testing.assert_array_equal(read["columns"], flat.reshape(3, 4).T)
    np.testing.assert_array_equal(read["tail"], [10, 11])
    assert read["scalar"].shape == ()
    assert all(value.flags.c_contiguous for value in read.values())


def test_a_view_outside_its_storage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeTorch(monkeypatch)
    flat = np.arange(4, dtype=np.float32)
    content = _write(fake, [("w", _Tensor(fake, "a", flat, 1, (2, 2), (2, 1)))])
    with pytest.raises(CheckpointError, match="tensor w reaches outside"):
        read_checkpoint(content)


def test_a_cut_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeTorch(monkeypatch)
    flat = np.arange(4, dtype=np.float32)
    content = _write(fake, [("w", _Tensor(fake, "a", flat, 0, (4,), (1,)))])
    with pytest.raises(CheckpointError, match="cut short"):
        read_checkpoint(content[:-1])
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_checkpoint(content[:20])


def test_other_names_are_refused(tmp_path: Any) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "written"), "w"))

    content = pickle.dumps(_MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps(Payload(), 2)
    with pytest.raises(CheckpointError, match="open, which is no part of a checkpoint"):
        read_checkpoint(content)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04zip", pickle.dumps(3, 2) * 5])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_checkpoint(content)
