"""Calibration data sets: formats, matching, and every kind of bad input."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loguru import logger
from PIL import Image

from pulsar2.calibration.dataset import CalibrationDataset, InputData, load_dataset
from pulsar2.diagnostics import UserError

F32 = np.dtype(np.float32)


def data(path: Path, **changes: Any) -> InputData:
    fields: dict[str, Any] = {
        "name": "input",
        "shape": (1, 3, 8, 6),
        "dtype": F32,
        "dataset": path,
        "size": -1,
        "tensor_format": "RGB",
    }
    return InputData(**(fields | changes))


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    messages: list[str] = []
    sink = logger.add(lambda m: messages.append(m.record["message"]), level="WARNING")
    yield messages
    logger.remove(sink)


def picture(seed: int, mode: str = "RGB", size: tuple[int, int] = (6, 8)) -> bytes:
    rng = np.random.default_rng(seed)
    channels = {"RGB": 3, "L": 1, "RGBA": 4}[mode]
    pixels = rng.integers(0, 256, (size[1], size[0], channels), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(stream, "PNG")
    return stream.getvalue()


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


PICTURES = {f"d/{i}.png": picture(i) for i in range(4)}


def folder_of(tmp_path: Path, files: dict[str, bytes]) -> Path:
    root = tmp_path / "set"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "folder"])
def test_every_archive_gives_the_same(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in PICTURES.items():
                archive.writestr(name, content)
    elif kind == "folder":
        path = folder_of(tmp_path, PICTURES)
    else:
        make_tar(path, PICTURES, "w:gz" if kind == "tar.gz" else "w")
    loaded = load_dataset([data(path)], tmp_path / "out")
    assert len(loaded) == 4
    pixels = np.asarray(Image.open(io.BytesIO(PICTURES["d/2.png"])))
    sample = loaded[2]
    assert sample.label == "2.png"
    expected = pixels.astype(np.float32).transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(sample.inputs["input"], expected)
    assert (tmp_path / "out" / "input" / "d" / "0.png").exists() == (kind != "folder")


def one(tmp_path: Path, content: bytes, **changes: Any) -> np.ndarray:
    loaded = load_dataset([data(folder_of(tmp_path, {"0.png": content}), **changes)], tmp_path)
    return loaded[0].inputs["input"]


def test_colours_mean_and_layout(tmp_path: Path) -> None:
    content = picture(1)
    rgb = np.asarray(Image.open(io.BytesIO(content)), np.float32)
    got = one(tmp_path, content, tensor_format="BGR", mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 5.0))
    bgr = (rgb[:, :, ::-1] - np.float32([1, 2, 3])) / np.float32([2, 4, 5])
    np.testing.assert_array_equal(got, bgr.transpose(2, 0, 1)[None])
    got = one(tmp_path, content, shape=(1, 8, 6, 3), layout="NHWC")
    np.testing.assert_array_equal(got, rgb[None])
    got = one(tmp_path, content, shape=(1, 1, 8, 6), tensor_format="GRAY")
    gray = np.asarray(Image.open(io.BytesIO(content)).convert("L"), np.float32)
    np.testing.assert_array_equal(got, gray[None, None])
    automatic = one(tmp_path, content, tensor_format="AutoColorSpace")
    np.testing.assert_array_equal(automatic, rgb[:, :, ::-1].transpose(2, 0, 1)[None])


def test_pictures_are_resized_and_converted(tmp_path: Path) -> None:
    got = one(tmp_path, picture(3, "RGBA", (30, 20)))
    assert got.shape == (1, 3, 8, 6)
    got = one(tmp_path, picture(3, "L"), dtype=np.dtype(np.uint8), mean=(9.0, 9.0, 9.0))
    assert got.dtype == np.uint8  # raw pixels: an integer input is not normalized
    assert (got[0, 0] == got[0, 1]).all()


def test_a_batch_takes_several_pictures(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "set.tar", PICTURES)
    loaded = load_dataset([data(path, shape=(3, 3, 8, 6))], tmp_path / "out")
    assert len(loaded) == 2
    last = loaded[1].inputs["input"]
    assert last.shape == (3, 3, 8, 6)
    np.testing.assert_array_equal(last[0], last[2])


def test_numpy_and_binary(tmp_path: Path) -> None:
    array = np.arange(144, dtype=np.float32).reshape(1, 3, 8, 6)
    root = folder_of(tmp_path, {"a.npy": npy(array), "b.bin": array.tobytes()})
    for kind in ("Numpy", "Binary"):
        loaded = load_dataset([data(root, format=kind)], tmp_path / "out")
        np.testing.assert_array_equal(loaded[0].inputs["input"], array)


def test_fewer_files_than_asked_for(tmp_path: Path, warnings: list[str]) -> None:
    path = make_tar(tmp_path / "set.tar", PICTURES)
    assert len(load_dataset([data(path, size=32)], tmp_path / "out")) == 4
    assert len(warnings) == 1
    assert "32 calibration files asked for" in warnings[0]
    assert "has 4; all 4 are used" in warnings[0]
    assert len(load_dataset([data(path, size=3)], tmp_path / "out")) == 3
    assert len(warnings) == 1


def test_inputs_are_matched_by_name(tmp_path: Path, warnings: list[str]) -> None:
    arrays = {i: np.full((1, 2), i, np.float32) for i in range(4)}
    first = make_tar(tmp_path / "a.tar", {f"{i}.npy": npy(arrays[i]) for i in (0, 1, 2)})
    second = make_tar(tmp_path / "b.tar", {f"x/{i}.npy": npy(arrays[i]) for i in (2, 3, 1)})
    inputs = [
        data(first, name="a", shape=(1, 2), format="Numpy"),
        data(second, name="b", shape=(1, 2), format="Numpy"),
    ]
    loaded = load_dataset(inputs, tmp_path / "out")
    assert len(loaded) == 2
    for sample in loaded:
        np.testing.assert_array_equal(sample.inputs["a"], sample.inputs["b"])
    assert any("without a namesake" in w for w in warnings)


def test_numpy_object(tmp_path: Path) -> None:
    content = {"a": np.ones((1, 2), np.float32), "b": np.zeros((1, 3), np.int64)}
    root = folder_of(tmp_path, {"0.npy": npy(content, allow_pickle=True)})
    inputs = [
        data(root, name="a", shape=(1, 2), format="NumpyObject"),
        data(root, name="b", shape=(1, 3), dtype=np.dtype(np.int64), format="NumpyObject"),
    ]
    sample = load_dataset(inputs, tmp_path / "out")[0]
    np.testing.assert_array_equal(sample.inputs["a"], content["a"])
    np.testing.assert_array_equal(sample.inputs["b"], content["b"])


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("/tmp/pulsar2-was-here"),))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_cannot_run_code(protocol: int, tmp_path: Path) -> None:
    header = npy(np.asarray(None, object), allow_pickle=True)
    body = pickle.dumps({"input": Evil()}, protocol)
    start = header.index(b"\n") + 1
    root = folder_of(tmp_path, {"0.npy": header[:start] + body})
    loaded = load_dataset([data(root, format="NumpyObject")], tmp_path / "out")
    with pytest.raises(UserError, match="not admitted"):
        loaded[0]
    assert not Path("/tmp/pulsar2-was-here").exists()
    harmless = pickle.dumps({"input": np.zeros((1, 3, 8, 6), np.float32)}, protocol)
    (root / "0.npy").write_bytes(header[:start] + harmless)
    assert loaded[0].inputs["input"].shape == (1, 3, 8, 6)


def fails(
    path: Path, message: str, tmp_path: Path, *, read: bool = False, **changes: Any
) -> UserError:
    def load() -> None:
        loaded: CalibrationDataset = load_dataset([data(path, **changes)], tmp_path / "out")
        if read:
            loaded.sample(0)

    with pytest.raises(UserError) as caught:
        load()
    assert message in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png"])
def test_paths_that_climb_out_are_refused(name: str, tmp_path: Path) -> None:
    path = make_tar(tmp_path / "set.tar", {name: picture(0)})
    fails(path, "no regular file inside it", tmp_path)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(name, picture(0))
    fails(tmp_path / "set.zip", "no regular file inside it", tmp_path)
    assert not (tmp_path / "evil.png").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        link = tarfile.TarInfo("0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    fails(tmp_path / "set.tar", "no regular file inside it", tmp_path)


def test_missing_or_wrong_files(tmp_path: Path) -> None:
    fails(tmp_path / "nothing.tar", "does not exist", tmp_path)
    (tmp_path / "text.tar").write_text("hello")
    fails(tmp_path / "text.tar", "is not an archive", tmp_path)
    whole = make_tar(tmp_path / "set.tar.gz", PICTURES, "w:gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError):
        load_dataset([data(tmp_path / "cut.tar.gz")], tmp_path / "out")
    fails(make_tar(tmp_path / "empty.tar", {}), "holds no file", tmp_path)
    fails(make_tar(tmp_path / "t.tar", {"a.txt": b"x"}), "holds no file", tmp_path)


def _damaged(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zip(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", method) as archive:
        archive.writestr("0.png", picture(0))
    fails(_damaged(tmp_path / "set.zip"), "cannot unpack '0.png'", tmp_path)


_ARCHIVES = ["w", "w:gz", "w:bz2", "w:xz", *map(str, (0, 8, 12, 14))]
"""Modes of tar, and compressions of zip."""


def _changed(data: bytes, rng: np.random.Generator) -> bytes:
    """The data with some bytes changed, inserted and left out."""
    made = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place, count = int(rng.integers(len(made))), int(rng.integers(1, 9))
        kind = rng.integers(3)
        made[place : place + (0 if kind == 0 else count)] = b"" if kind == 1 else rng.bytes(count)
    return bytes(made)


@pytest.mark.parametrize("kind", ["npy", "pickle", *_ARCHIVES])
def test_damage_anywhere_is_a_mistake_of_the_user(kind: str, tmp_path: Path) -> None:
    """No bytes end in any other exception."""
    array = np.linspace(0, 1, 144, dtype=np.float32).reshape(1, 3, 8, 6)
    file, content = "0.npy", npy(array)
    if kind == "pickle":
        content = npy({"input": array}, allow_pickle=True)
    elif kind.isdigit():
        file = "set.zip"
        with zipfile.ZipFile(tmp_path / file, "w", int(kind)) as archive:
            archive.writestr("0.npy", content)
        content = (tmp_path / file).read_bytes()
    elif kind != "npy":
        file = "set.tar"
        content = make_tar(tmp_path / file, {"0.npy": content}, kind).read_bytes()
    place = folder_of(tmp_path, {}) / file
    place.parent.mkdir(exist_ok=True)
    given = data(
        place.parent if file == "0.npy" else place,
        format="NumpyObject" if kind == "pickle" else "Numpy",
    )
    rng, outcomes = np.random.default_rng(0), set[bool]()
    for changed in (content, *(_changed(content, rng) for _ in range(100))):
        place.write_bytes(changed)
        try:
            sample = load_dataset([given], tmp_path / "out").sample(0)
        except UserError:
            outcomes.add(False)
        else:
            assert sample.inputs["input"].shape == array.shape
            outcomes.add(True)
    assert outcomes == {False, True}


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_damaged_tar(mode: str, tmp_path: Path) -> None:
    files = {f"{i}.png": picture(i) for i in range(40)}
    path = _damaged(make_tar(tmp_path / "set.tar", files, mode))
    with pytest.raises(UserError, match=r"set\.tar: .*(damaged|not an archive)"):
        load_dataset([data(path)], tmp_path / "out")


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    fails(make_tar(tmp_path / "set.tar", PICTURES), "0.0 GB are free", tmp_path)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("0.png", picture(0))
    fails(tmp_path / "set.zip", "0.0 GB are free", tmp_path)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {})
    root.mkdir()
    name = os.fsdecode(b"\xff.npy")
    (root / name).write_bytes(npy(np.zeros((1, 3, 8, 6), np.float32)))
    assert load_dataset([data(root, format="Numpy")], tmp_path / "out")[0].label == name


def test_16_bit_pictures_keep_their_upper_bits(tmp_path: Path) -> None:
    gray = np.linspace(0, 65535, 48).astype(np.uint16).reshape(8, 6)
    stream = io.BytesIO()
    Image.fromarray(gray).save(stream, "PNG")
    root = folder_of(tmp_path, {"0.png": stream.getvalue()})
    (sample,) = load_dataset([data(root)], tmp_path / "out")
    np.testing.assert_array_equal(sample.inputs["input"][0, 0], gray >> 8)
    stream = io.BytesIO()
    Image.fromarray(gray.astype(np.float32)).save(stream, "TIFF")
    root = folder_of(tmp_path / "f", {"0.tiff": stream.getvalue()})
    fails(root, "its pixels are float32", tmp_path, read=True)


def test_a_picture_of_billions_of_pixels(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    root = folder_of(tmp_path, {"0.png": b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b"")})
    fails(root, "decompression bomb", tmp_path)


def test_files_of_one_name_in_several_folders(tmp_path: Path, warnings: list[str]) -> None:
    files = {f"{f}/x.npy": npy(np.full((1, 2), f, np.float32)) for f in range(3)}
    inputs = [
        data(folder_of(tmp_path / name, files), name=name, shape=(1, 2), format="Numpy")
        for name in "ab"
    ]
    loaded = load_dataset(inputs, tmp_path / "out")
    assert [s.inputs["a"][0, 0] for s in loaded] == [0, 1, 2]
    for sample in loaded:
        np.testing.assert_array_equal(sample.inputs["a"], sample.inputs["b"])
    assert not warnings
    # Where folders are called after the inputs, the names alone match; of two of a name one does.
    (tmp_path / "b" / "set").rename(tmp_path / "b" / "old")
    inputs[1] = data(
        folder_of(tmp_path / "b", {"other/x.npy": npy(np.zeros((1, 2), np.float32))}),
        name="b", shape=(1, 2), format="Numpy",
    )  # fmt: skip
    assert len(load_dataset(inputs, tmp_path / "out")) == 1
    assert any("'a': 2 file(s) without a namesake" in w for w in warnings)


def test_sizes_that_differ_are_told(tmp_path: Path, warnings: list[str]) -> None:
    root = folder_of(tmp_path, {f"{i}.npy": npy(np.zeros((1, 2), np.float32)) for i in range(3)})
    inputs = [
        data(root, name=name, shape=(1, 2), format="Numpy", size=size)
        for name, size in (("a", 3), ("b", 2))
    ]
    assert len(load_dataset(inputs, tmp_path / "out")) == 2
    assert any("not the same for all inputs ('a' 3, 'b' 2)" in w for w in warnings)


def test_every_wrong_file_is_told_before_any_is_read(tmp_path: Path) -> None:
    wrong = {f"{i:02}.npy": npy(np.zeros((1, 3, 8, i), np.float32)) for i in range(12)}
    root = folder_of(tmp_path, wrong | {"text.npy": b"no"})
    error = fails(root, "00.npy", tmp_path, format="Numpy")
    lines = [str(d) for d in error.diagnostics]
    assert len(lines) == 11
    assert "06.npy" not in str(error)
    assert f"2 more file(s) of {root} are wrong" in lines[-1]
    root = folder_of(tmp_path / "b", {"0.bin": b"abc"})
    fails(root, "the file has 3 bytes", tmp_path, format="Binary")
    # Numbers of another byte order are numbers.
    big = np.arange(144, dtype=">f4").reshape(1, 3, 8, 6)
    root = folder_of(tmp_path / "c", {"0.npy": npy(big)})
    (sample,) = load_dataset([data(root, format="Numpy")], tmp_path / "out")
    np.testing.assert_array_equal(sample.inputs["input"], big)
    assert sample.inputs["input"].dtype == F32


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("(1000000000000,)", "0.npy: not a .npy file of numbers"),
        ("(100000000000000000000000,)", "0.npy: not a .npy file of numbers"),
        ("(-1,)", "0.npy: "),  # older versions of numpy read what there is
    ],
)
def test_a_header_that_promises_too_much(shape: str, said: str, tmp_path: Path) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"
    root = folder_of(tmp_path, {"0.npy": header + b"\0" * 40})
    fails(root, said, tmp_path, format="Numpy")


def test_a_scalar(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {"0.npy": npy(np.float32(3))})
    (sample,) = load_dataset([data(root, shape=(), format="Numpy")], tmp_path / "out")
    assert sample.inputs["input"].shape == ()


def test_all_inputs_that_a_dictionary_does_not_fit_are_told(tmp_path: Path) -> None:
    content = {"a": np.zeros(3, np.float32), "b": np.zeros(4)}
    root = folder_of(tmp_path, {"0.npy": npy(content, allow_pickle=True)})
    inputs = [data(root, name=n, shape=(1, 4), format="NumpyObject") for n in "abc"]
    with pytest.raises(UserError) as caught:
        load_dataset(inputs, tmp_path / "out").sample(0)
    told = [str(d) for d in caught.value.diagnostics]
    assert len(told) == 3
    assert "no entry for input 'c'" in told[2]


def test_pictures_that_do_not_decode(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {"0.png": b"not a picture"})
    assert "0.png" in str(fails(root, "cannot be decoded", tmp_path))
    cut = picture(0, size=(60, 80))
    (root / "0.png").write_bytes(cut[: len(cut) // 2])
    fails(root, "cannot be decoded", tmp_path, read=True)


def test_pictures_that_do_not_fit(tmp_path: Path) -> None:
    root = folder_of(tmp_path, PICTURES)
    fails(root, "a picture does not fit the shape", tmp_path, shape=(1, 3))
    fails(root, "have 3 channel(s)", tmp_path, shape=(1, 4, 8, 6))
    fails(root, "have 1 channel(s)", tmp_path, tensor_format="GRAY")
    error = fails(root, "calibration_mean has 2", tmp_path, mean=(1.0, 2.0), std=(0.0, 1.0, 1.0))
    assert "divides by zero" in str(error)


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    shape = (1, 3, 8, 6)
    bad: dict[str, bytes] = {
        "shape": npy(np.zeros((3, 8, 6), np.float32)),
        "dtype": npy(np.zeros(shape, np.float64)),
        "text": b"no",
        "nan": npy(np.full(shape, np.nan, np.float32)),
        "object": npy({"input": 1}, allow_pickle=True),
    }
    messages = {
        "shape": "float32 [3, 8, 6]",
        "dtype": "expected float32 [1, 3, 8, 6]",
        "text": "not a .npy file",
        "nan": "hold 144 times NaN",
        "object": "not a .npy file of numbers",
    }
    for name, content in bad.items():
        root = folder_of(tmp_path / name, {"0.npy": content})
        error = fails(root, messages[name], tmp_path, read=True, format="Numpy")
        assert "0.npy" in str(error)
    root = folder_of(tmp_path, {"0.bin": b"\0" * 10})
    fails(root, "the file has 10 bytes", tmp_path, read=True, format="Binary")


def test_dictionaries_that_do_not_fit(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {"0.npy": npy({"imput": np.zeros(3)}, allow_pickle=True)})
    fails(root, "did you mean 'imput'", tmp_path, read=True, format="NumpyObject")
    (root / "0.npy").write_bytes(npy([1, 2], allow_pickle=True))
    fails(root, "not a dictionary", tmp_path, read=True, format="NumpyObject")
    (root / "0.npy").write_bytes(npy({"input": "text"}, allow_pickle=True))
    fails(root, "no array of numbers", tmp_path, read=True, format="NumpyObject")
