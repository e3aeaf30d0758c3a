"""Programs to bytes and back, as docs/program-format.md describes them.

Encoding checks what struct packing checks. Decoding has the C++ core check everything first.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from pulsar2.program import (
    EU,
    IO,
    MAX_DIMS,
    OPCODES,
    DType,
    EuKind,
    Job,
    Operand,
    Program,
    Space,
)

MAGIC = b"PULSAR2\0"
VERSION = 3

_HEADER = struct.Struct("<8sHHIQ8I6Q")
_EU = struct.Struct("<BxH")
_JOB = struct.Struct("<HHHHII")
_OPERAND = struct.Struct("<BBBxfiIQ6I6I")
_IO = struct.Struct("<QQIBBBx6I")
_PADDING = [(0,) * (MAX_DIMS - n) for n in range(MAX_DIMS + 1)]
_PARAMS: dict[int, struct.Struct] = {
    op.code: struct.Struct("<" + "".join("f" if p.is_float else "i" for p in op.params))
    for op in OPCODES.values()
}
_CRC_OFFSET = 12


def encode_program(program: Program) -> bytes:
    """The bytes of a program; ValueError, with the job's number, for a value out of range."""
    strings = _Strings()
    strings.add(program.target)
    strings.add(program.npu_mode)
    ios: list[bytes] = []
    for io in program.ios:
        pad = _PADDING[len(io.shape)]
        ios.append(
            _IO.pack(
                io.address,
                io.nbytes,
                strings.add(io.name),
                io.dtype,
                len(io.shape),
                io.is_output,
                *io.shape,
                *pad,
            )
        )
    jobs: list[bytes] = []
    operands: list[bytes] = []
    params: list[bytes] = []
    waits: list[Sequence[int]] = []
    pack_job, pack_operand, padding = _JOB.pack, _OPERAND.pack, _PADDING
    for index, job in enumerate(program.jobs):
        try:
            jobs.append(
                pack_job(
                    job.eu,
                    job.opcode,
                    len(job.operands),
                    len(job.params),
                    len(job.waits),
                    strings.add(job.label),
                )
            )
            params.append(_PARAMS[job.opcode].pack(*job.params))
            for space, dtype, address, shape, strides, scale, zero_point in job.operands:
                pad = padding[len(shape)]
                operands.append(
                    pack_operand(
                        space,
                        dtype,
                        len(shape),
                        scale,
                        zero_point,
                        0,
                        address,
                        *shape,
                        *pad,
                        *strides,
                        *pad,
                    )
                )
        except (struct.error, KeyError, IndexError, OverflowError) as error:
            raise ValueError(f"job {index} ({job.label}) cannot be encoded: {error}") from None
        waits.append(job.waits)
    flat_waits = np.array(list(itertools.chain.from_iterable(waits)), dtype="<u4")
    sections = (
        b"".join(_EU.pack(eu.kind, eu.index) for eu in program.eus),
        b"".join(ios),
        b"".join(jobs),
        b"".join(operands),
        b"".join(params),
        flat_waits.tobytes(),
        strings.encode(),
    )
    body = b"".join(sections)
    total = _HEADER.size + len(body)
    header = bytearray(
        _HEADER.pack(
            MAGIC,
            VERSION,
            _HEADER.size,
            0,
            total,
            len(program.eus),
            len(ios),
            len(jobs),
            len(operands),
            len(sections[4]) // 4,
            len(flat_waits),
            strings.count,
            strings.nbytes,
            program.ocm_bytes,
            program.input_bytes,
            program.output_bytes,
            program.param_bytes,
            program.swap_bytes,
            program.ddr_limit,
        )
    )
    crc = zlib.crc32(body, zlib.crc32(header))
    struct.pack_into("<I", header, _CRC_OFFSET, crc)
    return bytes(header) + body


class _Strings:
    """The string section: each different string once."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self.nbytes = 0

    def add(self, text: str) -> int:
        """Number of the string."""
        return self._index.setdefault(text, len(self._index))

    @property
    def count(self) -> int:
        return len(self._index)

    def encode(self) -> bytes:
        """End offset of every string, then all bytes (UTF-8); `nbytes` becomes their number."""
        encoded = [text.encode() for text in self._index]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        joined = b"".join(encoded)
        self.nbytes = len(joined)
        return ends.astype("<u4").tobytes() + joined


def decode_program(data: bytes) -> Program:
    """The program in the bytes; `pulsar2._kernels.ProgramError` when they are not valid."""
    from pulsar2 import _kernels

    _kernels.check_program(data)
    header = _HEADER.unpack_from(data)
    num_eus, num_ios, num_jobs, num_operands, num_words, num_waits, num_strings, _ = header[5:13]
    offset = _HEADER.size

    def section(size: int) -> memoryview:
        nonlocal offset
        offset += size
        return memoryview(data)[offset - size : offset]

    eus = [EU(EuKind(k), i) for k, i in _EU.iter_unpack(section(num_eus * _EU.size))]
    raw_ios = section(num_ios * _IO.size)
    raw_jobs = section(num_jobs * _JOB.size)
    raw_operands = section(num_operands * _OPERAND.size)
    words = section(num_words * 4)
    waits: list[int] = np.frombuffer(section(num_waits * 4), "<u4").tolist()
    ends: list[int] = np.frombuffer(section(num_strings * 4), "<u4").tolist()
    raw: bytes = bytes(data[offset:])
    begins = [0, *ends[:-1]]
    strings: list[str] = [raw[b:e].decode() for b, e in zip(begins, ends, strict=True)]
    ios = [
        IO(strings[f[2]], f[0], f[1], DType(f[3]), f[6 : 6 + f[4]], bool(f[5]))
        for f in _IO.iter_unpack(raw_ios)
    ]
    codes, dtypes = list(Space), list(DType)
    operands: list[Operand] = [
        Operand(codes[f[0]], dtypes[f[1]], f[6], f[7 : 7 + f[2]], f[13 : 13 + f[2]], f[3], f[4])
        for f in _OPERAND.iter_unpack(raw_operands)
    ]
    jobs: list[Job] = []
    at_operand = at_word = at_wait = 0
    records: Iterator[tuple[int, int, int, int, int, int]] = _JOB.iter_unpack(raw_jobs)
    for eu, opcode, ops, params, waited, label in records:
        values: tuple[int | float, ...] = _PARAMS[opcode].unpack_from(words, at_word * 4)
        jobs.append(
            Job(
                eu,
                opcode,
                operands[at_operand : at_operand + ops],
                values,
                waits[at_wait : at_wait + waited],
                strings[label],
            )
        )
        at_operand += ops
        at_word += params
        at_wait += waited
    ocm, inputs, outputs, parameters, swap, limit = header[13:19]
    spaces = (ocm, inputs, outputs, parameters, swap)
    return Program(strings[0], strings[1], eus, jobs, *spaces, ios, limit)
