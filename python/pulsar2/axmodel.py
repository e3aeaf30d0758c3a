"""`compiled.axmodel`: the container of NPU programs and their parameters.

An ONNX file: one node of type `neu mode` per NPU subgraph, the programs and parameters as U8
initializers, what the runtime needs as JSON in the metadata entry `extra_data`, and a checksum of
the whole at its end. docs/axmodel-format.md describes it byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
from annotated_types import Ge, Len
from onnx import helper, numpy_helper
from pydantic import BaseModel, ConfigDict, ValidationError

from pulsar2.diagnostics import UserError
from pulsar2.files import write_bytes
from pulsar2.version import version
from pulsar2.weights import AnyArray

FORMAT = "pulsar2.axmodel"
FORMAT_VERSION = 1
PRODUCER = "Pulsar2"
DOMAIN = "pulsar2"
NODE_TYPE = "neu mode"
PARAMS = "npu_params"
DYN_PARAMS = "npu_dyn_params"
_IR_VERSION = 8
_OPSET = 17
_EXTRA_DATA = "extra_data"
_CHECKSUM = "checksum"
_CHECKSUM_HEX = 32
_SIZE_LIMIT = (1 << 31) - 1

# The last bytes of the file are one more `metadata_props` entry, written by hand: field 14 of
# ModelProto, length-delimited, holding key (field 1) and value (field 2).
_ENTRY = b"\x0a" + bytes([len(_CHECKSUM)]) + _CHECKSUM.encode() + b"\x12" + bytes([_CHECKSUM_HEX])
_TAIL = b"\x72" + bytes([len(_ENTRY) + _CHECKSUM_HEX]) + _ENTRY


@dataclass(frozen=True)
class TensorInfo:
    """An input or output at run time."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class BatchProgram:
    """The program of one batch size, and its slice of the parameters in bytes."""

    batch: int
    code: bytes
    param_offset: int
    param_bytes: int


