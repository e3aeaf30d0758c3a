"""The bytes of a container to a compiled model; whatever is wrong with them is refused."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from pydantic import ValidationError

from pulsar2.axmodel.model import (
    UNKNOWN,
    BatchModel,
    BatchProgram,
    CompiledModel,
    CpuSubgraph,
    Group,
    NpuSubgraph,
    Quantization,
    Subgraph,
    TensorInfo,
)
from pulsar2.axmodel.schema import (
    CHECKSUM_HEX,
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
    NpuRecord,
    digest,
    plain_name,
    stored_name,
)
from pulsar2.diagnostics import UserError
from pulsar2.values import Form
from pulsar2.weights import AnyArray


def is_axmodel(proto: onnx.ModelProto) -> bool:
    """Whether an ONNX file is a compiled model (of any version)."""
    if any(p.key == EXTRA_DATA and FORMAT in p.value for p in proto.metadata_props):
        return True
    types = (NODE_TYPE, CPU_NODE_TYPE)
    return any(n.op_type in types and n.domain == DOMAIN for n in proto.graph.node)


def read_axmodel(path: str | os.PathLike[str]) -> CompiledModel:
    """The compiled model in a file.

    Raises one `UserError` when it is missing, not such a file, of another version, truncated or
    changed in any byte.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError.of(f"cannot read the model: {error.strerror}", str(path)) from None
    try:
        return decode_axmodel(data)
    except UserError as error:
        mistake = error.diagnostics[0]
        raise UserError.of(mistake.message, str(path), mistake.accepted) from None


def decode_axmodel(data: bytes) -> CompiledModel:
    """The compiled model in the bytes of a container; `UserError` as `read_axmodel`."""
    from google.protobuf.message import DecodeError

    damaged = UserError.of(
        "the compiled model is truncated or damaged", accepted="a file that pulsar2 build wrote"
    )
    try:
        proto = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError):
        raise damaged from None
    text = next((p.value for p in proto.metadata_props if p.key == EXTRA_DATA), "")
    if not text and not is_axmodel(proto):
        raise UserError.of(
            "this ONNX file is not a compiled model", accepted="a file that pulsar2 build wrote"
        )
    _check_version(text)
    start = len(data) - len(TAIL) - CHECKSUM_HEX
    if start < 0 or data[start:-CHECKSUM_HEX] != TAIL:
        raise damaged
    if digest(data[:start]) != data[-CHECKSUM_HEX:]:
        raise damaged
    try:
        return _decode(proto, ExtraData.model_validate_json(text))
    except (ValidationError, KeyError, ValueError, TypeError, DecodeError) as error:
        detail = str(error).splitlines()[0]
        raise UserError.of(f"the compiled model contradicts itself: {detail}") from None


def _check_version(text: str) -> None:
    """Refuses another version before anything else of it is believed."""
    try:
        record: Any = json.loads(text)
        version = record["format_version"]
    except (ValueError, KeyError, TypeError):
        return
    if record.get("format") == FORMAT and version != FORMAT_VERSION:
        raise UserError.of(
            f"version {version} of the compiled model's format is not known",
            accepted=f"version {FORMAT_VERSION}; build the model again with this pulsar2",
        )


def _decode(proto: onnx.ModelProto, extra: ExtraData) -> CompiledModel:
    graph = proto.graph
    stored = {t.name: _bytes_of(t) for t in graph.initializer}
    aliases = [n for n in graph.node if n.op_type == "Identity" and not n.domain]
    nodes = {n.name: n for n in graph.node if n not in aliases}
    expected = {PARAMS, DYN_PARAMS, *(n for s in extra.subgraphs for n in _part_names(s))}
    if any(isinstance(s, CpuRecord) for s in extra.subgraphs):
        expected.add(CPU_PARAMS)
    if set(stored) != expected or len(stored) != len(graph.initializer):
        raise ValueError("its initializers are not those that extra_data names")
    if list(nodes) != [s.name for s in extra.subgraphs]:
        raise ValueError("its nodes are not the subgraphs that extra_data names")
    if extra.compression == "zlib":
        packed = [n for s in extra.subgraphs if isinstance(s, NpuRecord) for n in _part_names(s)]
        stored |= {n: _unpacked(stored[n]) for n in (PARAMS, DYN_PARAMS, *packed)}
    params = stored[PARAMS]
    told = {s.group for s in (*extra.subgraphs, *extra.quantized_outputs)}
    if told - set(range(extra.groups)):
        raise ValueError("a subgraph or an output is of a group that there is not")
    groups = tuple(_group(n, proto, extra, nodes, aliases, stored) for n in range(extra.groups))
    _check_groups(groups, extra.batch, len(aliases))
    for group in groups:
        for subgraph in group.subgraphs:
            if isinstance(subgraph, CpuSubgraph):
                for model in subgraph.models:
                    _check_model(subgraph, model, len(stored[CPU_PARAMS]))
            elif any(p.param_offset + p.param_bytes > len(params) for p in subgraph.programs):
                raise ValueError("the parameters of a program lie outside npu_params")
        _check_tensors(group)
    return CompiledModel(
        extra.target_hardware,
        extra.npu_mode,
        groups,
        params,
        stored[DYN_PARAMS],
        stored.get(CPU_PARAMS, np.zeros(0, np.uint8)),
        extra.figures,
        extra.compiler,
        extra.batch,
        extra.compression != "none",
    )


