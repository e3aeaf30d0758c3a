"""The program of the virtual NPU: jobs on execution units, and their bytes.

A `Program` is what the assembler emits and the emulator executes, byte for byte as
docs/program-format.md says. `OPCODES` is the job table: the operands and parameters of every
operation, the same as the C++ core's own (a test compares the two).

Encoding checks only what struct packing checks. Decoding checks everything, in the C++ core.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

MAGIC = b"PULSAR2\0"
VERSION = 1
MAX_DIMS = 6


class Space(IntEnum):
    """Memory spaces: OCM, and the four segments of DDR."""

    OCM = 0
    INPUT = 1
    OUTPUT = 2
    PARAM = 3
    SWAP = 4


class DType(IntEnum):
    """Element types. Strides of the 4-bit types count half bytes, those of all others bytes."""

    U8 = 0
    S8 = 1
    U16 = 2
    S16 = 3
    S32 = 4
    F32 = 5
    U32 = 6
    S64 = 7
    F16 = 8
    BOOL = 9
    S4 = 10
    U4 = 11


class EuKind(IntEnum):
    """Classes of execution units."""

    CONV = 0
    TENG = 1
    SDMA = 2
    CV = 3


NUMPY_DTYPES: dict[DType, np.dtype[np.generic]] = {
    DType.U8: np.dtype(np.uint8),
    DType.S8: np.dtype(np.int8),
    DType.U16: np.dtype(np.uint16),
    DType.S16: np.dtype(np.int16),
    DType.S32: np.dtype(np.int32),
    DType.F32: np.dtype(np.float32),
    DType.U32: np.dtype(np.uint32),
    DType.S64: np.dtype(np.int64),
    DType.F16: np.dtype(np.float16),
    DType.BOOL: np.dtype(np.bool_),
}
"""The numpy dtype of each type that has whole bytes."""


class Param(NamedTuple):
    """One parameter: a 32-bit signed integer, or an f32."""

    name: str
    is_float: bool = False


@dataclass(frozen=True)
class Opcode:
    """One operation: `operands` are always there; of `optional`, those the parameters say.

    The operand called `y` is the one written. `eus` are the classes of units that can run it.
    """

    code: int
    name: str
    operands: tuple[str, ...]
    params: tuple[Param, ...] = ()
    optional: tuple[str, ...] = ()
    eus: tuple[EuKind, ...] = (EuKind.TENG,)

    @property
    def output(self) -> int:
        """Position of the operand that is written."""
        return self.operands.index("y")


def _op(
    code: int, name: str, operands: str, params: str = "", optional: str = "", eus: str = "teng"
) -> Opcode:
    """Names are separated by blanks; a parameter ending in ':f' is an f32."""
    words = tuple(Param(p.removesuffix(":f"), p.endswith(":f")) for p in params.split())
    kinds = tuple(EuKind[kind.upper()] for kind in eus.split())
    return Opcode(code, name, tuple(operands.split()), words, tuple(optional.split()), kinds)


_CLAMP = "clamp_lo clamp_hi"
_TABLE = (
    _op(1, "copy", "x y", eus="teng sdma cv"),
    _op(2, "fill", "y", "value", eus="teng cv"),
    _op(
        3,
        "conv",
        "x w y mult",
        "stride_h stride_w pad_top pad_left dil_h dil_w group bias_mode has_wzp " + _CLAMP,
        "bias w_zp",
        "conv",
    ),
    _op(4, "matmul", "a b y mult", "bias_mode " + _CLAMP, "bias", "conv"),
    _op(5, "eltwise", "a b y", "fn " + _CLAMP),
    _op(6, "lut", "x table y", "axis"),
    _op(7, "unary", "x y", "fn alpha:f beta:f " + _CLAMP),
    _op(
        8,
        "pool",
        "x y",
        "kind kh kw stride_h stride_w pad_top pad_left pad_bottom pad_right dil_h dil_w "
        "count_include_pad " + _CLAMP,
    ),
    _op(9, "reduce", "x y", "kind axes_mask " + _CLAMP),
    _op(10, "softmax", "x y", "axis"),
    _op(11, "convert", "x y", _CLAMP),
)
OPCODES: dict[str, Opcode] = {op.name: op for op in _TABLE}
"""The job table, by name."""
OPCODES_BY_CODE: dict[int, Opcode] = {op.code: op for op in _TABLE}
"""The job table, by code."""


class Operand(NamedTuple):
    """A strided view of bytes in one space.

    `address` is the byte offset of the first element in the space. `strides` are in bytes (half
    bytes for 4-bit types), not negative, and 0 where an element repeats. `scale` and `zero_point`
    quantize the elements; 1 and 0 where there is no quantization.
    """

    space: Space
    dtype: DType
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    scale: float = 1.0
    zero_point: int = 0


@dataclass(slots=True)
class Job:
    """One operation on one unit.

    `eu` is a position in `Program.eus`; `waits` are positions of earlier jobs, ascending; `params`
    stand in the order of the job table. `label` names it in reports.
    """

    eu: int
    opcode: int
    operands: Sequence[Operand]
    params: Sequence[int | float] = ()
    waits: Sequence[int] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class EU:
    """An execution unit: its class, and its number within the class."""

    kind: EuKind
    index: int


class IO(NamedTuple):
    """An input or output tensor: packed, row-major, at `address` of its segment."""

    name: str
    address: int
    nbytes: int
    dtype: DType
    shape: tuple[int, ...]
    is_output: bool


@dataclass
class Program:
    """A program for one npu_mode of one target.

    The order of `jobs` is a legal order of execution, and within one unit the order of its queue.
    The `*_bytes` are the sizes of the spaces.
    """

    target: str
    npu_mode: str
    eus: list[EU]
    jobs: list[Job] = field(default_factory=list[Job])
    ocm_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    param_bytes: int = 0
    swap_bytes: int = 0
    ios: list[IO] = field(default_factory=list[IO])

    def eu_name(self, eu: int) -> str:
        """Name of a unit as in trace.json: its class, and its position among all units."""
        return f"{EuKind(self.eus[eu].kind).name.lower()}{eu}"

    def encode(self) -> bytes:
        """The bytes of the program. ValueError, with the job's number, for a value out of range."""
        return _encode(self)

    @staticmethod
    def decode(data: bytes) -> Program:
        """The program in the bytes; `pulsar2._kernels.ProgramError` when they are not valid."""
        from pulsar2 import _kernels

        _kernels.check_program(data)
        return _decode(data)


