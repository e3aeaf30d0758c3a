"""From a module of chip programs to a compiled model, and what can be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Attribute, SSAValue

from pulsar2.assemble import Assembled, assemble
from pulsar2.axmodel import (
    UNKNOWN,
    BatchModel,
    BatchProgram,
    CompiledModel,
    CpuSubgraph,
    NpuSubgraph,
    Subgraph,
    TensorInfo,
)
from pulsar2.context import AxContext
from pulsar2.cpu_subgraph import CpuParams
from pulsar2.diagnostics import UserError
from pulsar2.dialects.ax import InvokeOp
from pulsar2.dialects.chips.base import ChipProgramOp
from pulsar2.dialects.onnx.types import dtype_of, element_of, shape_of
from pulsar2.dialects.quant.types import UniformType
from pulsar2.onnx_export import export_function, main_function, tensor_names
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
    """A compiled model, its programs in the order in which they run, and their estimate.

    CPU subgraphs have no part in the estimate.
    """

    model: CompiledModel
    programs: tuple[Assembled, ...]
    estimate: Estimate


def compile_container(
    module: ModuleOp, ctx: AxContext, macs: int, *, target: str = "AX650", npu_mode: str = "NPU1"
) -> Compiled:
    """Assembles every program and CPU subgraph of `module` into one compiled model.

    `@main` invokes the programs and calls the CPU subgraphs; the inputs and outputs of the model
    are those of `@main`. `target` and `npu_mode` are what the model is for where it has no program
    that says so.
    """
    return _Container(module, ctx).compile(macs, target, npu_mode)


class _Container:
    """The parts of one compiled model."""

    def __init__(self, module: ModuleOp, ctx: AxContext):
        self.ctx = ctx
        self.main = main_function(module)
        self.chips = {op.sym_name.data: op for op in module.ops if isinstance(op, ChipProgramOp)}
        self.functions = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
        self.tensors: dict[str, TensorInfo] = {}
        self.names: dict[SSAValue, str] = {}
        self.programs: list[Assembled] = []
        self.subgraphs: list[Subgraph] = []
        self.params = _Params()
        self.cpu_params = CpuParams()

    def compile(self, macs: int, target: str, npu_mode: str) -> Compiled:
        block = self.main.body.block
        inputs = tensor_names(self.main, INPUT_NAMES, "input", len(block.args))
        returned = list(block.last_op.operands) if block.last_op is not None else []
        outputs = tensor_names(self.main, OUTPUT_NAMES, "output", len(returned))
        for name, argument in zip(inputs, block.args, strict=True):
            self.names[argument] = name
            self.tensors[name] = _interface("input", name, argument.type)
        for op in block.ops:
            if isinstance(op, InvokeOp):
                self._add_program(op)
            elif isinstance(op, CallOp):
                self._add_cpu(op)
        sources = [self.names[v] for v in returned]
        if self.programs:
            first = self.programs[0].program
            target, npu_mode = first.target, first.npu_mode
        estimate = estimate_time(self.programs)
        model = CompiledModel(
            load_target(target).name,
            npu_mode,
            tuple(self.tensors[n] for n in inputs),
            tuple(
                _interface("output", name, value.type)
                if source not in self.tensors
                else _renamed(self.tensors[source], name)
                for source, name, value in zip(sources, outputs, returned, strict=True)
            ),
            tuple(self.subgraphs),
            self.params.bytes(),
            cpu_params=self.cpu_params.array(),
            aliases=tuple((n, s) for s, n in zip(sources, outputs, strict=True) if n != s),
            figures={
                "macs": macs,
                "max_cycle": estimate.cycles,
                "latency_us": estimate.latency_us,
                "jobs": sum(len(p.program.jobs) for p in self.programs),
            },
        )
        return Compiled(model, tuple(self.programs), estimate)

    def _add_program(self, op: InvokeOp) -> None:
        assembled = assemble(self.chips[op.callee.string_value()], self.ctx.weights)
        ports = assembled.program.ios
        for io in ports:
            self.tensors[io.name] = TensorInfo(io.name, NUMPY_DTYPES[io.dtype], io.shape)
        written = tuple(io.name for io in ports if io.is_output)
        self.names |= dict(zip(op.outputs, written, strict=True))
        offset = self.params.add(assembled.params)
        program = BatchProgram(1, assembled.code, offset, assembled.params.nbytes)
        read = tuple(io.name for io in ports if not io.is_output)
        self.subgraphs.append(NpuSubgraph(assembled.name, read, written, (program,)))
        self.programs.append(assembled)

    def _add_cpu(self, op: CallOp) -> None:
        name = op.callee.string_value()
        function = self.functions[name]
        model = export_function(function, self.ctx.weights).model
        read = [v.name for v in model.graph.input]
        wanted = [self.names[v] for v in op.arguments]
        if read != wanted:
            raise ValueError(f"{name} reads {read}, which are called {wanted}")
        written = tuple(v.name for v in model.graph.output)
        self.names |= dict(zip(op.results, written, strict=True))
        self.cpu_params.take(model)
        # The types are told by the nodes already.
        model.graph.ClearField("value_info")
        data = model.SerializeToString(deterministic=True)
        self.subgraphs.append(CpuSubgraph(name, tuple(read), written, (BatchModel(1, data),)))


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
        if not index:
            microseconds += target.mode(assembled.program.npu_mode).invocation_us
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


def _interface(kind: str, name: str, type_: Attribute) -> TensorInfo:
    """An input or output of the model as `@main` has it."""
    element, shape = element_of(type_), shape_of(type_)
    if element is None or shape is None:
        what = "has no known rank" if element is not None else "is not a tensor"
        raise UserError.of(
            f"the {kind} '{name}' {what}", accepted="a tensor, whose number of dimensions is known"
        )
    stored = element.storage if isinstance(element, UniformType) else element
    sizes = tuple(UNKNOWN if d == DYNAMIC_INDEX else d for d in shape)
    return TensorInfo(name, dtype_of(stored), sizes)


def _renamed(tensor: TensorInfo, name: str) -> TensorInfo:
    return TensorInfo(name, tensor.dtype, tensor.shape)