def _unpacked(data: AnyArray) -> AnyArray:
    try:
        return np.frombuffer(zlib.decompress(data.tobytes()), np.uint8)
    except zlib.error as error:
        raise ValueError(f"it does not decompress: {error}") from None


def _group(
    number: int,
    proto: onnx.ModelProto,
    extra: ExtraData,
    nodes: Mapping[str, onnx.NodeProto],
    aliases: Sequence[onnx.NodeProto],
    stored: dict[str, AnyArray],
) -> Group:
    """One group; inputs, outputs and aliases stand in the order of the groups."""
    told = [_part(list(v), number, extra.groups) for v in (proto.graph.input, proto.graph.output)]
    inputs, outputs = (tuple(_value_info(v, number) for v in part) for part in told)
    outputs = _with_quantization(outputs, number, extra)
    names = {stored_name(t.name, number) for t in outputs}
    renamed = tuple(
        (plain_name(n.output[0], number), plain_name(n.input[0], number))
        for n in aliases
        if n.output[0] in names
    )
    records = [s for s in extra.subgraphs if s.group == number]
    subgraphs = tuple(_subgraph(nodes[s.name], s, stored) for s in records)
    return Group(inputs, outputs, subgraphs, renamed)


def _check_groups(groups: Sequence[Group], batch: int, aliases: int) -> None:
    """All have the same inputs and outputs, of shapes that hold `batch` samples."""
    known = [([t.name for t in g.inputs], [t.name for t in g.outputs]) for g in groups]
    if any(names != known[0] for names in known):
        raise ValueError("its groups have different inputs or outputs")
    if sum(len(g.aliases) for g in groups) != aliases:
        raise ValueError("an Identity node makes no output")
    for group in groups:
        if any(t.shape and t.shape[0] % batch for t in group.inputs):
            raise ValueError(f"an input does not hold {batch} samples")
        if batch > 1 and any(t.form != "tensor" for t in (*group.inputs, *group.outputs)):
            raise ValueError(f"what is not a tensor does not hold {batch} samples")
        if group.batches and group.batches[-1] > batch:
            raise ValueError("there is a larger batch size than the inputs hold")


def _part(values: list[onnx.ValueInfoProto], number: int, count: int) -> list[onnx.ValueInfoProto]:
    """What belongs to one of `count` groups, each of which has as many."""
    size, rest = divmod(len(values), count)
    if rest:
        raise ValueError("its groups have different inputs or outputs")
    return values[number * size : (number + 1) * size]


def _bytes_of(tensor: onnx.TensorProto) -> AnyArray:
    if tensor.data_type != onnx.TensorProto.UINT8 or len(tensor.dims) != 1:
        raise ValueError(f"the initializer {tensor.name} is not a list of bytes")
    if tensor.dims[0] != len(tensor.raw_data):
        raise ValueError(f"the initializer {tensor.name} has not the length it says")
    return np.frombuffer(tensor.raw_data, np.uint8)


def _part_names(record: NpuRecord | CpuRecord) -> list[str]:
    """The initializers that hold the programs or models of a subgraph."""
    if isinstance(record, NpuRecord):
        return [p.program for p in record.programs]
    return [m.model for m in record.models]


def _subgraph(
    node: onnx.NodeProto, record: NpuRecord | CpuRecord, stored: dict[str, AnyArray]
) -> Subgraph:
    is_npu = isinstance(record, NpuRecord)
    batches = [p.batch for p in (record.programs if is_npu else record.models)]
    if batches != sorted(set(batches)):
        raise ValueError(f"the batch sizes of {record.name} are not ascending")
    kind = NODE_TYPE if is_npu else CPU_NODE_TYPE
    tail = [*((PARAMS, DYN_PARAMS) if is_npu else (CPU_PARAMS,)), *_part_names(record)]
    if node.op_type != kind or node.domain != DOMAIN or list(node.input[-len(tail) :]) != tail:
        raise ValueError(f"the node {record.name} is not of the type '{kind}'")
    inputs = tuple(plain_name(n, record.group) for n in node.input[: -len(tail)])
    outputs = tuple(plain_name(n, record.group) for n in node.output)
    if isinstance(record, NpuRecord):
        programs = tuple(
            BatchProgram(p.batch, stored[p.program].tobytes(), p.param_offset, p.param_bytes)
            for p in record.programs
        )
        return NpuSubgraph(record.name, inputs, outputs, programs)
    models = tuple(BatchModel(m.batch, stored[m.model].tobytes()) for m in record.models)
    return CpuSubgraph(record.name, inputs, outputs, models)


