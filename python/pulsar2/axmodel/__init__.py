"""`compiled.axmodel`: the container of NPU programs and CPU subgraphs, and of their parameters.

An ONNX file: one node of type `neu mode` per NPU subgraph and one of type `cpu mode` per CPU
subgraph, the programs, ONNX models and parameters as U8 initializers, what the runtime needs as
JSON in the metadata entry `extra_data`, and a checksum of the whole at its end.
docs/axmodel-format.md describes it byte by byte.
"""

from __future__ import annotations

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
from pulsar2.axmodel.reader import decode_axmodel, is_axmodel, read_axmodel
from pulsar2.axmodel.writer import encode_axmodel, write_axmodel

__all__ = [
    "UNKNOWN",
    "BatchModel",
    "BatchProgram",
    "CompiledModel",
    "CpuSubgraph",
    "Group",
    "NpuSubgraph",
    "Quantization",
    "Subgraph",
    "TensorInfo",
    "decode_axmodel",
    "encode_axmodel",
    "is_axmodel",
    "read_axmodel",
    "write_axmodel",
]