_HEADER = struct.Struct("<8sHHIQ8I5Q")
_EU = struct.Struct("<BxH")
_JOB = struct.Struct("<HHHHII")
_OPERAND = struct.Struct("<BBBxfiIQ6I6I")
_IO = struct.Struct("<QQIBBBx6I")
_PADDING = [(0,) * (MAX_DIMS - n) for n in range(MAX_DIMS + 1)]
_PARAMS: dict[int, struct.Struct] = {
    op.code: struct.Struct("<" + "".join("f" if p.is_float else "i" for p in op.params))
    for op in _TABLE
}
_CRC_OFFSET = 12


def _encode(program: Program) -> bytes:
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


def _decode(data: bytes) -> Program:
    """Reads bytes that the C++ core has found to be valid."""
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
    raw = bytes(data[offset:])
    strings = [raw[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False)]
    ios = [
        IO(strings[f[2]], f[0], f[1], DType(f[3]), f[6 : 6 + f[4]], bool(f[5]))
        for f in _IO.iter_unpack(raw_ios)
    ]
    spaces, dtypes = list(Space), list(DType)
    operands = [
        Operand(spaces[f[0]], dtypes[f[1]], f[6], f[7 : 7 + f[2]], f[13 : 13 + f[2]], f[3], f[4])
        for f in _OPERAND.iter_unpack(raw_operands)
    ]
    jobs: list[Job] = []
    at_operand = at_word = at_wait = 0
    for eu, opcode, ops, params, waited, label in _JOB.iter_unpack(raw_jobs):
        jobs.append(
            Job(
                eu,
                opcode,
                operands[at_operand : at_operand + ops],
                _PARAMS[opcode].unpack_from(words, at_word * 4),
                waits[at_wait : at_wait + waited],
                strings[label],
            )
        )
        at_operand += ops
        at_word += params
        at_wait += waited
    ocm, inputs, outputs, parameters, swap = header[13:18]
    return Program(strings[0], strings[1], eus, jobs, ocm, inputs, outputs, parameters, swap, ios)
