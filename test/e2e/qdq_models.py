"""Models that are quantized already: by ONNX Runtime, and by hand with any integer types."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

Array = npt.NDArray[Any]
SHAPE = (1, 3, 12, 12)

DTYPES: dict[str, tuple[int, Any]] = {
    "INT4": (TensorProto.INT4, ml_dtypes.int4),
    "UINT4": (TensorProto.UINT4, ml_dtypes.uint4),
    "INT8": (TensorProto.INT8, np.int8),
    "UINT8": (TensorProto.UINT8, np.uint8),
    "INT16": (TensorProto.INT16, np.int16),
    "UINT16": (TensorProto.UINT16, np.uint16),
}


def float_model() -> onnx.ModelProto:
    """Convolutions, a pool, a sigmoid, a residual sum, a global average and two dense layers."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "b": rng.normal(0, 0.3, 8),
        "w2": rng.normal(0, 0.3, (8, 8, 1, 1)),
        "fc": rng.normal(0, 0.3, (8, 10)),
        "fc2": rng.normal(0, 0.3, (4, 10)),
        "b2": rng.normal(0, 0.3, 4),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["input", "w", "b"], ["c"], "conv", strides=[2, 2], pads=[1] * 4),
        node("Relu", ["c"], ["r"], "relu"),
        node("MaxPool", ["r"], ["m"], "max", kernel_shape=[2, 2]),
        node("Conv", ["m", "w2"], ["c2"], "conv2"),
        node("Sigmoid", ["c2"], ["s"], "sigmoid"),
        node("Add", ["s", "m"], ["a"], "add"),
        node("GlobalAveragePool", ["a"], ["p"], "pool"),
        node("Flatten", ["p"], ["f"], "flatten"),
        node("MatMul", ["f", "fc"], ["g"], "matmul"),
        node("Gemm", ["g", "fc2", "b2"], ["output"], "gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", 1, SHAPE)],
        [helper.make_tensor_value_info("output", 1, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def inputs(count: int) -> list[dict[str, Array]]:
    return [
        {"input": np.random.default_rng(i).normal(size=SHAPE).astype(np.float32)}
        for i in range(count)
    ]


class _Reader(CalibrationDataReader):
    def __init__(self) -> None:
        self._left: Iterator[dict[str, Array]] = iter(inputs(4))

    def get_next(self) -> Any:
        return next(self._left, None)


def quantized_by_runtime(
    format_: QuantFormat, activation: QuantType, weight: QuantType, per_channel: bool
) -> onnx.ModelProto:
    """The float model as ONNX Runtime's static quantization leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        onnx.save(float_model(), source)
        quantize_static(
            source, target, _Reader(), quant_format=format_, per_channel=per_channel,
            activation_type=activation, weight_type=weight,
        )  # fmt: skip
        return onnx.load(target)


class _Builder:
    """A QDQ graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, array: Array, kind: int = 0) -> str:
        if kind in (TensorProto.INT4, TensorProto.UINT4):
            made = helper.make_tensor(name, kind, array.shape, array.astype(np.int32).reshape(-1))
        else:
            made = numpy_helper.from_array(array, name)
        self.initializers.append(made)
        return name

    def parameters(self, name: str, dtype: str, scales: Array, points: Array) -> list[str]:
        kind, numpy_type = DTYPES[dtype]
        scale = self.constant(f"{name}_scale", scales.astype(np.float32))
        return [scale, self.constant(f"{name}_zero_point", points.astype(numpy_type), kind)]

    def activation(self, name: str, dtype: str, low: float, high: float) -> str:
        """Q and DQ behind the tensor `name`."""
        limits = ml_dtypes.iinfo(DTYPES[dtype][1])
        scale = np.float32((high - low) / (int(limits.max) - int(limits.min)))
        point = np.asarray(round(int(limits.min) - low / float(scale)))
        operands = self.parameters(name, dtype, np.asarray(scale), point)
        stored, real = f"{name}_q", f"{name}_dq"
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *operands], [stored], stored))
        self.nodes.append(helper.make_node("DequantizeLinear", [stored, *operands], [real], real))
        return real

    def weight(self, name: str, dtype: str, shape: tuple[int, ...], axis: int | None) -> str:
        """A DQ of random integers; along `axis` it is symmetric, else it has a zero point."""
        kind, numpy_type = DTYPES[dtype]
        limits = ml_dtypes.iinfo(numpy_type)
        low, high = int(limits.min), int(limits.max)
        rng = np.random.default_rng(len(self.initializers))
        size = () if axis is None else (shape[axis],)
        values = rng.integers(low, high + 1, shape).astype(numpy_type)
        scales = rng.uniform(0.5, 1.5, size) / (high - low)
        points = np.full(size, (low + high + 1) // 2 if axis is None or low == 0 else 0)
        stored = self.constant(f"{name}_q", values, kind)
        operands = [stored, *self.parameters(name, dtype, np.asarray(scales), points)]
        attributes = {} if axis is None else {"axis": axis}
        self.nodes.append(
            helper.make_node("DequantizeLinear", operands, [name], name, **attributes)
        )
        return name


def by_hand(activation: str, weight: str, per_channel: bool) -> onnx.ModelProto:
    """A convolution, a Clip, a depthwise one, a sum, a sigmoid nobody quantizes, and a product."""
    made = _Builder()
    node = helper.make_node
    x = made.activation("input", activation, -3.0, 3.0)
    w = made.weight("w", weight, (8, 3, 3, 3), 0 if per_channel else None)
    made.constant("low", np.asarray(-1.0, np.float32))
    made.constant("high", np.asarray(2.0, np.float32))
    made.nodes += [node("Conv", [x, w], ["c"], "conv", pads=[1] * 4)]
    made.nodes += [node("Clip", ["c", "low", "high"], ["k"], "clip")]
    k = made.activation("k", activation, -1.5, 2.5)
    d = made.weight("d", weight, (8, 1, 3, 3), 0 if per_channel else None)
    made.nodes += [node("Conv", [k, d], ["e"], "depthwise", group=8, pads=[1] * 4)]
    e = made.activation("e", activation, -4.0, 4.0)
    made.nodes += [node("Add", [e, k], ["a"], "add")]
    a = made.activation("a", activation, -5.0, 5.0)
    made.nodes += [node("GlobalAveragePool", [a], ["p"], "pool"), node("Flatten", ["p"], ["f"])]
    f = made.activation("f", activation, -1.0, 1.0)
    # Weights along the last axis cannot have zero points there.
    m = made.weight("m", weight, (8, 5), 1 if per_channel and weight == "INT4" else None)
    made.nodes += [node("MatMul", [f, m], ["output"], "matmul")]
    graph = helper.make_graph(
        made.nodes,
        "by_hand",
        [helper.make_tensor_value_info("input", 1, SHAPE)],
        [helper.make_tensor_value_info("output", 1, [1, 5])],
        made.initializers,
    )
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    return model
