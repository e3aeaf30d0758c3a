"""Models of our own with the names that the build guide's examples use, and data for them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from cases import add
from onnx import helper, numpy_helper
from PIL import Image

Shape = Sequence[int]


def save(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, Shape], **arrays: Any) -> Path:
    """Writes a model; its output is `output`."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(n, 1, list(s)) for n, s in inputs.items()],
        [helper.make_tensor_value_info("output", 1, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in arrays.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(shape).normal(0, 0.3, shape).astype(np.float32)


def backbone(path: Path, name: str = "input", size: int = 32) -> Path:
    """A small network of convolutions, after MobileNet's names."""
    node = helper.make_node
    middle, end = "op_37:AxQuantizedConv_out", "op_5:AxQuantizedConv_out"
    nodes = [
        node("Conv", [name, "w1"], ["conv2_1_linear_bn"], "conv2_1", strides=[4, 4]),
        node("Conv", ["conv2_1_linear_bn", "w2"], ["dwise"], "conv2_2", group=8, pads=[1] * 4),
        node("Relu", ["dwise"], ["relu2_2_dwise"], "relu2_2"),
        node("Conv", ["relu2_2_dwise", "w3"], [middle], "conv4_3"),
        node("Conv", [middle, "w3"], [end], "conv5_1"),
        node("Add", [middle, end], ["sum"], "add"),
        node("Sub", ["sum", "half"], ["difference"], "sub"),
        node("Conv", ["difference", "w3"], ["conv6_4_out"], "conv6_4"),
        node(
            "AveragePool", ["conv6_4_out"], ["pool"], "pool6", kernel_shape=[3, 3], strides=[2, 2]
        ),
        node("GlobalAveragePool", ["pool"], ["whole"], "pool7"),
        node("Flatten", ["whole"], ["output"], "flatten"),
    ]
    return save(
        path, nodes, {name: (1, 3, size, size)}, w1=weights(8, 3, 4, 4), w2=weights(8, 1, 3, 3),
        w3=weights(8, 8, 1, 1), half=np.float32(0.5),
    )  # fmt: skip


def lenet(path: Path) -> Path:
    """LeNet-5 with the names of the guide's complete configuration."""
    node = helper.make_node
    nodes = [
        node("Conv", ["input", "w0"], ["11"], "Conv_0"),
        node("MaxPool", ["11"], ["12"], "MaxPool_1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["12", "w2"], ["13"], "Conv_2"),
        node("MaxPool", ["13"], ["14"], "MaxPool_3", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["14"], ["15"], "Flatten_4"),
        node("Gemm", ["15", "fc2.weight", "fc2.bias"], ["16"], "Gemm_5"),
        node("Gemm", ["16", "fc3.weight", "fc3.bias"], ["output"], "Gemm_6"),
    ]
    return save(
        path, nodes, {"input": (1, 1, 28, 28)}, w0=weights(20, 1, 5, 5), w2=weights(50, 20, 5, 5),
        **{"fc2.weight": weights(800, 10), "fc2.bias": weights(10)},
        **{"fc3.weight": weights(10, 10), "fc3.bias": weights(10)},
    )  # fmt: skip


def reshaped(path: Path) -> Path:
    """A Reshape to the constant `reshape_0_shape`."""
    nodes = [
        helper.make_node("Reshape", ["input", "reshape_0_shape"], ["r"], "reshape_0"),
        helper.make_node("Relu", ["r"], ["output"], "relu"),
    ]
    return save(path, nodes, {"input": (1, 3, 32, 48)}, reshape_0_shape=np.array([1, 96, 48]))


def two_inputs(path: Path) -> Path:
    nodes = [
        helper.make_node("Conv", ["input1", "w"], ["a"], "conv"),
        helper.make_node("Add", ["a", "input2"], ["output"], "add"),
    ]
    shapes = {"input1": (1, 3, 8, 8), "input2": (1, 3, 8, 8)}
    return save(path, nodes, shapes, w=weights(3, 3, 1, 1))


def archive(path: Path, kind: str, inputs: dict[str, Shape], count: int = 4) -> Path:
    """Calibration data of a format of the guide."""
    rng = np.random.default_rng(2)
    with tarfile.open(path, "w") as file:
        for index in range(count):
            arrays = {n: rng.normal(size=s).astype(np.float32) for n, s in inputs.items()}
            (first, *_) = arrays.values()
            data = io.BytesIO()
            if kind == "Image":
                Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(data, "PNG")
            elif kind == "Binary":
                data.write(first.tobytes())
            elif kind == "Numpy":
                np.save(data, first)
            else:
                np.save(data, np.array(arrays, dtype=object), allow_pickle=True)
            suffix = {"Image": "png", "Binary": "bin"}.get(kind, "npy")
            add(file, f"{index}.{suffix}", data.getvalue())
    return path
