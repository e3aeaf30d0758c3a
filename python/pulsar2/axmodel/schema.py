"""The fixed names of the container, and the JSON of its metadata entry `extra_data`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Len
from pydantic import BaseModel, ConfigDict, Field

FORMAT = "pulsar2.axmodel"
FORMAT_VERSION = 4
DOMAIN = "pulsar2"
NODE_TYPE = "neu mode"
CPU_NODE_TYPE = "cpu mode"
PARAMS = "npu_params"
DYN_PARAMS = "npu_dyn_params"
CPU_PARAMS = "cpu_params"
EXTRA_DATA = "extra_data"
_CHECKSUM = "checksum"
CHECKSUM_HEX = 32

# The last bytes of the file are one more `metadata_props` entry, written by hand: field 14 of
# ModelProto, length-delimited, holding key (field 1) and value (field 2).
_ENTRY = b"\x0a" + bytes([len(_CHECKSUM)]) + _CHECKSUM.encode() + b"\x12" + bytes([CHECKSUM_HEX])
TAIL = b"\x72" + bytes([len(_ENTRY) + CHECKSUM_HEX]) + _ENTRY


def digest(body: bytes) -> bytes:
    """The checksum of the bytes before the tail, as hexadecimal digits."""
    return hashlib.blake2b(body, digest_size=CHECKSUM_HEX // 2).hexdigest().encode()


def program_name(subgraph: str, batch: int) -> str:
    """Name of the initializer that holds a program."""
    return f"{subgraph}_b{batch}_neu"


def model_name(subgraph: str, batch: int) -> str:
    """Name of the initializer that holds the ONNX model of a CPU subgraph."""
    return f"{subgraph}_b{batch}_onnx"


def stored_name(tensor: str, group: int) -> str:
    """The name that a tensor of a group has in the container: no two groups share one."""
    return f"{tensor}@{group}" if group else tensor


def plain_name(stored: str, group: int) -> str:
    """The tensor that is stored under a name of a group; ValueError where it is of another."""
    suffix = f"@{group}" if group else ""
    if not stored.endswith(suffix):
        raise ValueError(f"the tensor {stored} is not one of group {group}")
    return stored.removesuffix(suffix)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Count = Annotated[int, Ge(0)]
Batch = Annotated[int, Ge(1)]


class ProgramRecord(_Record):
    batch: Batch
    program: str
    param_offset: Count
    param_bytes: Count


class NpuRecord(_Record):
    name: str
    type: Literal["NPU"]
    group: Count
    programs: Annotated[list[ProgramRecord], Len(1)]


class ModelRecord(_Record):
    batch: Batch
    model: str


class CpuRecord(_Record):
    name: str
    type: Literal["CPU"]
    group: Count
    models: Annotated[list[ModelRecord], Len(1)]


SubgraphRecord = Annotated[NpuRecord | CpuRecord, Field(discriminator="type")]


class QuantizationRecord(_Record):
    tensor: str
    group: Count
    scale: Annotated[float, Gt(0)]
    zero_point: int


class ExtraData(_Record):
    format: Literal["pulsar2.axmodel"]
    format_version: int
    compiler: str
    target_hardware: str
    npu_mode: str
    batch: Batch
    groups: Batch
    compression: Literal["none", "zlib"]
    subgraphs: list[SubgraphRecord]
    quantized_outputs: list[QuantizationRecord]
    figures: dict[str, float]
