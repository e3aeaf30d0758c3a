"""From a chip's dialect to the bytes of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pulsar2.dialects.chips.base import ChipProgramOp, Place
from pulsar2.dialects.sched.attrs import ElementType, EuKind, Space, View
from pulsar2.locations import node_name
from pulsar2.program import EU, IO, DType, Job, Operand, Program
from pulsar2.program import EuKind as ProgramEuKind
from pulsar2.program import Space as ProgramSpace
from pulsar2.targets import Mode
from pulsar2.weights import AnyArray, WeightStore

SPACES: dict[Space, ProgramSpace] = {
    Space.ANY: ProgramSpace.OCM,
    Space.OCM: ProgramSpace.OCM,
    Space.INPUT: ProgramSpace.INPUT,
    Space.OUTPUT: ProgramSpace.OUTPUT,
    Space.PARAM: ProgramSpace.PARAM,
    Space.SWAP: ProgramSpace.SWAP,
}
"""The program's code of each space; undecided buffers count as OCM, for estimates."""
_DTYPES: dict[ElementType, DType] = {e: DType[e.name] for e in ElementType}
_EU_ORDER = (EuKind.CONV, EuKind.TENG, EuKind.CV, EuKind.SDMA)
_EU_CODES = {kind: ProgramEuKind[kind.name] for kind in EuKind}


@dataclass(frozen=True)
class Assembled:
    """A subgraph ready to run: the program, its bytes, and the bytes of its parameter segment.

    `constants` are what the segment is made of: address, bytes and weight key of each, ascending.
    """

    name: str
    program: Program
    code: bytes
    params: AnyArray
    constants: tuple[tuple[int, int, str], ...] = ()


def unit_list(mode: Mode) -> list[tuple[EuKind, int]]:
    """All units of an npu_mode, in the order in which programs number them."""
    return [(kind, i) for kind in _EU_ORDER for i in range(mode.units.get(kind.value, 0))]


def encode_eus(mode: Mode) -> list[EU]:
    return [EU(_EU_CODES[kind], index) for kind, index in unit_list(mode)]


def encode_operand(space: Space, view: View) -> Operand:
    """A view at its absolute address, as an operand of a job."""
    return Operand(
        SPACES[space],
        _DTYPES[view.element],
        view.offset,
        view.shape,
        view.strides,
        view.scale,
        view.zero_point,
    )


def assemble(op: ChipProgramOp, weights: WeightStore) -> Assembled:
    """The program of one `<chip>.program`, with its parameters from the weight store."""
    units = {unit: i for i, unit in enumerate(unit_list(op.mode))}
    program = Program(
        op.target.name,
        op.npu_mode.data,
        encode_eus(op.mode),
        ocm_bytes=op.size(Space.OCM),
        input_bytes=op.size(Space.INPUT),
        output_bytes=op.size(Space.OUTPUT),
        param_bytes=op.size(Space.PARAM),
        swap_bytes=op.size(Space.SWAP),
        ddr_limit=op.ddr_limit.value.data if op.ddr_limit is not None else 0,
    )
    for port in op.ports():
        view = port.place.data.view
        program.ios.append(
            IO(
                port.port_name.data,
                view.offset,
                view.nbytes,
                _DTYPES[view.element],
                view.shape,
                port.is_output,
            )
        )
    jobs = op.jobs()
    position = {job.token: i for i, job in enumerate(jobs)}
    labels = _labels([node_name(job) for job in jobs], [job.place_list for job in jobs])
    for job, label in zip(jobs, labels, strict=True):
        program.jobs.append(
            Job(
                units[job.eu.data, job.unit.value.data],
                job.spec.opcode,
                [encode_operand(p.space, p.view) for p in job.place_list],
                [value for _, value in job.params.data],
                sorted(position[t] for t in job.waits),
                label,
            )
        )
    params = np.zeros(op.size(Space.PARAM), np.uint8)
    constants: list[tuple[int, int, str]] = []
    for param in op.params():
        data = np.ascontiguousarray(weights.get(param.data.key.data)).reshape(-1).view(np.uint8)
        begin = param.address.value.data
        params[begin : begin + len(data)] = data
        constants.append((begin, len(data), param.data.key.data))
    name = op.sym_name.data
    return Assembled(name, program, program.encode(), params, tuple(sorted(constants)))


def _labels(names: Sequence[str], places: Sequence[Sequence[Place]]) -> list[str]:
    """Labels as in trace.json: `[ld:|st:]<node>_<number of the node>_<number of its job>`."""
    numbers: dict[str, int] = {}
    tiles: dict[str, int] = {}
    labels: list[str] = []
    for name, operands in zip(names, places, strict=True):
        number = numbers.setdefault(name, len(numbers))
        tile = tiles.get(name, 0)
        tiles[name] = tile + 1
        spaces = [p.space for p in operands]
        prefix = ""
        if len(spaces) == 2 and spaces[0] is not Space.OCM and spaces[1] is Space.OCM:
            prefix = "ld:"
        elif len(spaces) == 2 and spaces[0] is Space.OCM and spaces[1] is not Space.OCM:
            prefix = "st:"
        labels.append(f"{prefix}{name}_{number}_{tile}")
    return labels
