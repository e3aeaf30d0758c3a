"""From a module of chip programs to what is linked into a compiled model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Attribute, SSAValue

from pulsar2.assemble import Assembled, assemble
from pulsar2.axmodel import UNKNOWN, Quantization, TensorInfo
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.ax import InvokeOp
from pulsar2.dialects.chips.base import ChipProgramOp
from pulsar2.dialects.onnx.types import dtype_of, element_of, form_of, shape_of
from pulsar2.dialects.quant.types import UniformType
from pulsar2.onnx_export import export_function, main_function, tensor_names
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.program import NUMPY_DTYPES
from pulsar2.targets import load_target


@dataclass(frozen=True)
class Estimate:
    """How long one inference takes by the timing model."""

    cycles: int
    latency_us: float


@dataclass(frozen=True)
class NpuPart:
    """An NPU subgraph for one set of shapes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    program: Assembled


@dataclass(frozen=True)
class CpuPart:
    """A CPU subgraph for one set of shapes."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    model: onnx.ModelProto


@dataclass(frozen=True)
class Part:
    """A model compiled for one set of shapes, to be linked with those for others.

    CPU subgraphs have no part in the estimate.
    """

    target: str
    npu_mode: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    subgraphs: tuple[NpuPart | CpuPart, ...]
    aliases: tuple[tuple[str, str], ...]
    macs: int
    estimate: Estimate

    @property
    def programs(self) -> tuple[Assembled, ...]:
        """The programs in the order in which they run."""
        return tuple(s.program for s in self.subgraphs if isinstance(s, NpuPart))


def compile_part(
    module: ModuleOp, ctx: AxContext, macs: int, *, target: str = "AX650", npu_mode: str = "NPU1"
) -> Part:
    """Assembles every program and exports every CPU subgraph of `module`.

    `@main` invokes the programs and calls the CPU subgraphs; the inputs and outputs of the model
    are those of `@main`. `target` and `npu_mode` are what the model is for where it has no program
    that says so.
    """
    return _PartMaker(module, ctx).make(macs, target, npu_mode)


class _PartMaker:
    """What one module is compiled to."""

    def __init__(self, module: ModuleOp, ctx: AxContext):
        self.ctx = ctx
        self.main = main_function(module)
        self.chips = {op.sym_name.data: op for op in module.ops if isinstance(op, ChipProgramOp)}
        self.functions = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
        self.tensors: dict[str, TensorInfo] = {}
        self.names: dict[SSAValue, str] = {}
        self.subgraphs: list[NpuPart | CpuPart] = []

    def make(self, macs: int, target: str, npu_mode: str) -> Part:
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
        programs = [s.program for s in self.subgraphs if isinstance(s, NpuPart)]
        if programs:
            first = programs[0].program
            target, npu_mode = first.target, first.npu_mode
        return Part(
            load_target(target).name,
            npu_mode,
            tuple(self.tensors[n] for n in inputs),
            tuple(
                replace(
                    self.tensors.get(source) or _interface("output", name, value.type),
                    name=name,
                    quantization=_quantization(value.type),
                )
                for source, name, value in zip(sources, outputs, returned, strict=True)
            ),
            tuple(self.subgraphs),
            tuple((n, s) for s, n in zip(sources, outputs, strict=True) if n != s),
            macs,
            estimate_time(programs),
        )

    def _add_program(self, op: InvokeOp) -> None:
        assembled = assemble(self.chips[op.callee.string_value()], self.ctx.weights)
        ports = assembled.program.ios
        for io in ports:
            self.tensors[io.name] = TensorInfo(io.name, NUMPY_DTYPES[io.dtype], io.shape)
        written = tuple(io.name for io in ports if io.is_output)
        self.names |= dict(zip(op.outputs, written, strict=True))
        read = tuple(io.name for io in ports if not io.is_output)
        self.subgraphs.append(NpuPart(assembled.name, read, written, assembled))

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
        # The types are told by the nodes already.
        model.graph.ClearField("value_info")
        self.subgraphs.append(CpuPart(name, tuple(read), written, model))


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


def _interface(kind: str, name: str, type_: Attribute) -> TensorInfo:
    """An input or output of the model as `@main` has it."""
    form, tensor = form_of(type_) or ("tensor", type_)
    element, shape = element_of(tensor), shape_of(tensor)
    if element is None or (shape is None and form == "tensor"):
        raise UserError.of(
            f"the {kind} '{name}' has no known rank", accepted="a known number of dimensions"
        )
    stored = element.storage if isinstance(element, UniformType) else element
    sizes = None
    if shape is not None:
        sizes = tuple(UNKNOWN if d == DYNAMIC_INDEX else d for d in shape)
    if form == "tensor":
        return TensorInfo(name, dtype_of(stored), sizes or ())
    return TensorInfo(name, dtype_of(stored), (), form=form, element_shape=sizes)


def _quantization(type_: Attribute) -> Quantization | None:
    """What the integers of a tensor stand for, where its type says so for all alike."""
    element = element_of(type_)
    if not isinstance(element, UniformType):
        return None
    return Quantization(float(element.scale), element.zero_point)
