"""What a compiled model holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pulsar2.values import Form
from pulsar2.version import version
from pulsar2.weights import AnyArray

UNKNOWN = -1
"""A dimension of an output that is known only when the model has run."""


@dataclass(frozen=True)
class Quantization:
    """What stored integers stand for: `scale * (integer - zero_point)`."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorInfo:
    """An input or output at run time; a dimension of an output may be `UNKNOWN`.

    `quantization` is that of an output that leaves the model as integers. What is not of the form
    `tensor` has no shape of its own: `element_shape` is that of the tensors in it, whose dimensions
    may be `UNKNOWN`, or None where not even their number is known.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    quantization: Quantization | None = None
    form: Form = "tensor"
    element_shape: tuple[int, ...] | None = None


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

    @property
    def batches(self) -> tuple[int, ...]:
        return tuple(p.batch for p in self.programs)

    def program(self, batch: int) -> BatchProgram:
        """The program of that batch size; KeyError when there is none."""
        for program in self.programs:
            if program.batch == batch:
                return program
        raise KeyError(batch)


@dataclass(frozen=True)
class BatchModel:
    """A CPU subgraph for one batch size: a serialized `onnx.ModelProto`.

    Its large initializers are external data of the location `cpu_params`: slices of that block.
    """

    batch: int
    onnx: bytes


@dataclass(frozen=True)
class CpuSubgraph:
    """One CPU subgraph: its tensors by name, and its models by ascending batch size."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    models: tuple[BatchModel, ...]

    @property
    def batches(self) -> tuple[int, ...]:
        return tuple(m.batch for m in self.models)

    def model(self, batch: int) -> BatchModel:
        """The model of that batch size; KeyError when there is none."""
        for model in self.models:
            if model.batch == batch:
                return model
        raise KeyError(batch)


Subgraph = NpuSubgraph | CpuSubgraph


@dataclass(frozen=True)
class Group:
    """The model for one set of input sizes.

    `subgraphs` stand in the order in which they run. `aliases` are outputs that are another tensor
    under a second name: (output, tensor).
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    subgraphs: tuple[Subgraph, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes that every subgraph has a program or model for, ascending."""
        if not self.subgraphs:
            return (1,)
        common = set(self.subgraphs[0].batches)
        for subgraph in self.subgraphs[1:]:
            common &= set(subgraph.batches)
        return tuple(sorted(common))


def _no_bytes() -> AnyArray:
    return np.zeros(0, np.uint8)


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model: all that `compiled.axmodel` holds.

    `groups` are the model for each set of input sizes, the original one first; they have the same
    names of inputs and outputs, and share `params`, `dyn_params` and `cpu_params` (U8 arrays).
    `batch` is how many samples the shapes of inputs and outputs hold. `compressed` is whether
    programs and parameters lie compressed in the file. `figures` are what the compiler says of the
    model, such as `macs`, `max_cycle` and `latency_us`.
    """

    target: str
    npu_mode: str
    groups: tuple[Group, ...]
    params: AnyArray
    dyn_params: AnyArray = field(default_factory=_no_bytes)
    cpu_params: AnyArray = field(default_factory=_no_bytes)
    figures: dict[str, float] = field(default_factory=dict[str, float])
    compiler: str = field(default_factory=version)
    batch: int = 1
    compressed: bool = False

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Those of the original sizes."""
        return self.groups[0].inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Those of the original sizes."""
        return self.groups[0].outputs

    @property
    def subgraphs(self) -> tuple[Subgraph, ...]:
        """The subgraphs of every group."""
        return tuple(s for group in self.groups for s in group.subgraphs)

    @property
    def npu_subgraphs(self) -> tuple[NpuSubgraph, ...]:
        """Those that the NPU runs."""
        return tuple(s for s in self.subgraphs if isinstance(s, NpuSubgraph))

    @property
    def cpu_subgraphs(self) -> tuple[CpuSubgraph, ...]:
        """Those that the CPU runs."""
        return tuple(s for s in self.subgraphs if isinstance(s, CpuSubgraph))

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes that there are in every group, ascending."""
        common = set(self.groups[0].batches)
        for group in self.groups[1:]:
            common &= set(group.batches)
        return tuple(sorted(common))
