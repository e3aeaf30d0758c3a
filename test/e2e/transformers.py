"""A small transformer with outliers, and its data, for tests of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

WIDTH, TOKENS, HEADS, HIDDEN = 32, 12, 2, 64
SHAPE = (1, TOKENS, WIDTH)


def samples(folder: Path, count: int = 6) -> Path:
    """Writes calibration data; the folder."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for index in range(count):
        np.save(folder / f"{index}.npy", rng.normal(size=SHAPE).astype(np.float32))
    return folder


def configuration(data: Path, **quant: Any) -> dict[str, Any]:
    source = {
        "tensor_name": "DEFAULT",
        "calibration_dataset": str(data),
        "calibration_format": "Numpy",
        "calibration_size": -1,
    }
    return {"quant": {"input_configs": [source]} | quant}


def encoder(path: Path, blocks: int = 1, outlier: float = 30.0, mask: float | None = None) -> Path:
    """Writes blocks of attention and of two layers, whose normalizations have an outlier.

    With `mask` a constant adds this number to the scores of the last tokens.
    """
    rng = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    constants: dict[str, np.ndarray] = {
        "split": np.array([1, TOKENS, HEADS, WIDTH // HEADS]),
        "join": np.array(SHAPE),
    }

    def emit(op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(name: str, values: np.ndarray) -> str:
        constants[name] = values.astype(np.float32)
        return name

    def dense(x: str, name: str, inputs: int, outputs: int) -> str:
        weight = constant(f"{name}/w", rng.normal(0, 1 / inputs**0.5, (inputs, outputs)))
        y = emit("MatMul", [x, weight], f"{name}/product")
        return emit("Add", [y, constant(f"{name}/b", rng.normal(0, 0.1, outputs))], name)

    def norm(x: str, name: str) -> str:
        scale = np.ones(WIDTH)
        scale[5], scale[9] = outlier, outlier / 2
        factors = [constant(f"{name}/g", scale), constant(f"{name}/b", rng.normal(0, 0.1, WIDTH))]
        return emit("LayerNormalization", [x, *factors], name, axis=-1)

    def heads(x: str, name: str, perm: list[int]) -> str:
        y = emit("Reshape", [dense(x, name, WIDTH, WIDTH), "split"], f"{name}/split")
        return emit("Transpose", [y], f"{name}/heads", perm=perm)

    x = "x"
    for index in range(blocks):
        n = norm(x, f"norm{index}a")
        q = heads(n, f"q{index}", [0, 2, 1, 3])
        k = heads(n, f"k{index}", [0, 2, 3, 1])
        v = heads(n, f"v{index}", [0, 2, 1, 3])
        scores = emit("MatMul", [q, k], f"scores{index}")
        scale = constant(f"scale{index}", np.array(0.02))
        scores = emit("Mul", [scores, scale], f"scaled{index}")
        if mask is not None:
            # The last tokens are not there.
            row = np.where(np.arange(TOKENS) < TOKENS - 3, 0, mask)
            scores = emit("Add", [scores, constant(f"mask{index}", row)], f"masked{index}")
        scores = emit("Softmax", [scores], f"soft{index}")
        y = emit("MatMul", [scores, v], f"context{index}")
        y = emit("Transpose", [y], f"context{index}/heads", perm=[0, 2, 1, 3])
        y = emit("Reshape", [y, "join"], f"context{index}/join")
        x = emit("Add", [x, dense(y, f"project{index}", WIDTH, WIDTH)], f"add{index}a")
        y = dense(norm(x, f"norm{index}b"), f"fc1_{index}", WIDTH, HIDDEN)
        y = emit("Gelu", [y], f"gelu{index}")
        x = emit("Add", [x, dense(y, f"fc2_{index}", HIDDEN, WIDTH)], f"add{index}b")
    emit("LayerNormalization", [x, constant("last", np.ones(WIDTH))], "output", axis=-1)
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("x", 1, SHAPE)],
        [helper.make_tensor_value_info("output", 1, SHAPE)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path
