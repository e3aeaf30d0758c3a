"""A compiled model beside ONNX's evaluator, operator by operator.

Each operator of the evaluator reads what the emulator made of the operators before, so an error is
that of one operator alone. Most operators have one right result. Those with an f32 function inside
(or an f32 sum, whose order ONNX leaves open) may be one step off: two right ways of computing a
function differ in the last bit of f32, which may tip a rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from onnx import ModelProto

from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class Difference:
    """How far a tensor of the emulator is from the evaluator's, by the largest of its elements.

    `steps` of its scale where it is quantized; else `relative` to the tensor's greatest number.
    `function` says whether it comes of an f32 function. `worst` is the index of the element, `got`
    and `expected` its values.
    """

    tensor: str
    elements: int
    worst: tuple[int, ...]
    got: float
    expected: float
    steps: int = 0
    relative: float = 0.0
    differing: int = 0
    function: bool = False

    @property
    def allowed(self) -> bool:
        """Whether it is no more than may be."""
        limit = _FLOAT_FUNCTION if self.function else 0.0
        return self.steps <= int(self.function) and self.relative <= limit


_FUNCTIONS = frozenset({
    "AveragePool", "Cos", "Elu", "Erf", "Exp", "Gelu", "LayerNormalization", "Log", "LogSoftmax",
    "MatMul", "Mish", "Pow", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum",
    "ReduceSumSquare", "Sigmoid", "Sin", "Softmax", "Softplus", "Tanh",
})  # fmt: skip
"""Operators of ONNX whose result in f32 depends on how it is computed."""

_FLOAT_FUNCTION = 1e-5
"""How far f32 results of theirs may be apart, relative to the greatest of the tensor."""


def has_functions(model: ModelProto) -> bool:
    """Whether the integer form of a module computes some function in f32."""
    return any(node.op_type in _FUNCTIONS for node in model.graph.node)


def differences(
    model: ModelProto, feeds: Mapping[str, AnyArray], emulated: Mapping[str, AnyArray]
) -> list[Difference]:
    """What the emulator has where a model has outputs, against the model's operators one by one.

    `model` is the integer form of a module all of whose tensors are outputs (as
    `quant-expose-tensors` makes them), and `emulated` are those of the compiled module.
    """
    evaluator: Any = import_module("onnx.reference").ReferenceEvaluator(model)
    values: dict[str, Any] = {"": None, **evaluator.rt_inits_, **feeds}
    outputs = {o.name: o.name for o in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.output[0] in outputs:
            outputs.setdefault(node.input[0], node.output[0])
    found: list[Difference] = []
    functions: set[str] = set()
    for node in evaluator.rt_nodes_:
        inputs = [values[name] for name in node.input]
        values.update(zip(node.output, node.run(*inputs), strict=False))
        kind = node.onnx_node.op_type
        floats = any(i is not None and i.dtype == np.float32 for i in inputs)
        if (kind in _FUNCTIONS and floats) or functions.intersection(node.input):
            functions.update(node.output)
        (name, *_) = node.output
        if name not in outputs:
            continue
        ours, function = emulated[outputs[name]], name in functions
        if kind == "DequantizeLinear":
            stored, scale, zero = (np.asarray(values[i]) for i in node.input)
            integers = np.rint(ours / scale).astype(np.int64) + zero.astype(np.int64)
            off = np.abs(integers - stored.astype(np.int64))
            values[node.input[0]] = integers.astype(stored.dtype)
            functions.discard(node.input[0])
            steps, relative = int(off.max(initial=0)), 0.0
        else:
            off = np.abs(values[name].astype(np.float64) - ours.astype(np.float64))
            scale = float(np.abs(ours.astype(np.float64)).max(initial=0.0)) or 1.0
            steps, relative = 0, float(off.max(initial=0.0)) / scale
        worst = np.unravel_index(int(off.argmax()), off.shape) if off.size else ()
        found.append(
            Difference(
                outputs[name],
                off.size,
                tuple(int(i) for i in worst),
                float(ours[worst]) if off.size else 0.0,
                float(values[name][worst]) if off.size else 0.0,
                steps,
                relative,
                int(np.count_nonzero(off)),
                function,
            )
        )
        values[name] = ours
        functions.discard(name)
    return found