def _check_model(subgraph: CpuSubgraph, model: BatchModel, param_bytes: int) -> None:
    """The model inside has the subgraph's tensors, and its data lies inside `cpu_params`."""
    graph = onnx.ModelProto.FromString(model.onnx).graph
    told = tuple(v.name for v in graph.input), tuple(v.name for v in graph.output)
    if told != (subgraph.inputs, subgraph.outputs):
        raise ValueError(f"the model of {subgraph.name} has other inputs or outputs than its node")
    for tensor in graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        offset, length = external_slice(tensor)
        if not 0 <= offset <= offset + length <= param_bytes:
            raise ValueError(f"the data of '{tensor.name}' lies outside cpu_params")


def external_slice(tensor: onnx.TensorProto) -> tuple[int, int]:
    """Byte offset and length in `cpu_params` of a tensor; ValueError where it is not there."""
    entries = {e.key: e.value for e in tensor.external_data}
    if set(entries) != {"location", "offset", "length"} or entries["location"] != CPU_PARAMS:
        raise ValueError(f"the data of '{tensor.name}' is not a slice of {CPU_PARAMS}")
    offset, length = int(entries["offset"]), int(entries["length"])
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if length != int(np.prod(tensor.dims, dtype=np.int64)) * dtype.itemsize:
        raise ValueError(f"the data of '{tensor.name}' has not the length of its shape and type")
    return offset, length


def value_info(value: onnx.ValueInfoProto) -> TensorInfo:
    """What an ONNX model says of an input or output; ValueError where it is not made of tensors.

    A dimension without a number is `UNKNOWN`, and so is the rank of a tensor taken for 0.
    """
    form: Form = "tensor"
    type_ = value.type
    if type_.HasField("optional_type"):
        form, type_ = "optional", type_.optional_type.elem_type
    if type_.HasField("sequence_type"):
        form = "optional sequence" if form == "optional" else "sequence"
        type_ = type_.sequence_type.elem_type
    if not type_.HasField("tensor_type"):
        raise ValueError(f"'{value.name}' is neither a tensor nor made of tensors")
    tensor = type_.tensor_type
    dims = tensor.shape.dim
    shape = tuple(d.dim_value if d.HasField("dim_value") else UNKNOWN for d in dims)
    if any(d < 0 and d != UNKNOWN for d in shape):
        raise ValueError(f"the tensor {value.name} has a negative dimension")
    dtype: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if form == "tensor":
        return TensorInfo(value.name, dtype, shape)
    inner = shape if tensor.HasField("shape") else None
    return TensorInfo(value.name, dtype, (), form=form, element_shape=inner)


def _value_info(value: onnx.ValueInfoProto, group: int) -> TensorInfo:
    return replace(value_info(value), name=plain_name(value.name, group))


def _with_quantization(
    outputs: Sequence[TensorInfo], group: int, extra: ExtraData
) -> tuple[TensorInfo, ...]:
    """The outputs of a group, those that are integers with what their integers stand for."""
    records = [r for r in extra.quantized_outputs if r.group == group]
    told = {r.tensor: Quantization(r.scale, r.zero_point) for r in records}
    integers = {t.name for t in outputs if t.dtype.kind in "iu"}
    if len(told) != len(records) or set(told) - integers:
        raise ValueError("quantized_outputs names what is no output of integers, or names it twice")
    return tuple(replace(t, quantization=told.get(t.name)) for t in outputs)


def _check_tensors(group: Group) -> None:
    """Every tensor that a subgraph or the model reads must have been written before."""
    for tensor in group.inputs:
        if UNKNOWN in tensor.shape:
            raise ValueError(f"the tensor {tensor.name} has no fixed shape")
    known = {t.name for t in group.inputs}
    written: set[str] = set()
    for subgraph in group.subgraphs:
        missing = [n for n in subgraph.inputs if n not in known]
        if missing:
            raise ValueError(f"nothing produces {missing[0]}, which {subgraph.name} reads")
        known |= set(subgraph.outputs)
        if isinstance(subgraph, CpuSubgraph):
            written |= set(subgraph.outputs)
    written |= {t.name for t in group.inputs if t.form != "tensor"}
    sources = dict(group.aliases)
    known |= {output for output, tensor in group.aliases if tensor in known}
    for tensor in group.outputs:
        if tensor.name not in known:
            raise ValueError(f"nothing produces the output {tensor.name}")
        free = UNKNOWN in tensor.shape or tensor.form != "tensor"
        if free and sources.get(tensor.name, tensor.name) not in written:
            raise ValueError(f"the tensor {tensor.name} has no fixed shape")
