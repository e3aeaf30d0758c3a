"""Small float models with data, calibrated, for tests of fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp, StringAttr

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

Node = onnx.NodeProto
node = helper.make_node


def model_of(
    nodes: Sequence[Node], inputs: dict[str, tuple[int, ...]], constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    """A model whose outputs are the tensors that no node reads."""
    outputs = {o for n in nodes for o in n.output} - {i for n in nodes for i in n.input}
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in sorted(outputs)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(made)


def residual_model(channels: int = 4) -> onnx.ModelProto:
    """Convolutions around a sum, a pooling, and a product, under names of their own."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.3, shape).astype(np.float32)

    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu"),
        node("Conv", ["b", "w2"], ["c"], "conv2", pads=[1, 1, 1, 1]),
        node("Add", ["b", "c"], ["d"], "add"),
        node("Sigmoid", ["d"], ["e"], "sigmoid"),
        node("Conv", ["e", "w3"], ["f"], "conv3", group=2),
        node("MaxPool", ["f"], ["g"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["g"], ["h"], "flatten"),
        node("Gemm", ["h", "w4", "b4"], ["y"], "gemm", transB=1, alpha=0.5),
    ]
    constants = {
        "w1": weights(channels, 3, 3, 3),
        "b1": weights(channels),
        "w2": weights(channels, channels, 3, 3),
        "w3": weights(channels, channels // 2, 3, 3),
        "w4": weights(5, channels * 9),
        "b4": weights(5),
    }
    return model_of(nodes, {"x": (1, 3, 8, 8)}, constants)


def samples(model: onnx.ModelProto, count: int, seed: int = 1) -> list[Sample]:
    """Inputs that are near to each other, as pictures are: mixtures of a few, and some noise."""
    patterns, random = np.random.default_rng(0), np.random.default_rng(seed)
    bases = {
        i.name: patterns.normal(0, 1, (4, *(d.dim_value for d in i.type.tensor_type.shape.dim)))
        for i in model.graph.input
    }

    def mixture(base: np.ndarray) -> np.ndarray:
        noise = random.normal(0, 0.1, base.shape[1:])
        return (np.tensordot(random.normal(0, 1, 4), base, 1) + noise).astype(np.float32)

    return [Sample(str(i), {k: mixture(v) for k, v in bases.items()}) for i in range(count)]


def calibrated(
    model: onnx.ModelProto, data: Sequence[Sample], *, bits: int = 4, optimized: bool = True
) -> tuple[ModuleOp, AxContext]:
    """The model in the `onnx` dialect, with observed ranges and weights of `bits` bits."""
    context = make_context()
    module = import_onnx(model, context)
    if optimized:
        run_passes(context, module, parse_passes("optimize"))
    for op in module.walk():
        if isinstance(op, Conv | ConvTranspose | Gemm | MatMul) and bits == 4:
            op.attributes["quant.weight_data_type"] = StringAttr("S4")
    calibrate(module, context, data, threads=1)
    return module, context