@dataclass(frozen=True)
class NpuSubgraph:
    """One NPU subgraph: its tensors by name, and its programs by ascending batch size."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    programs: tuple[BatchProgram, ...]
    group: int = 0

    def program(self, batch: int) -> BatchProgram:
        """The program of that batch size; KeyError when there is none."""
        for program in self.programs:
            if program.batch == batch:
                return program
        raise KeyError(batch)


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model: all that `compiled.axmodel` holds.

    `aliases` are outputs that are another tensor under a second name: (output, tensor).
    `params` and `dyn_params` are U8 arrays. `figures` are what the compiler says of the model, such
    as `macs`, `max_cycle` and `latency_us`.
    """

    target: str
    npu_mode: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    subgraphs: tuple[NpuSubgraph, ...]
    params: AnyArray
    dyn_params: AnyArray = field(default_factory=lambda: np.zeros(0, np.uint8))
    aliases: tuple[tuple[str, str], ...] = ()
    figures: dict[str, float] = field(default_factory=dict[str, float])
    compiler: str = field(default_factory=version)

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes that every subgraph has a program for, ascending."""
        common = set[int]()
        for index, subgraph in enumerate(self.subgraphs):
            sizes = {p.batch for p in subgraph.programs}
            common = common & sizes if index else sizes
        return tuple(sorted(common))


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


_Count = Annotated[int, Ge(0)]


class _ProgramRecord(_Record):
    batch: Annotated[int, Ge(1)]
    program: str
    param_offset: _Count
    param_bytes: _Count


class _SubgraphRecord(_Record):
    name: str
    type: Literal["NPU"]
    group: _Count
    programs: Annotated[list[_ProgramRecord], Len(1)]


class _ExtraData(_Record):
    format: Literal["pulsar2.axmodel"]
    format_version: int
    compiler: str
    target_hardware: str
    npu_mode: str
    subgraphs: Annotated[list[_SubgraphRecord], Len(1)]
    figures: dict[str, float]


def program_name(subgraph: str, batch: int) -> str:
    """Name of the initializer that holds a program."""
    return f"{subgraph}_b{batch}_neu"


def write_axmodel(model: CompiledModel, path: str | os.PathLike[str]) -> int:
    """Writes the container; its size in bytes. `UserError` when it cannot be written."""
    data = encode_axmodel(model)
    write_bytes(path, data)
    return len(data)


def encode_axmodel(model: CompiledModel) -> bytes:
    """The bytes of the container: the same for equal models."""
    initializers = [
        _bytes_tensor(PARAMS, model.params),
        _bytes_tensor(DYN_PARAMS, model.dyn_params),
    ]
    nodes: list[onnx.NodeProto] = []
    for subgraph in model.subgraphs:
        names = [program_name(subgraph.name, p.batch) for p in subgraph.programs]
        for name, program in zip(names, subgraph.programs, strict=True):
            initializers.append(_bytes_tensor(name, np.frombuffer(program.code, np.uint8)))
        inputs = [*subgraph.inputs, PARAMS, DYN_PARAMS, *names]
        node = helper.make_node(NODE_TYPE, inputs, subgraph.outputs, subgraph.name, domain=DOMAIN)
        nodes.append(node)
    for output, tensor in model.aliases:
        nodes.append(helper.make_node("Identity", [tensor], [output], f"{output}_Identity"))
    size = sum(len(t.raw_data) for t in initializers)
    if size > _SIZE_LIMIT - (1 << 20):
        raise UserError.of(
            f"the compiled model would have {size} bytes", accepted="less than 2 GiB"
        )
    graph = helper.make_graph(
        nodes,
        "main",
        [_value_info(t) for t in model.inputs],
        [_value_info(t) for t in model.outputs],
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
    helper.set_model_props(proto, {_EXTRA_DATA: _extra_data(model)})
    body = proto.SerializeToString(deterministic=True)
    return body + _TAIL + _digest(body)


def _extra_data(model: CompiledModel) -> str:
    record = _ExtraData(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        compiler=model.compiler,
        target_hardware=model.target,
        npu_mode=model.npu_mode,
        subgraphs=[
            _SubgraphRecord(
                name=s.name,
                type="NPU",
                group=s.group,
                programs=[
                    _ProgramRecord(
                        batch=p.batch,
                        program=program_name(s.name, p.batch),
                        param_offset=p.param_offset,
                        param_bytes=p.param_bytes,
                    )
                    for p in s.programs
                ],
            )
            for s in model.subgraphs
        ],
        figures=dict(sorted(model.figures.items())),
    )
    return json.dumps(record.model_dump(), indent=1)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM_HEX // 2).hexdigest().encode()


def _bytes_tensor(name: str, data: AnyArray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(data, np.uint8), name)


def _value_info(tensor: TensorInfo) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(tensor.dtype)
    return helper.make_tensor_value_info(tensor.name, element, tensor.shape)


def is_axmodel(proto: onnx.ModelProto) -> bool:
    """Whether an ONNX file is a compiled model (of any version)."""
    return any(n.op_type == NODE_TYPE and n.domain == DOMAIN for n in proto.graph.node)


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
    text = next((p.value for p in proto.metadata_props if p.key == _EXTRA_DATA), "")
    if not text and not is_axmodel(proto):
        raise UserError.of(
            "this ONNX file is not a compiled model", accepted="a file that pulsar2 build wrote"
        )
    _check_version(text)
    start = len(data) - len(_TAIL) - _CHECKSUM_HEX
    if start < 0 or data[start:-_CHECKSUM_HEX] != _TAIL:
        raise damaged
    if _digest(data[:start]) != data[-_CHECKSUM_HEX:]:
        raise damaged
    try:
        return _decode(proto, _ExtraData.model_validate_json(text))
    except (ValidationError, KeyError, ValueError, TypeError) as error:
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


def _decode(proto: onnx.ModelProto, extra: _ExtraData) -> CompiledModel:
    graph = proto.graph
    stored = {t.name: _bytes_of(t) for t in graph.initializer}
    aliases = [n for n in graph.node if n.op_type == "Identity" and not n.domain]
    nodes = {n.name: n for n in graph.node if n not in aliases}
    expected = {PARAMS, DYN_PARAMS} | {p.program for s in extra.subgraphs for p in s.programs}
    if set(stored) != expected or len(stored) != len(graph.initializer):
        raise ValueError("its initializers are not those that extra_data names")
    if list(nodes) != [s.name for s in extra.subgraphs]:
        raise ValueError("its nodes are not the subgraphs that extra_data names")
    params = stored[PARAMS]
    subgraphs = tuple(_subgraph(nodes[s.name], s, stored) for s in extra.subgraphs)
    inputs = tuple(_tensor_info(v) for v in graph.input)
    outputs = tuple(_tensor_info(v) for v in graph.output)
    renamed = tuple((n.output[0], n.input[0]) for n in aliases)
    _check_tensors(inputs, outputs, subgraphs, renamed)
    for program in (p for s in subgraphs for p in s.programs):
        if program.param_offset + program.param_bytes > len(params):
            raise ValueError("the parameters of a program lie outside npu_params")
    return CompiledModel(
        extra.target_hardware,
        extra.npu_mode,
        inputs,
        outputs,
        subgraphs,
        params,
        stored[DYN_PARAMS],
        renamed,
        extra.figures,
        extra.compiler,
    )


def _bytes_of(tensor: onnx.TensorProto) -> AnyArray:
    if tensor.data_type != onnx.TensorProto.UINT8 or len(tensor.dims) != 1:
        raise ValueError(f"the initializer {tensor.name} is not a list of bytes")
    if tensor.dims[0] != len(tensor.raw_data):
        raise ValueError(f"the initializer {tensor.name} has not the length it says")
    return np.frombuffer(tensor.raw_data, np.uint8)


def _subgraph(
    node: onnx.NodeProto, record: _SubgraphRecord, stored: dict[str, AnyArray]
) -> NpuSubgraph:
    names = [p.program for p in record.programs]
    batches = [p.batch for p in record.programs]
    if batches != sorted(set(batches)):
        raise ValueError(f"the batch sizes of {record.name} are not ascending")
    tail = [PARAMS, DYN_PARAMS, *names]
    if node.op_type != NODE_TYPE or list(node.input[-len(tail) :]) != tail:
        raise ValueError(f"the node {record.name} is not of the type '{NODE_TYPE}'")
    programs = tuple(
        BatchProgram(p.batch, stored[p.program].tobytes(), p.param_offset, p.param_bytes)
        for p in record.programs
    )
    inputs = tuple(node.input[: -len(tail)])
    return NpuSubgraph(record.name, inputs, tuple(node.output), programs, record.group)


def _tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    type_ = value.type.tensor_type
    shape = tuple(d.dim_value for d in type_.shape.dim)
    if any(d <= 0 for d in shape):
        raise ValueError(f"the tensor {value.name} has no fixed shape")
    return TensorInfo(value.name, helper.tensor_dtype_to_np_dtype(type_.elem_type), shape)


def _check_tensors(
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    subgraphs: Sequence[NpuSubgraph],
    aliases: Sequence[tuple[str, str]],
) -> None:
    """Every tensor that a subgraph or the model reads must have been written before."""
    known = {t.name for t in inputs}
    for subgraph in subgraphs:
        missing = [n for n in subgraph.inputs if n not in known]
        if missing:
            raise ValueError(f"nothing produces {missing[0]}, which {subgraph.name} reads")
        known |= set(subgraph.outputs)
    known |= {output for output, tensor in aliases if tensor in known}
    missing = [t.name for t in outputs if t.name not in known]
    if missing:
        raise ValueError(f"nothing produces the output {missing[0]}")
