"""A compiled model beside ONNX's evaluator, operator by operator.

Each operator of the evaluator reads what the emulator made of the operators before, so an error is
that of one operator alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """How far a tensor of the emulator is from the evaluator's, by the largest of its elements.

    `steps` of its scale where it is quantized; else `relative` to the tensor's greatest number.
    """

    tensor: str
    elements: int
    steps: int = 0
    relative: float = 0.0
    differing: int = 0


def differences(
    model: ModelProto, feeds: Mapping[str, Array], emulated: Mapping[str, Array]
) -> list[Difference]:
    """What the emulator has where a model has outputs, against the model's operators one by one.

    `model` is the integer form of a module all of whose tensors are outputs (as
    `quant-expose-tensors` makes them), and `emulated` are those of the compiled module.
    """
    evaluator: Any = ReferenceEvaluator(model)
    values: dict[str, Any] = {"": None, **evaluator.rt_inits_, **feeds}
    outputs = {o.name: o.name for o in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.output[0] in outputs:
            outputs.setdefault(node.input[0], node.output[0])
    found: list[Difference] = []
    for node in evaluator.rt_nodes_:
        inputs = [values[name] for name in node.input]
        values.update(zip(node.output, node.run(*inputs), strict=False))
        (name, *_) = node.output
        if name not in outputs:
            continue
        ours = emulated[outputs[name]]
        if node.onnx_node.op_type == "DequantizeLinear":
            found.append(_steps(name, node.input, values, ours))
        else:
            wide = np.abs(values[name] - ours.astype(np.float64))
            scale = float(np.abs(ours).max()) or 1.0
            found.append(Difference(name, ours.size, relative=float(wide.max()) / scale))
        values[name] = ours
    return found


def _steps(name: str, inputs: list[str], values: dict[str, Any], ours: Array) -> Difference:
    """Compares stored integers, and puts the emulator's in their place."""
    stored, scale, zero = (np.asarray(values[i]) for i in inputs)
    integers = np.rint(ours / scale).astype(np.int64) + zero.astype(np.int64)
    off = np.abs(integers - stored.astype(np.int64))
    values[inputs[0]] = integers.astype(stored.dtype)
    return Difference(name, off.size, steps=int(off.max()), differing=int(np.count_nonzero(off)))
