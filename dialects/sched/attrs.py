"""Attributes and types of the `sched` dialect: memory spaces, strided views, job parameters.

A view and a parameter list stand on every job, and a program has tens of thousands of jobs, so both
are plain Python tuples inside a `Data` attribute rather than trees of attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

import numpy as np
from xdsl.dialects.builtin import IntegerType, Signedness, f16, f32, i1
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    Attribute,
    Data,
    ParametrizedAttribute,
    SpacedOpaqueSyntaxAttribute,
    TypeAttribute,
)
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.str_enum import StrEnum

MAX_DIMS = 6
"""Dimensions that a view may have on the virtual NPU."""


class Space(StrEnum):
    """Where a buffer lies.

    `any` is undecided: the tiling pass settles it. A `tile` buffer lies nowhere as a whole: fused
    layers hand its tensor on tile by tile.
    """

    ANY = "any"
    OCM = "ocm"
    INPUT = "input"
    OUTPUT = "output"
    PARAM = "param"
    SWAP = "swap"
    TILE = "tile"


class EuKind(StrEnum):
    """Classes of execution units."""

    CONV = "conv"
    TENG = "teng"
    SDMA = "sdma"
    CV = "cv"


@irdl_attr_definition
class SpaceAttr(EnumAttribute[Space], SpacedOpaqueSyntaxAttribute):
    """The memory space of a buffer: `#sched<space ocm>`."""

    name = "sched.space"


@irdl_attr_definition
class EuKindAttr(EnumAttribute[EuKind], SpacedOpaqueSyntaxAttribute):
    """A class of execution units: `#sched<eu conv>`."""

    name = "sched.eu"


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """A range of bytes in one memory space; its size and space stand on `sched.buffer`."""

    name = "sched.buffer"


@irdl_attr_definition
class TokenType(ParametrizedAttribute, TypeAttribute):
    """The end of a job, for other jobs to wait for."""

    name = "sched.token"


class ElementType(Enum):
    """Element types of job operands: name in the IR, and numpy dtype."""

    U8 = "ui8"
    S8 = "i8"
    U16 = "ui16"
    S16 = "i16"
    S32 = "i32"
    F32 = "f32"
    U32 = "ui32"
    S64 = "i64"
    F16 = "f16"
    BOOL = "i1"
    S4 = "i4"
    U4 = "ui4"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return _DTYPES[self]

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return _DTYPES[self].itemsize

    @property
    def is_float(self) -> bool:
        return self in (ElementType.F32, ElementType.F16)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest integer of the type, (0, 0) for a float type."""
        return _BOUNDS[self]


_DTYPES: dict[ElementType, np.dtype[np.generic]] = {
    ElementType.U8: np.dtype(np.uint8),
    ElementType.S8: np.dtype(np.int8),
    ElementType.U16: np.dtype(np.uint16),
    ElementType.S16: np.dtype(np.int16),
    ElementType.S32: np.dtype(np.int32),
    ElementType.F32: np.dtype(np.float32),
    ElementType.U32: np.dtype(np.uint32),
    ElementType.S64: np.dtype(np.int64),
    ElementType.F16: np.dtype(np.float16),
    ElementType.BOOL: np.dtype(np.bool_),
    ElementType.S4: np.dtype(np.int8),
    ElementType.U4: np.dtype(np.uint8),
}
_BOUNDS = {
    ElementType.U8: (0, 255),
    ElementType.S8: (-128, 127),
    ElementType.U16: (0, 65535),
    ElementType.S16: (-32768, 32767),
    ElementType.S32: (-(2**31), 2**31 - 1),
    ElementType.U32: (0, 2**32 - 1),
    ElementType.S64: (-(2**63), 2**63 - 1),
    ElementType.BOOL: (0, 1),
    ElementType.S4: (-8, 7),
    ElementType.U4: (0, 15),
    ElementType.F32: (0, 0),
    ElementType.F16: (0, 0),
}
_FROM_IR: dict[Attribute, ElementType] = {
    IntegerType(8, Signedness.UNSIGNED): ElementType.U8,
    IntegerType(8): ElementType.S8,
    IntegerType(16, Signedness.UNSIGNED): ElementType.U16,
    IntegerType(16): ElementType.S16,
    IntegerType(32): ElementType.S32,
    f32: ElementType.F32,
    IntegerType(32, Signedness.UNSIGNED): ElementType.U32,
    IntegerType(64): ElementType.S64,
    f16: ElementType.F16,
    i1: ElementType.BOOL,
    IntegerType(4): ElementType.S4,
    IntegerType(4, Signedness.UNSIGNED): ElementType.U4,
}


