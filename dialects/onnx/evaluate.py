"""Computes one operation on constant operands."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import onnx.helper
from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto
from xdsl.dialects.builtin import NoneType

from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.node import lowest_opset, to_node
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import (
    dtype_of,
    element_of,
    element_type_of_dtype,
    is_tensor,
    tensor_type,
    to_type_proto,
)
from pulsar2.weights import AnyArray, WeightStore

IR_VERSION = 10
"""The ONNX file format version written: the one of opset 21."""


_SLOW_IN_REFERENCE = frozenset(
    (
        *("AveragePool", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "GridSample", "GRU"),
        *("LpPool", "LRN", "LSTM", "MaxPool", "MaxUnpool", "NonMaxSuppression", "QLinearConv"),
        *("Resize", "RNN", "RoiAlign", "TopK", "Upsample"),
    )
)


class EvaluationError(ValueError):
    """An operation that neither ONNX Runtime nor ONNX's reference can compute."""


def evaluate(
    op: OnnxOp, operands: Sequence[AnyArray | None], weights: WeightStore
) -> list[AnyArray]:
    """The results of `op` for these operand values (None: left out).

    ONNX's reference computes them, because it is quick to set up, or ONNX Runtime the operators
    that are slow there; either stands in for the other where it fails. Raises `EvaluationError`
    when both fail, or when a result is not a tensor.
    """
    if op.regions or not all(is_tensor(r.type) for r in op.results):
        raise EvaluationError(f"{op.name} is not a computation on tensors")
    model = _model(op, operands, weights)
    feeds = {f"i{i}": a for i, a in enumerate(operands) if a is not None}
    engines = [_run_reference, _run_runtime]
    if op.op_type in _SLOW_IN_REFERENCE:
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


def _model(op: OnnxOp, operands: Sequence[AnyArray | None], weights: WeightStore) -> ModelProto:
    inputs: list[ValueInfoProto | None] = []
    for index, array in enumerate(operands):
        if array is None:
            inputs.append(None)
        else:
            element = element_type_of_dtype(array.dtype)
            type_ = to_type_proto(tensor_type(element, array.shape))
            inputs.append(ValueInfoProto(name=f"i{index}", type=type_))
    results = [
        ValueInfoProto(name=f"o{i}", type=to_type_proto(r.type)) for i, r in enumerate(op.results)
    ]
    return _one_node_model(op, inputs, results, weights)


def _one_node_model(
    op: OnnxOp,
    inputs: Sequence[ValueInfoProto | None],
    outputs: Sequence[ValueInfoProto],
    weights: WeightStore,
) -> ModelProto:
    node = to_node(
        op, ["" if i is None else i.name for i in inputs], [o.name for o in outputs], weights
    )
    given = [i for i in inputs if i is not None]
    opsets = [onnx.helper.make_opsetid("", lowest_opset(op))]
    if isinstance(op, Custom):
        opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid(op.domain, op.version)]
    return onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", given, [o for o in outputs if o.name]),
        opset_imports=opsets,
        ir_version=IR_VERSION,
    )


def runtime_types(op: Custom, weights: WeightStore) -> list[TypeProto | None]:
    """The result types of an operator that ONNX does not know, if ONNX Runtime does."""
    try:
        session = _session(_typed_model(op, weights))
    except Exception:  # an operator that ONNX Runtime does not know either
        return [None] * len(op.results)
    found: dict[str, TypeProto] = {o.name: _declared_type(o) for o in session.get_outputs()}
    return [found.get(f"o{i}") for i in range(len(op.results))]


def runtime_refusal(op: OnnxOp, weights: WeightStore) -> str:
    """Why ONNX Runtime does not run an operation without regions, or ''.

    It says so of an operator, or of a type, that it has no kernel for.
    """
    try:
        _session(_typed_model(op, weights))
    except Exception as error:
        return str(error).strip().splitlines()[0]
    return ""


def _typed_model(op: OnnxOp, weights: WeightStore) -> ModelProto:
    """A model of `op` alone, that says no more of its results than which there are."""
    inputs = [
        None
        if isinstance(v.type, NoneType)
        else ValueInfoProto(name=f"i{i}", type=to_type_proto(v.type))
        for i, v in enumerate(op.operands)
    ]
    outputs = [
        ValueInfoProto(name="" if isinstance(r.type, NoneType) else f"o{i}")
        for i, r in enumerate(op.results)
    ]
    return _one_node_model(op, inputs, outputs, weights)


def _declared_type(output: Any) -> TypeProto:
    """The type of an output of a session: `tensor(float)` with a list of numbers and symbols."""
    name = output.type.removeprefix("tensor(").removesuffix(")").upper()
    shape: list[Any] = [d if isinstance(d, int) else None for d in output.shape]
    return onnx.helper.make_tensor_type_proto(TensorProto.DataType.Value(name), shape)


def _run_reference(model: ModelProto, feeds: dict[str, AnyArray]) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    return list(ReferenceEvaluator(model).run(None, feeds))  # pyright: ignore


def _run_runtime(model: ModelProto, feeds: dict[str, AnyArray]) -> list[Any]:
    return list(_session(model).run(None, feeds))


def _session(model: ModelProto) -> Any:
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
