"""From the bytes of a program back to a chip's dialect: the inverse of `pulsar2.assemble`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import I64, IntegerAttr, ModuleOp, StringAttr, TensorType, i8, i64
from xdsl.ir import Block, Operation, SSAValue

from pulsar2.assemble import SPACES, unit_list
from pulsar2.axmodel import CompiledModel
from pulsar2.diagnostics import UserError
from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.chips import chip_dialect
from pulsar2.dialects.chips.base import ChipProgramOp, Place
from pulsar2.dialects.sched.attrs import (
    ElementType,
    EuKind,
    EuKindAttr,
    Params,
    ParamsAttr,
    Space,
    View,
    dense_strides,
)
from pulsar2.locations import name_location
from pulsar2.program import IO, OPCODES_BY_CODE, Job, Operand, Program, operand_extent
from pulsar2.program import Space as ProgramSpace
from pulsar2.targets import Mode, load_target
from pulsar2.weights import AnyArray, WeightStore

_SPACES: dict[ProgramSpace, Space] = {
    code: space for space, code in SPACES.items() if space is not Space.ANY
}
_LABEL = re.compile(r"(?:ld:|st:)?(?P<node>.*)_\d+_\d+", re.DOTALL)


def decode_program(code: bytes, where: str = "") -> Program:
    """The program in the bytes of the file `where`; `UserError` when they are not a valid one."""
    from pulsar2 import _kernels

    try:
        return Program.decode(code)
    except _kernels.ProgramError as error:
        raise UserError.of(f"not a valid program: {error}", where) from None


def disassemble(
    program: Program, name: str, weights: WeightStore, params: AnyArray | None = None
) -> ChipProgramOp:
    """The `<chip>.program` named `name` that assembles to the same bytes.

    `params` are the U8 bytes of its parameter segment; without them the program has no `param`
    operations, and assembles to a segment of zeros. Quantization of the ports is not in the bytes.
    Raises `UserError` when the target or npu_mode is unknown, or its units are not the program's.
    """
    target = load_target(program.target)
    mode = target.mode(program.npu_mode)
    chip = chip_dialect(target.name)
    units = _units(program, mode)
    ops: list[Operation] = []
    for io in program.ios:
        port = chip.port(io.name, _port_place(io))
        port.location = name_location(io.name)
        ops.append(port)
    if params is not None:
        for begin, end in _constants(program.jobs, params):
            blob = np.ascontiguousarray(params[begin:end]).view(np.int8)
            handle = WeightAttr(StringAttr(weights.add(blob)), TensorType(i8, [len(blob)]))
            constant = chip.param(begin, handle)
            constant.location = name_location(name)
            ops.append(constant)
    tokens: list[SSAValue] = []
    for job in program.jobs:
        kind, unit = units[job.eu]
        opcode = OPCODES_BY_CODE[job.opcode]
        values: Params = tuple(
            (param.name, value) for param, value in zip(opcode.params, job.params, strict=True)
        )
        made = chip.job(
            opcode.name,
            EuKindAttr(kind),
            unit,
            [_place(operand) for operand in job.operands],
            ParamsAttr(values),
            [tokens[wait] for wait in job.waits],
        )
        made.location = name_location(_node_of(job.label))
        tokens.append(made.token)
        ops.append(made)
    block = Block()
    block.add_ops(ops)
    sizes = {
        Space.OCM: program.ocm_bytes,
        Space.INPUT: program.input_bytes,
        Space.OUTPUT: program.output_bytes,
        Space.PARAM: program.param_bytes,
        Space.SWAP: program.swap_bytes,
    }
    op = chip.program(name, mode.name, sizes, block)
    op.location = name_location(name)
    if program.ddr_limit:
        op.ddr_limit = IntegerAttr(program.ddr_limit, i64)
    return op


def disassemble_model(model: CompiledModel, weights: WeightStore) -> ModuleOp:
    """A module of every program of a compiled model.

    A program is named as its subgraph, with `_b<batch>` where the subgraph has several.
    """
    programs: list[Operation] = []
    for subgraph in model.npu_subgraphs:
        for each in subgraph.programs:
            name = (
                subgraph.name if len(subgraph.programs) == 1 else f"{subgraph.name}_b{each.batch}"
            )
            params = model.params[each.param_offset : each.param_offset + each.param_bytes]
            program = decode_program(each.code, name)
            if program.param_bytes != len(params):
                raise UserError.of(
                    f"the program has {program.param_bytes} bytes of parameters, "
                    f"the model {len(params)}",
                    name,
                )
            programs.append(disassemble(program, name, weights, params))
    return ModuleOp(programs)


def _units(program: Program, mode: Mode) -> list[tuple[EuKind, IntegerAttr[I64]]]:
    """Class and number of each unit of the program, which must be those of its npu_mode."""
    units = [(EuKind(eu.kind.name.lower()), eu.index) for eu in program.eus]
    if units != unit_list(mode):
        raise UserError.of(
            f"the program's units are not those that {mode.name} of {program.target} has",
            accepted="a program that this version of pulsar2 assembled",
        )
    return [(kind, IntegerAttr(index, i64)) for kind, index in units]


def _place(operand: Operand) -> Place:
    return Place(
        _SPACES[operand.space],
        View(
            operand.address,
            operand.shape,
            operand.strides,
            ElementType[operand.dtype.name],
            operand.scale,
            operand.zero_point,
        ),
    )


def _port_place(io: IO) -> Place:
    element = ElementType[io.dtype.name]
    strides = dense_strides(io.shape, range(len(io.shape)), element.itemsize)
    space = Space.OUTPUT if io.is_output else Space.INPUT
    return Place(space, View(io.address, io.shape, strides, element))


def _node_of(label: str) -> str:
    """The node in a job's label, which is `[ld:|st:]<node>_<number>_<number>`."""
    match = _LABEL.fullmatch(label)
    return match["node"] if match else label


def _constants(jobs: Sequence[Job], params: AnyArray) -> list[tuple[int, int]]:
    """Byte ranges of the parameter segment: each that a job reads, and what else is not zero."""
    reads = sorted(
        (operand.address, operand.address + operand_extent(operand))
        for job in jobs
        for operand in job.operands
        if operand.space is ProgramSpace.PARAM
    )
    ranges: list[tuple[int, int]] = []
    for begin, end in reads:
        if ranges and begin < ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], end))
        else:
            ranges.append((begin, end))
    covered = np.zeros(len(params), np.bool_)
    for begin, end in ranges:
        covered[begin:end] = True
    rest = np.flatnonzero((params.view(np.uint8) != 0) & ~covered)
    if len(rest):
        cuts = np.flatnonzero(np.diff(rest) > 1) + 1
        runs = np.split(rest, cuts)
        ranges += [(int(run[0]), int(run[-1]) + 1) for run in runs]
    return sorted(r for r in ranges if r[1] > r[0])
