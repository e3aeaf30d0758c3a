"""Small programs for tests, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from pulsar2.program import EU, IO, OPCODES, DType, EuKind, Job, Operand, Program, Space

CONV0, CONV1, TENG, CV, SDMA = range(5)
EUS = [
    EU(EuKind.CONV, 0),
    EU(EuKind.CONV, 1),
    EU(EuKind.TENG, 0),
    EU(EuKind.CV, 0),
    EU(EuKind.SDMA, 0),
]


def dense(
    space: Space,
    address: int,
    shape: Sequence[int],
    dtype: DType = DType.U8,
    scale: float = 1.0,
    zero_point: int = 0,
) -> Operand:
    """A packed, row-major view."""
    size = {DType.U8: 1, DType.S8: 1, DType.U16: 2, DType.S16: 2, DType.S64: 8}.get(dtype, 4)
    strides: list[int] = []
    for n in reversed(shape):
        strides.insert(0, size)
        size *= n
    return Operand(space, dtype, address, tuple(shape), tuple(strides), scale, zero_point)


def copy(eu: int, source: Operand, target: Operand, *waits: int, label: str = "") -> Job:
    return Job(eu, OPCODES["copy"].code, (source, target), (), waits, label)


def fill(eu: int, target: Operand, value: int, *waits: int) -> Job:
    return Job(eu, OPCODES["fill"].code, (target,), (value,), waits)


def add(a: Operand, b: Operand, y: Operand, *waits: int) -> Job:
    return Job(TENG, OPCODES["eltwise"].code, (a, b, y), (0, 0, 255), waits)


def program(jobs: list[Job], inputs: int = 64, outputs: int = 64, params: int = 64) -> Program:
    """A program over 4 KiB of OCM, with one U8 input and one U8 output."""
    return Program(
        "AX650",
        "NPU1",
        list(EUS),
        jobs,
        ocm_bytes=4096,
        input_bytes=inputs,
        output_bytes=outputs,
        param_bytes=params,
        swap_bytes=1024,
        ios=[
            IO("x", 0, inputs, DType.U8, (1, inputs), False),
            IO("y", 0, outputs, DType.U8, (1, outputs), True),
        ],
    )


def add_program() -> Program:
    """y = x + p for 64 numbers: loads, an addition, a store."""
    ocm = [dense(Space.OCM, 64 * i, (64,)) for i in range(3)]
    return program(
        [
            copy(SDMA, dense(Space.INPUT, 0, (64,)), ocm[0], label="ld:x"),
            copy(SDMA, dense(Space.PARAM, 0, (64,)), ocm[1], label="ld:p"),
            add(ocm[0], ocm[1], ocm[2], 1),
            copy(SDMA, ocm[2], dense(Space.OUTPUT, 0, (64,)), 2, label="st:y"),
        ]
    )
