"""The weight store: arrays in memory, and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pulsar2.weights import AnyArray, WeightStore


def mapped(array: AnyArray) -> Path | None:
    """The file that an array is mapped from, or None."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return Path(str(base.filename))
        base = base.base
    return None


def test_large_arrays_are_kept_in_files(tmp_path: Path) -> None:
    store = WeightStore()
    store.keep_in(tmp_path)
    small, large = np.ones(16, np.float32), np.arange(1 << 16, dtype=np.int16).reshape(256, 256)
    keys = [store.add(array) for array in (small, large, large.copy())]
    assert keys[1] == keys[2]
    assert [p.name for p in tmp_path.iterdir()] == [keys[1]]
    assert mapped(store.get(keys[0])) is None
    assert mapped(store.get(keys[1])) == tmp_path / keys[1]
    assert not store.get(keys[1]).flags.writeable
    np.testing.assert_array_equal(store.get(keys[1]), large)


def test_what_lies_in_a_file_stays_there(tmp_path: Path) -> None:
    given = tmp_path / "given.bin"
    np.arange(1 << 16, dtype=np.float32).tofile(given)
    kept = tmp_path / "kept"
    kept.mkdir()
    store = WeightStore()
    store.keep_in(kept)
    array = np.memmap(given, dtype=np.float32, mode="r", shape=(256, 256))
    assert mapped(store.get(store.add(np.asarray(array)))) == given
    assert not list(kept.iterdir())


def test_without_a_folder_arrays_stay_in_memory(tmp_path: Path) -> None:
    store = WeightStore()
    key = store.add(np.zeros((512, 512), np.float32))
    assert mapped(store.get(key)) is None
