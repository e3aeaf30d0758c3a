"""The program of the virtual NPU: jobs on execution units, and their bytes.

A `Program` is what the assembler emits and the emulator executes; its bytes are those of
docs/program-format.md. `OPCODES` is the job table: the operands and parameters of every
operation, the same as the C++ core's own (a test compares the two).

Encoding checks only what struct packing checks. Decoding checks everything, in the C++ core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

MAX_DIMS = 6
"""Dimensions that a view may have."""


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
        "stride_h stride_w pad_top pad_left dil_h dil_w group bias_mode has_wzp has_sums " + _CLAMP,
        "bias w_zp sums",
        "conv",
    ),
    _op(4, "matmul", "a b y mult", "bias_mode has_sums " + _CLAMP, "bias sums", "conv"),
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
    _op(
        12,
        "conv_sums",
        "x w y",
        "stride_h stride_w pad_top pad_left dil_h dil_w group has_wzp has_sums",
        "w_zp sums",
        "conv",
    ),
    _op(13, "matmul_sums", "a b y", "has_sums", "sums", "conv"),
    _op(64, "norm", "x y", "kind axes_mask eps:f has_scale has_bias " + _CLAMP, "scale bias"),
    _op(65, "log_softmax", "x y", "axis"),
    _op(66, "cum_sum", "x y", "axis exclusive reverse " + _CLAMP),
    _op(96, "integer", "a b y", "fn"),
    _op(97, "where", "c a b y"),
    _op(98, "cast", "x y", "saturate"),
    _op(99, "gather_elements", "x indices y", "axis"),
    _op(100, "scatter_elements", "x indices updates y", "axis reduction"),
    _op(101, "arg", "x y", "axis largest"),
    _op(102, "top_k", "x y", "axis largest"),
    _op(
        128,
        "resize",
        "x y",
        "kind coordinates rounding in_h in_w out_h out_w scale_h:f scale_w:f "
        "in_row in_column out_row out_column",
        eus="teng cv",
    ),
    _op(129, "grid_sample", "x grid y", "kind padding align_corners"),
    _op(130, "roi_align", "x rois batch y", "kind half_pixel samples scale:f"),
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


def itemsize_bits(dtype: DType) -> int:
    """Bits of one element."""
    return 4 if dtype in (DType.S4, DType.U4) else NUMPY_DTYPES[dtype].itemsize * 8


def operand_extent(operand: Operand) -> int:
    """Bytes from a view's address to the end of the last byte that it touches."""
    reach = sum((n - 1) * s for n, s in zip(operand.shape, operand.strides, strict=True))
    bits = itemsize_bits(operand.dtype)
    return reach // 2 + 1 if bits < 8 else reach + bits // 8


def distinct_bytes(operand: Operand) -> int:
    """Bytes of a view's elements, repeated ones counted once."""
    count = math.prod(n for n, s in zip(operand.shape, operand.strides, strict=True) if s)
    return (count * itemsize_bits(operand.dtype) + 7) // 8


def is_packed(operand: Operand) -> bool:
    """Whether a view's elements fill all bytes between its first and its last."""
    return distinct_bytes(operand) == operand_extent(operand)


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
    The `*_bytes` are the sizes of the spaces. `ddr_limit` is the DDR bandwidth that it is planned
    with, in bytes per second; 0 is the target's own.
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
    ddr_limit: int = 0

    def eu_name(self, eu: int) -> str:
        """Name of a unit as in trace.json: its class, and its position among all units."""
        return f"{EuKind(self.eus[eu].kind).name.lower()}{eu}"

    def encode(self) -> bytes:
        """The bytes of the program. ValueError, with the job's number, for a value out of range."""
        from pulsar2.program_codec import encode_program

        return encode_program(self)

    @staticmethod
    def decode(data: bytes) -> Program:
        """The program in the bytes; `pulsar2._kernels.ProgramError` when they are not valid."""
        from pulsar2.program_codec import decode_program

        return decode_program(data)
