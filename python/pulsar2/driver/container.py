"""From compiled parts, one for each set of shapes, to the compiled model that holds them all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from xdsl.dialects.builtin import ModuleOp

from pulsar2.assemble import Assembled
from pulsar2.axmodel import (
    BatchModel,
    BatchProgram,
    CompiledModel,
    CpuSubgraph,
    Group,
    NpuSubgraph,
    Subgraph,
    TensorInfo,
)
from pulsar2.context import AxContext
from pulsar2.cpu_subgraph import CpuParams
from pulsar2.diagnostics import Diagnostics
from pulsar2.driver.part import Estimate, NpuPart, Part, compile_part
from pulsar2.program import Operand, Space
from pulsar2.weights import AnyArray

_ALIGNMENT = 64


@dataclass(frozen=True)
class Compiled:
    """A compiled model, its programs in the order of its subgraphs and of their batches.

    The estimate is that of the smallest batch of the original sizes.
    """

    model: CompiledModel
    programs: tuple[Assembled, ...]
    estimate: Estimate


def compile_container(
    module: ModuleOp, ctx: AxContext, macs: int, *, target: str = "AX650", npu_mode: str = "NPU1"
) -> Compiled:
    """The compiled model of `module` alone; see `compile_part`."""
    return link([{1: compile_part(module, ctx, macs, target=target, npu_mode=npu_mode)}])


def link(
    groups: Sequence[Mapping[int, Part]], batch: int = 0, *, compressed: bool = False
) -> Compiled:
    """The compiled model of several groups of sizes, each a part by batch size.

    Inputs and outputs have the shapes for `batch` samples; 0 is the largest batch size there is.
    Constants of a subgraph are stored once for all its programs. `compressed` makes the file
    smaller and slower to load. Raises `UserError` where the parts of a group do not consist of the
    same subgraphs and tensors.
    """
    ordered = [dict(sorted(parts.items())) for parts in groups]
    for parts in ordered:
        _check_same(parts)
    made = _Linker(ordered)
    subgraphs = [made.subgraphs(number, parts) for number, parts in enumerate(ordered)]
    size = batch or max(ordered[0])
    linked = [
        Group(
            _scaled(parts, lambda part: part.inputs, size),
            _scaled(parts, lambda part: part.outputs, size),
            each,
            next(iter(parts.values())).aliases,
        )
        for parts, each in zip(ordered, subgraphs, strict=True)
    ]
    first = next(iter(ordered[0].values()))
    model = CompiledModel(
        first.target,
        first.npu_mode,
        tuple(linked),
        made.params.bytes(),
        cpu_params=made.cpu_params.array(),
        figures=_figures(ordered),
        batch=size,
        compressed=compressed,
    )
    return Compiled(model, tuple(made.programs), first.estimate)


class _Linker:
    """The subgraphs of all groups, and the constants that they share."""

    def __init__(self, groups: Sequence[Mapping[int, Part]]):
        self.programs: list[Assembled] = []
        self.params = _Params()
        self.cpu_params = CpuParams()
        self._pools: dict[str, _Pool] = {}
        for parts in groups:
            for part in parts.values():
                for each in part.subgraphs:
                    if isinstance(each, NpuPart):
                        self._pools.setdefault(each.name, _Pool()).add(each.program)

    def subgraphs(self, group: int, parts: Mapping[int, Part]) -> tuple[Subgraph, ...]:
        """The subgraphs of one group, each with what it is for every batch size."""
        return tuple(
            self._subgraph(f"{first.name}_g{group}" if group else first.name, index, parts)
            for index, first in enumerate(next(iter(parts.values())).subgraphs)
        )

    def _subgraph(self, name: str, index: int, parts: Mapping[int, Part]) -> Subgraph:
        each = {size: part.subgraphs[index] for size, part in parts.items()}
        first = next(iter(each.values()))
        programs: list[BatchProgram] = []
        models: list[BatchModel] = []
        for size, part in each.items():
            if isinstance(part, NpuPart):
                program = replace(self._pools[part.name].placed(part.program), name=name)
                offset = self.params.add(program.params)
                programs.append(BatchProgram(size, program.code, offset, program.params.nbytes))
                self.programs.append(program)
            else:
                model = onnx.ModelProto.FromString(part.model.SerializeToString())
                self.cpu_params.take(model)
                models.append(BatchModel(size, model.SerializeToString(deterministic=True)))
        if models:
            return CpuSubgraph(name, first.inputs, first.outputs, tuple(models))
        return NpuSubgraph(name, first.inputs, first.outputs, tuple(programs))


class _Pool:
    """The parameter segment that all programs of a subgraph have, each constant in it once.

    A program that is alone keeps its own. The first program's constants stay where they are.
    """

    def __init__(self) -> None:
        self._first: Assembled | None = None
        self._places: dict[str, int] = {}
        self._parts: list[AnyArray] = []
        self._size = 0
        self._count = 0

    def add(self, program: Assembled) -> None:
        """Makes room for the constants of a program."""
        self._count += 1
        if self._first is None:
            self._first = program
            self._parts = [program.params]
            self._size = program.params.nbytes
        for begin, nbytes, key in program.constants:
            if key in self._places:
                continue
            if program is self._first:
                self._places[key] = begin
                continue
            padding = -self._size % _ALIGNMENT
            self._places[key] = self._size + padding
            self._parts += [np.zeros(padding, np.uint8), program.params[begin : begin + nbytes]]
            self._size += padding + nbytes

    def placed(self, program: Assembled) -> Assembled:
        """`program` with the shared segment in the place of its own."""
        if self._count == 1:
            return program
        begins = [begin for begin, _, _ in program.constants]
        moves = [self._places[key] - begin for begin, _, key in program.constants]

        def moved(operand: Operand) -> Operand:
            if operand.space != Space.PARAM:
                return operand
            move = moves[bisect_right(begins, operand.address) - 1]
            return operand._replace(address=operand.address + move)

        jobs = [
            replace(job, operands=[moved(o) for o in job.operands]) for job in program.program.jobs
        ]
        made = replace(program.program, jobs=jobs, param_bytes=self._size)
        return replace(
            program, program=made, code=made.encode(), params=np.concatenate(self._parts)
        )


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


def _check_same(parts: Mapping[int, Part]) -> None:
    """Reports what is not the same in the parts of different batch sizes."""
    sizes = list(parts)
    first = parts[sizes[0]]
    problems = Diagnostics()
    for size in sizes[1:]:
        part = parts[size]
        where = f"batch {size}"
        told = [
            [(type(s), s.name, s.inputs, s.outputs) for s in p.subgraphs] for p in (first, part)
        ]
        if told[0] != told[1] or first.aliases != part.aliases:
            problems.error(f"it has other subgraphs than batch {sizes[0]}", where)
        for before, after in zip(
            (*first.inputs, *first.outputs), (*part.inputs, *part.outputs), strict=True
        ):
            if after != _times(before, size, sizes[0]):
                problems.error(
                    f"the tensor '{before.name}' becomes {list(after.shape)} where batch "
                    f"{sizes[0]} has {list(before.shape)}",
                    where,
                    "a model in which the first dimension of inputs and outputs is the batch",
                )
    problems.raise_if_any()


def _times(tensor: TensorInfo, size: int, of: int) -> TensorInfo:
    """A tensor of a part for batch size `of`, for another batch size."""
    if not tensor.shape or size == of:
        return tensor
    return replace(tensor, shape=(tensor.shape[0] * size // of, *tensor.shape[1:]))


def _scaled(
    parts: Mapping[int, Part], tensors: Callable[[Part], Sequence[TensorInfo]], size: int
) -> tuple[TensorInfo, ...]:
    """Inputs or outputs for `size` samples."""
    of, part = next(iter(parts.items()))
    return tuple(_times(t, size, of) for t in tensors(part))


def _figures(groups: Sequence[Mapping[int, Part]]) -> dict[str, float]:
    """What is said of the model: without a suffix of its first part, of others by `_g1_b4`."""
    figures: dict[str, float] = {}
    for number, parts in enumerate(groups):
        for size, part in parts.items():
            suffix = f"_g{number}_b{size}" if figures else ""
            said = {
                "macs": part.macs,
                "max_cycle": part.estimate.cycles,
                "latency_us": part.estimate.latency_us,
                "jobs": sum(len(p.program.jobs) for p in part.programs),
            }
            figures |= {key + suffix: value for key, value in said.items()}
    return figures