def element_type(type_: Attribute) -> ElementType:
    """The job element type of a builtin type; KeyError for one that jobs do not have."""
    return _FROM_IR[type_]


class View(NamedTuple):
    """A strided view into a buffer (or, in a chip's dialect, into a memory space).

    `offset` and `strides` are in bytes; a stride may be 0 (broadcast). `scale` and `zero_point` are
    the affine quantization of the elements, 1.0 and 0 where there is none.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    element: ElementType
    scale: float = 1.0
    zero_point: int = 0

    @property
    def extent(self) -> int:
        """Bytes from the first to the last byte that the view touches, 0 for an empty one."""
        if 0 in self.shape:
            return 0
        reach = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return reach + self.element.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, were they packed."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.element.itemsize

    def at(self, offset: int) -> View:
        return self._replace(offset=offset)


def dense_strides(shape: Iterable[int], order: Iterable[int], itemsize: int) -> tuple[int, ...]:
    """Byte strides of a packed tensor whose dimensions lie in `order`, outermost first."""
    sizes = list(shape)
    strides = [0] * len(sizes)
    step = itemsize
    for dim in reversed(list(order)):
        strides[dim] = step
        step *= sizes[dim]
    return tuple(strides)


def format_float(value: float) -> str:
    """The shortest text that reads back as the same f32, in MLIR's spelling."""
    text = str(np.float32(value)) if np.isfinite(value) else repr(float(value))
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _parse_number(parser: AttrParser) -> int | float:
    negative = parser.parse_optional_punctuation("-") is not None
    for word in ("inf", "nan"):
        if parser.parse_optional_keyword(word) is not None:
            return -float(word) if negative else float(word)
    number = parser.parse_number()
    return -number if negative else number


def _parse_ints(parser: AttrParser) -> tuple[int, ...]:
    return tuple(
        parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: parser.parse_integer())
    )


@irdl_attr_definition
class ViewAttr(Data[View]):
    """A strided view of a job operand.

    ```
    #sched.view<ui8 [1, 32, 112, 112] : [401408, 1, 3584, 32] + 64, 0.0235:128>
    ```

    Element type, shape, byte strides, byte offset (when not 0), scale and zero point (when
    quantized).
    """

    name = "sched.view"

    @classmethod
    def parse_body(cls, parser: AttrParser) -> View:
        """Parses what stands between the angle brackets."""
        type_ = parser.parse_type()
        if type_ not in _FROM_IR:
            parser.raise_error(f"jobs have no operands of type {type_}")
        element = element_type(type_)
        shape = _parse_ints(parser)
        parser.parse_punctuation(":")
        strides = _parse_ints(parser)
        if len(shape) != len(strides):
            parser.raise_error("a view has as many strides as dimensions")
        offset = 0
        if parser.parse_optional_punctuation("+"):
            offset = parser.parse_integer()
        scale, zero_point = 1.0, 0
        if parser.parse_optional_punctuation(","):
            scale = float(np.float32(_parse_number(parser)))
            parser.parse_punctuation(":")
            zero_point = parser.parse_integer()
        return View(offset, shape, strides, element, scale, zero_point)

    def body(self) -> str:
        """What stands between the angle brackets."""
        view = self.data
        text = f"{view.element.value} {list(view.shape)} : {list(view.strides)}"
        if view.offset:
            text += f" + {view.offset}"
        if view.scale != 1.0 or view.zero_point:
            text += f", {format_float(view.scale)}:{view.zero_point}"
        return text

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> View:
        with parser.in_angle_brackets():
            return cls.parse_body(parser)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.body())


