"""Computes one operation on constant operands."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import onnx.helper
from onnx import ModelProto, ValueInfoProto

from pulsar2.dialects.onnx.attributes import array_to_tensor
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.node import lowest_opset, to_node
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import dtype_of, element_of, is_tensor, to_type_proto
from pulsar2.weights import AnyArray, WeightStore

IR_VERSION = 10
"""The ONNX file format version written: the one of opset 21."""


class EvaluationError(ValueError):
    """An operation that neither ONNX Runtime nor ONNX's reference can compute."""


def evaluate(
    op: OnnxOp, operands: Sequence[AnyArray | None], weights: WeightStore
) -> list[AnyArray]:
    """The results of `op` for these operand values (None: left out).

    Integer results come from ONNX's reference, which is quick to set up; others from ONNX Runtime,
    which is what the float model is judged by; either stands in for the other where it fails.
    Raises `EvaluationError` when both fail, or when a result is not a tensor.
    """
    if op.regions or not all(is_tensor(r.type) for r in op.results):
        raise EvaluationError(f"{op.name} is not a computation on tensors")
    model = _model(op, operands, weights)
    feeds = {f"i{i}": a for i, a in enumerate(operands) if a is not None}
    engines = [_run_runtime, _run_reference]
    if all(_is_integer(r.type) for r in op.results):
        engines.reverse()
    errors: list[str] = []
    for engine in engines:
        try:
            arrays = [np.asarray(a) for a in engine(model, feeds)]
        except Exception as error:  # any failure of an engine means: try the other
            errors.append(str(error))
            continue
        return [
            a.astype(dtype_of(element), copy=False)
            for a, r in zip(arrays, op.results, strict=True)
            if (element := element_of(r.type)) is not None
        ]
    raise EvaluationError(f"{op.name} cannot be computed: {'; '.join(errors)}")


def _is_integer(type_: Any) -> bool:
    element = element_of(type_)
    return element is not None and dtype_of(element).kind in "iub"


def _model(op: OnnxOp, operands: Sequence[AnyArray | None], weights: WeightStore) -> ModelProto:
    inputs = ["" if a is None else f"i{i}" for i, a in enumerate(operands)]
    outputs = [f"o{i}" for i in range(len(op.results))]
    infos: list[ValueInfoProto] = []
    for name, array in zip(inputs, operands, strict=True):
        if array is not None:
            tensor = array_to_tensor("", array.reshape(-1)[:0])
            infos.append(
                onnx.helper.make_tensor_value_info(name, tensor.data_type, list(array.shape))
            )
    results = [
        ValueInfoProto(name=n, type=to_type_proto(r.type))
        for n, r in zip(outputs, op.results, strict=True)
    ]
    graph = onnx.helper.make_graph([to_node(op, inputs, outputs, weights)], "g", infos, results)
    opsets = [onnx.helper.make_opsetid("", lowest_opset(op))]
    if isinstance(op, Custom):
        opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid(op.domain, op.version)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _run_reference(model: ModelProto, feeds: dict[str, AnyArray]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    return list(ReferenceEvaluator(model).run(None, feeds))  # pyright: ignore


def _run_runtime(model: ModelProto, feeds: dict[str, AnyArray]) -> list[Any]:
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))
