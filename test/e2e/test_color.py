"""YUV at run time, against conversions that nobody here wrote."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from cases import configuration, run
from onnx import TensorProto, helper
from PIL import Image

from pulsar2.runtime import InferenceSession

HEIGHT, WIDTH = 24, 32
U8 = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Builds a model that gives back the picture it gets; runs it on bytes of a camera."""
    folder = tmp_path_factory.mktemp("camera")
    shape = [1, 3, HEIGHT, WIDTH]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["input"], ["picture"], "relu")],
        "same",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "same.onnx")
    (folder / "data").mkdir()
    ends = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    ends[1:] = 255
    Image.fromarray(ends).save(folder / "data" / "ends.png")

    def take(data: U8, **said: Any) -> npt.NDArray[np.float32]:
        value = configuration(folder / "data")
        value["quant"]["input_configs"][0] |= {
            "calibration_mean": [0, 0, 0], "calibration_std": [1, 1, 1], "calibration_size": 1,
        }  # fmt: skip
        value["input_processors"][0] |= {"mean": [0], "std": [1], "src_layout": "NCHW", **said}
        (folder / "c.json").write_text(json.dumps(value))
        words = ("--input", folder / "same.onnx", "--output_dir", folder / "out")
        outcome = run("build", "--config", folder / "c.json", *words)
        assert outcome.code == 0, outcome.err
        session = InferenceSession(folder / "out" / "compiled.axmodel")
        (given,) = session.get_inputs()
        (picture,) = session.run(None, {given.name: data.reshape(given.shape)})
        return picture[0].transpose(1, 2, 0)

    return take


def planes() -> tuple[U8, U8, U8]:
    """Y of every pixel, U and V of every block of four: all kinds of colours."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    u, v = rng.integers(0, 256, (2, HEIGHT // 2, WIDTH // 2), np.uint8)
    return y, u, v


def doubled(plane: U8) -> U8:
    return plane.repeat(2, axis=0).repeat(2, axis=1)


def pillow(y: U8, u: U8, v: U8) -> npt.NDArray[np.int64]:
    """RGB by Pillow, whose YCbCr is JPEG's: BT.601 of the full range."""
    planes = [Image.fromarray(p) for p in (y, u, v)]
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB")).astype(np.int64)


def opencv(y: U8, u: U8, v: U8) -> npt.NDArray[np.int64]:
    """RGB as OpenCV's COLOR_YUV2RGB_NV12 has it (modules/imgproc/src/color_yuv.simd.hpp)."""
    luma = np.maximum(y.astype(np.int64) - 16, 0) * 1220542 + (1 << 19)
    blue, red = u.astype(np.int64) - 128, v.astype(np.int64) - 128
    colors = (
        luma + 1673527 * red,
        luma - 852492 * red - 409993 * blue,
        luma + 2116026 * blue,
    )
    return np.stack([np.clip(c >> 20, 0, 255) for c in colors], axis=-1)


def semi_planar(y: U8, first: U8, second: U8) -> U8:
    return np.concatenate([y.ravel(), np.stack([first, second], -1).ravel()])


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("source", ["YUV420SP", "YVU420SP"])
def test_full_range_is_that_of_pillow(camera: Any, source: str, order: str) -> None:
    y, u, v = planes()
    data = semi_planar(y, u, v) if source == "YUV420SP" else semi_planar(y, v, u)
    got = camera(data, src_format=source, tensor_format=order, csc_mode="FullRange")
    expected = pillow(y, doubled(u), doubled(v))
    assert np.abs(got - (expected if order == "RGB" else expected[..., ::-1])).max() <= 1


@pytest.mark.parametrize("source", ["YUYV422", "UYVY422"])
def test_limited_range_is_that_of_opencv(camera: Any, source: str) -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(16, 236, (HEIGHT, WIDTH), np.uint8)
    u, v = rng.integers(16, 241, (2, HEIGHT, WIDTH // 2), np.uint8)
    pairs = (y[:, ::2], u, y[:, 1::2], v) if source == "YUYV422" else (u, y[:, ::2], v, y[:, 1::2])
    data = np.stack(pairs, axis=-1)
    got = camera(data, src_format=source, csc_mode="LimitedRange")
    expected = opencv(y, u.repeat(2, axis=1), v.repeat(2, axis=1))
    assert np.abs(got - expected).max() <= 1


def test_a_matrix_of_the_users_own(camera: Any) -> None:
    y, u, v = planes()
    # The example of the build guide: BGR of the limited range, with rounded numbers.
    matrix = [1.164, 2.017, 0, -276.8, 1.164, -0.392, -0.813, 135.616, 1.164, 0, 1.596, -221.912]
    got = camera(
        semi_planar(y, u, v),
        src_format="YUV420SP",
        tensor_format="BGR",
        csc_mode="Matrix",
        csc_mat=matrix,
    )
    stacked = np.stack([y, doubled(u), doubled(v), np.ones_like(y)], -1).astype(np.float64)
    expected = np.clip(stacked @ np.array(matrix).reshape(3, 4).T, 0, 255)
    assert np.abs(got - expected).max() <= 0.51


def test_slicing_and_padding_come_after_the_colours(camera: Any) -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 256, (HEIGHT + 2, WIDTH - 4), np.uint8)
    u, v = rng.integers(0, 256, (2, HEIGHT // 2 + 1, WIDTH // 2 - 2), np.uint8)
    got = camera(
        semi_planar(y, u, v),
        src_format="YUV420SP",
        csc_mode="FullRange",
        slicing=[0, 0, 1, 1, 0, 0, 0, 0],
        padding=[0, 0, 0, 0, 1, 3, 0, 0],
        padding_constant_value=7,
    )
    inner = pillow(y, doubled(u), doubled(v))[1:-1]
    expected = np.pad(inner, ((0, 0), (1, 3), (0, 0)), constant_values=7)
    assert np.abs(got - expected).max() <= 1