Params = tuple[tuple[str, int | float], ...]


@irdl_attr_definition
class ParamsAttr(Data[Params]):
    """The parameters of a job, by name, in the order of the opcode's table.

    ```
    #sched.params<stride_h = 2, stride_w = 2, pad_top = 1>
    ```

    A number with a point or an exponent is an f32, any other an integer.
    """

    name = "sched.params"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Params:
        def entry() -> tuple[str, int | float]:
            name = parser.parse_identifier()
            parser.parse_punctuation("=")
            return name, _parse_number(parser)

        return tuple(parser.parse_comma_separated_list(parser.Delimiter.ANGLE, entry))

    def print_parameter(self, printer: Printer) -> None:
        def text(value: int | float) -> str:
            return str(value) if isinstance(value, int) else format_float(value)

        entries = ", ".join(f"{name} = {text(value)}" for name, value in self.data)
        with printer.in_angle_brackets():
            printer.print_string(entries)


class Tiling(NamedTuple):
    """How a layer is cut into jobs.

    `grid` is the number of tiles along each dimension of the layer's output; `order` the dimensions
    from the outermost loop to the innermost. With `part`, the sums of a tile are computed in parts
    of so many input channels (of K, for a matrix product), one after another; 0 is all at once.
    """

    grid: tuple[int, ...]
    order: tuple[int, ...]
    part: int = 0


@irdl_attr_definition
class TilingAttr(Data[Tiling]):
    """A layer's tiling: tiles per output dimension, and the order of the loops.

    With `part`, the sums of each tile are computed in parts of so many input channels.

    ```
    #sched.tiling<[1, 2, 4, 1] order [2, 1, 0, 3]>
    #sched.tiling<[1, 2, 4, 1] order [2, 1, 0, 3] part 128>
    ```
    """

    name = "sched.tiling"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Tiling:
        with parser.in_angle_brackets():
            grid = _parse_ints(parser)
            parser.parse_keyword("order")
            order = _parse_ints(parser)
            if sorted(order) != list(range(len(grid))) or any(n < 1 for n in grid):
                parser.raise_error(
                    "a tiling has positive tile counts, and an order of its dimensions"
                )
            part = 0
            if parser.parse_optional_keyword("part") is not None:
                part = parser.parse_integer()
                if part < 1:
                    parser.raise_error("a part has at least one input channel")
        return Tiling(grid, order, part)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{list(self.data.grid)} order {list(self.data.order)}")
            if self.data.part:
                printer.print_string(f" part {self.data.part}")


class Fusion(NamedTuple):
    """A group of neighbouring layers that run tile by tile.

    Its number, into how many slices of rows and into how many strips of columns it is cut.
    """

    group: int
    tiles: int
    columns: int = 1


@irdl_attr_definition
class FusionAttr(Data[Fusion]):
    """Layers with equal `group` run together, in `tiles` slices of rows.

    With `columns`, the image is cut into so many strips of columns, and these into slices.

    ```
    #sched.fusion<group 2 tiles 14>
    #sched.fusion<group 3 tiles 14 columns 2>
    ```
    """

    name = "sched.fusion"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Fusion:
        with parser.in_angle_brackets():
            parser.parse_keyword("group")
            group = parser.parse_integer()
            parser.parse_keyword("tiles")
            tiles = parser.parse_integer()
            columns = 1
            if parser.parse_optional_keyword("columns") is not None:
                columns = parser.parse_integer()
            if group < 0 or min(tiles, columns) < 1:
                parser.raise_error("a group has a number from 0 and at least one tile")
        return Fusion(group, tiles, columns)

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"group {self.data.group} tiles {self.data.tiles}")
            if self.data.columns > 1:
                printer.print_string(f" columns {self.data.columns}")
