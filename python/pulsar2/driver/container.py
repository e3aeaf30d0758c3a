"""From a module of chip programs to a compiled model, and what can be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, SSAValue

from pulsar2.assemble import Assembled, assemble
from pulsar2.axmodel import BatchProgram, CompiledModel, NpuSubgraph, TensorInfo
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.ax import InvokeOp, numpy_dtype_of
from pulsar2.dialects.chips.base import ChipProgramOp
from pulsar2.dialects.quant.types import UniformType
from pulsar2.onnx_export import main_function, tensor_names
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.program import NUMPY_DTYPES
from pulsar2.targets import load_target
from pulsar2.weights import AnyArray

_ALIGNMENT = 64


@dataclass(frozen=True)
class Estimate:
    """How long one inference takes by the timing model."""

    cycles: int
    latency_us: float


@dataclass(frozen=True)
class Compiled:
    """A compiled model, its programs in the order in which they run, and their estimate."""

    model: CompiledModel
    programs: tuple[Assembled, ...]
    estimate: Estimate


def compile_container(module: ModuleOp, ctx: AxContext, macs: int) -> Compiled:
    """Assembles every program of `module` into one compiled model.

    `@main` invokes the programs; the inputs and outputs of the model are those of `@main`. Raises
    `UserError` when it invokes none.
    """
    function = main_function(module)
    chips = {op.sym_name.data: op for op in module.ops if isinstance(op, ChipProgramOp)}
    block = function.body.block
    inputs = tensor_names(function, INPUT_NAMES, "input", len(block.args))
    returned = list(block.last_op.operands) if block.last_op is not None else []
    outputs = tensor_names(function, OUTPUT_NAMES, "output", len(returned))
    names: dict[SSAValue, str] = dict(zip(block.args, inputs, strict=True))
    tensors: dict[str, TensorInfo] = {}
    programs: list[Assembled] = []
    subgraphs: list[NpuSubgraph] = []
    params = _Params()
    for op in block.ops:
        if not isinstance(op, InvokeOp):
            continue
        assembled = assemble(chips[op.callee.string_value()], ctx.weights)
        ports = assembled.program.ios
        tensors |= {io.name: TensorInfo(io.name, NUMPY_DTYPES[io.dtype], io.shape) for io in ports}
        written = tuple(io.name for io in ports if io.is_output)
        names |= dict(zip(op.outputs, written, strict=True))
        program = BatchProgram(
            1, assembled.code, params.add(assembled.params), assembled.params.nbytes
        )
        read = tuple(io.name for io in ports if not io.is_output)
        subgraphs.append(NpuSubgraph(assembled.name, read, written, (program,)))
        programs.append(assembled)
    if not programs:
        raise UserError.of("the model has no operator for the NPU")
    for name, argument in zip(inputs, block.args, strict=True):
        tensors.setdefault(name, _interface(name, argument.type))
    sources = [names[v] for v in returned]
    first = programs[0].program
    estimate = estimate_time(programs)
    model = CompiledModel(
        first.target,
        first.npu_mode,
        tuple(tensors[n] for n in inputs),
        tuple(_renamed(tensors[s], n) for s, n in zip(sources, outputs, strict=True)),
        tuple(subgraphs),
        params.bytes(),
        aliases=tuple((n, s) for s, n in zip(sources, outputs, strict=True) if n != s),
        figures={
            "macs": macs,
            "max_cycle": estimate.cycles,
            "latency_us": estimate.latency_us,
            "jobs": sum(len(p.program.jobs) for p in programs),
        },
    )
    return Compiled(model, tuple(programs), estimate)


def estimate_time(programs: Sequence[Assembled]) -> Estimate:
    """Cycles of the programs one after the other, and microseconds with the cost of starting."""
    from pulsar2 import _kernels

    cycles = 0
    microseconds = 0.0
    for index, assembled in enumerate(programs):
        target = load_target(assembled.program.target)
        _, ends = _kernels.replay_program(assembled.code, target.timing)
        length = int(np.max(ends, initial=0))
        cycles += length
        microseconds += length / target.clock_hz * 1e6
        microseconds += 0 if index else target.timing["invocation_us"]
    return Estimate(cycles, round(microseconds, 3))


class _Params:
    """The parameter segments of all programs, equal ones kept once."""

    def __init__(self) -> None:
        self._parts: list[AnyArray] = []
        self._offsets: dict[bytes, int] = {}
        self._size = 0

    def add(self, data: AnyArray) -> int:
        """Byte offset at which `data` lies."""
        key = data.tobytes()
        if key not in self._offsets:
            self._offsets[key] = self._size
            padding = -len(data) % _ALIGNMENT
            self._parts += [data, np.zeros(padding, np.uint8)]
            self._size += len(data) + padding
        return self._offsets[key]

    def bytes(self) -> AnyArray:
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.uint8)


def _interface(name: str, type_: Attribute) -> TensorInfo:
    """An input that no program reads, as `@main` has it."""
    tensor = cast("TensorType[Attribute]", type_)
    element = tensor.get_element_type()
    stored = element.storage if isinstance(element, UniformType) else element
    return TensorInfo(name, numpy_dtype_of(stored), tuple(tensor.get_shape()))


def _renamed(tensor: TensorInfo, name: str) -> TensorInfo:
    return TensorInfo(name, tensor.dtype, tensor.shape)
