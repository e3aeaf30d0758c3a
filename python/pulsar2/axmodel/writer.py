"""Compiled models to the bytes of a container."""

from __future__ import annotations

import json
import os
import zlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pulsar2.axmodel.model import UNKNOWN, CompiledModel, NpuSubgraph, Subgraph, TensorInfo
from pulsar2.axmodel.schema import (
    CPU_NODE_TYPE,
    CPU_PARAMS,
    DOMAIN,
    DYN_PARAMS,
    EXTRA_DATA,
    FORMAT,
    FORMAT_VERSION,
    NODE_TYPE,
    PARAMS,
    TAIL,
    CpuRecord,
    ExtraData,
    ModelRecord,
    NpuRecord,
    ProgramRecord,
    QuantizationRecord,
    digest,
    model_name,
    program_name,
    stored_name,
)
from pulsar2.diagnostics import UserError
from pulsar2.files import write_bytes
from pulsar2.weights import AnyArray

PRODUCER = "Pulsar2"
_IR_VERSION = 8
_OPSET = 17
_LEVEL = 9
_SIZE_LIMIT = (1 << 31) - 1


def write_axmodel(model: CompiledModel, path: str | os.PathLike[str]) -> int:
    """Writes the container; its size in bytes. `UserError` when it cannot be written."""
    data = encode_axmodel(model)
    write_bytes(path, data)
    return len(data)


def encode_axmodel(model: CompiledModel) -> bytes:
    """The bytes of the container: the same for equal models."""
    packed = model.compressed
    initializers = [
        _bytes_tensor(PARAMS, model.params, packed),
        _bytes_tensor(DYN_PARAMS, model.dyn_params, packed),
    ]
    if model.cpu_subgraphs:
        initializers.append(_bytes_tensor(CPU_PARAMS, model.cpu_params))
    nodes: list[onnx.NodeProto] = []
    for number, group in enumerate(model.groups):
        for subgraph in group.subgraphs:
            parts = _parts(subgraph)
            packs = packed and isinstance(subgraph, NpuSubgraph)
            initializers += [
                _bytes_tensor(n, np.frombuffer(b, np.uint8), packs) for n, b in parts.items()
            ]
            nodes.append(_node(subgraph, number, list(parts)))
    for number, group in enumerate(model.groups):
        for output, tensor in group.aliases:
            written, read = stored_name(output, number), stored_name(tensor, number)
            nodes.append(helper.make_node("Identity", [read], [written], f"{written}_Identity"))
    size = sum(len(t.raw_data) for t in initializers)
    if size > _SIZE_LIMIT - (1 << 20):
        raise UserError.of(
            f"the compiled model would have {size} bytes", accepted="less than 2 GiB"
        )
    graph = helper.make_graph(
        nodes,
        "main",
        [_value_info(t, n) for n, group in enumerate(model.groups) for t in group.inputs],
        [_value_info(t, n) for n, group in enumerate(model.groups) for t in group.outputs],
        initializers,
    )
    proto = helper.make_model(
        graph,
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(DOMAIN, 1)],
        producer_name=PRODUCER,
        producer_version=model.compiler,
        doc_string=f"Pulsar2 Version: {model.compiler}",
    )
    helper.set_model_props(proto, {EXTRA_DATA: _extra_data(model)})
    body = proto.SerializeToString(deterministic=True)
    return body + TAIL + digest(body)


def _node(subgraph: Subgraph, group: int, parts: list[str]) -> onnx.NodeProto:
    is_npu = isinstance(subgraph, NpuSubgraph)
    shared = [PARAMS, DYN_PARAMS] if is_npu else [CPU_PARAMS]
    inputs = [*(stored_name(n, group) for n in subgraph.inputs), *shared, *parts]
    outputs = [stored_name(n, group) for n in subgraph.outputs]
    kind = NODE_TYPE if is_npu else CPU_NODE_TYPE
    return helper.make_node(kind, inputs, outputs, subgraph.name, domain=DOMAIN)


def _parts(subgraph: Subgraph) -> dict[str, bytes]:
    """The programs or models of a subgraph, by the names of their initializers."""
    if isinstance(subgraph, NpuSubgraph):
        return {program_name(subgraph.name, p.batch): p.code for p in subgraph.programs}
    return {model_name(subgraph.name, m.batch): m.onnx for m in subgraph.models}


def _record(subgraph: Subgraph, group: int) -> NpuRecord | CpuRecord:
    if isinstance(subgraph, NpuSubgraph):
        programs = [
            ProgramRecord(
                batch=p.batch,
                program=program_name(subgraph.name, p.batch),
                param_offset=p.param_offset,
                param_bytes=p.param_bytes,
            )
            for p in subgraph.programs
        ]
        return NpuRecord(name=subgraph.name, type="NPU", group=group, programs=programs)
    models = [
        ModelRecord(batch=m.batch, model=model_name(subgraph.name, m.batch))
        for m in subgraph.models
    ]
    return CpuRecord(name=subgraph.name, type="CPU", group=group, models=models)


def _extra_data(model: CompiledModel) -> str:
    record = ExtraData(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        compiler=model.compiler,
        target_hardware=model.target,
        npu_mode=model.npu_mode,
        batch=model.batch,
        groups=len(model.groups),
        compression="zlib" if model.compressed else "none",
        subgraphs=[_record(s, n) for n, group in enumerate(model.groups) for s in group.subgraphs],
        quantized_outputs=[
            QuantizationRecord(
                tensor=t.name,
                group=n,
                scale=t.quantization.scale,
                zero_point=t.quantization.zero_point,
            )
            for n, group in enumerate(model.groups)
            for t in group.outputs
            if t.quantization is not None
        ],
        figures=dict(sorted(model.figures.items())),
    )
    return json.dumps(record.model_dump(), indent=1)


def _bytes_tensor(name: str, data: AnyArray, packed: bool = False) -> onnx.TensorProto:
    if packed:
        data = np.frombuffer(zlib.compress(data.tobytes(), _LEVEL), np.uint8)
    return numpy_helper.from_array(np.ascontiguousarray(data, np.uint8), name)


def _value_info(tensor: TensorInfo, group: int) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(tensor.dtype)
    known = tensor.shape if tensor.form == "tensor" else tensor.element_shape
    shape = None if known is None else [None if d == UNKNOWN else d for d in known]
    type_ = helper.make_tensor_type_proto(element, shape)
    if tensor.form.endswith("sequence"):
        type_ = helper.make_sequence_type_proto(type_)
    if tensor.form.startswith("optional"):
        type_ = helper.make_optional_type_proto(type_)
    return helper.make_value_info(stored_name(tensor.name, group), type_)
