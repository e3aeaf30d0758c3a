"""Operations of a chip's dialect, made from the facts of its target file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from xdsl.dialects.builtin import (
    I64,
    ArrayAttr,
    IntegerAttr,
    StringAttr,
    SymbolNameConstraint,
    i64,
)
from xdsl.ir import Attribute, Block, Data, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarOperand,
    attr_def,
    irdl_attr_definition,
    irdl_op_definition,
    opt_attr_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, NoTerminator, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.ax import WeightAttr, numpy_dtype_of
from pulsar2.dialects.sched.attrs import (
    EuKindAttr,
    ParamsAttr,
    Space,
    TokenType,
    View,
    ViewAttr,
)
from pulsar2.dialects.sched.kernels import KERNELS, Kernel, check_call
from pulsar2.dialects.sched.program import verify_ddr_limit
from pulsar2.targets import Mode, Target

SEGMENTS = (Space.OCM, Space.INPUT, Space.OUTPUT, Space.PARAM, Space.SWAP)
"""The memory spaces of a chip."""


class Place(NamedTuple):
    """An operand of a job: a memory space, and a view whose offset is the address in it."""

    space: Space
    view: View


@irdl_attr_definition
class PlaceAttr(Data[Place]):
    """An operand of a job, with its address.

    ```
    #chip.at<ocm ui8 [1, 32, 112, 112] : [401408, 1, 3584, 32] + 64, 0.0235:128>
    ```
    """

    name = "chip.at"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Place:
        with parser.in_angle_brackets():
            space = parser.parse_str_enum(Space)
            if space not in SEGMENTS:
                parser.raise_error(f"'{space.value}' is no space of a chip")
            return Place(space, ViewAttr.parse_body(parser))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.data.space.value} {ViewAttr(self.data.view).body()}")


Chip = Dialect("chip", [], [PlaceAttr])
"""What the dialects of all chips share."""


class ChipProgramOp(IRDLOperation):
    """A program for one chip: its ports, its parameters, and its jobs in queue order.

    `ocm` is the bytes of OCM it may use; `input`, `output`, `param` and `swap` the bytes of the DDR
    segments. `ddr_limit` is the DDR bandwidth to plan with, in bytes per second, where it is less
    than the target's.
    """

    if TYPE_CHECKING:
        sym_name: StringAttr
        npu_mode: StringAttr
        ocm: IntegerAttr[I64]
        input: IntegerAttr[I64]
        output: IntegerAttr[I64]
        param: IntegerAttr[I64]
        swap: IntegerAttr[I64]
        ddr_limit: IntegerAttr[I64] | None
        body: Region
        target: ClassVar[Target]

    def __init__(self, name: str, npu_mode: str, sizes: dict[Space, int], block: Block):
        super().__init__(
            attributes={
                "sym_name": StringAttr(name),
                "npu_mode": StringAttr(npu_mode),
                **{space.value: IntegerAttr(sizes[space], i64) for space in SEGMENTS},
            },
            regions=[Region(block)],
        )

    @property
    def mode(self) -> Mode:
        return self.target.mode(self.npu_mode.data)

    def size(self, space: Space) -> int:
        """Bytes of a memory space."""
        attribute = self.attributes[space.value]
        assert isinstance(attribute, IntegerAttr)
        return attribute.value.data

    def jobs(self) -> list[ChipJobOp]:
        return [op for op in self.body.block.ops if isinstance(op, ChipJobOp)]

    def ports(self) -> Iterator[ChipPortOp]:
        return (op for op in self.body.block.ops if isinstance(op, ChipPortOp))

    def params(self) -> Iterator[ChipParamOp]:
        return (op for op in self.body.block.ops if isinstance(op, ChipParamOp))

    def verify_(self) -> None:
        if self.npu_mode.data not in self.target.modes:
            modes = ", ".join(self.target.modes)
            raise VerifyException(f"{self.target.name} has no '{self.npu_mode.data}', only {modes}")
        verify_ddr_limit(self.ddr_limit)
        most = self.mode.ocm_bytes
        if self.size(Space.OCM) > most:
            raise VerifyException(
                f"{self.npu_mode.data} of {self.target.name} has {most} bytes of OCM, "
                f"got {self.size(Space.OCM)}"
            )


class ChipPortOp(IRDLOperation):
    """An input or output of the program at run time: name and place."""

    if TYPE_CHECKING:
        port_name: StringAttr
        place: PlaceAttr

    def __init__(self, name: str, place: Place):
        super().__init__(attributes={"name": StringAttr(name), "place": PlaceAttr(place)})

    @property
    def is_output(self) -> bool:
        return self.place.data.space is Space.OUTPUT

    def verify_(self) -> None:
        if self.place.data.space not in (Space.INPUT, Space.OUTPUT):
            raise VerifyException("a port lies in the input or output segment")


class ChipParamOp(IRDLOperation):
    """Bytes of the parameter segment: where they lie, and their handle."""

    if TYPE_CHECKING:
        address: IntegerAttr[I64]
        data: WeightAttr

    def __init__(self, address: int, data: WeightAttr):
        super().__init__(attributes={"address": IntegerAttr(address, i64), "data": data})

    def verify_(self) -> None:
        program = self.parent_op()
        if not isinstance(program, ChipProgramOp):
            return
        type_ = self.data.type
        begin = self.address.value.data
        end = begin + prod(type_.get_shape()) * numpy_dtype_of(type_.get_element_type()).itemsize
        if begin < 0 or end > program.size(Space.PARAM):
            raise VerifyException(
                f"the bytes [{begin}, {end}) lie outside the param space, "
                f"which has {program.size(Space.PARAM)}"
            )


class ChipJobOp(IRDLOperation):
    """One job on one unit; it starts when it is first in its unit's queue and all waits ended."""

    if TYPE_CHECKING:
        kernel: StringAttr
        eu: EuKindAttr
        unit: IntegerAttr[I64]
        places: ArrayAttr[PlaceAttr]
        params: ParamsAttr
        waits: VarOperand
        target: ClassVar[Target]

    def __init__(
        self,
        kernel: str,
        eu: EuKindAttr,
        unit: IntegerAttr[I64],
        places: Sequence[Place],
        params: ParamsAttr,
        waits: Sequence[SSAValue],
    ):
        super().__init__(
            operands=[waits],
            attributes={
                "kernel": StringAttr(kernel),
                "eu": eu,
                "unit": unit,
                "places": ArrayAttr([PlaceAttr(p) for p in places]),
                "params": params,
            },
            result_types=[TokenType()],
        )

    @property
    def token(self) -> SSAValue:
        return self.results[0]

    @property
    def spec(self) -> Kernel:
        return KERNELS[self.kernel.data]

    @property
    def place_list(self) -> list[Place]:
        return [p.data for p in self.places]

    def verify_(self) -> None:
        kernel = KERNELS.get(self.kernel.data)
        if kernel is None:
            raise VerifyException(f"unknown kernel '{self.kernel.data}'")
        if self.eu.data not in kernel.units(self.params.data):
            raise VerifyException(f"'{kernel.name}' does not run on {self.eu.data.value} units")
        views = [p.view for p in self.place_list]
        check_call(kernel, views, self.params.data)
        types = self.target.element_types
        for view in views:
            if view.element.name not in types:
                raise VerifyException(
                    f"{self.target.name} has no {view.element.name} operands "
                    f"(only {', '.join(sorted(types))})"
                )
        program = self.parent_op()
        # An unknown mode is the program's own error.
        if isinstance(program, ChipProgramOp) and program.npu_mode.data in self.target.modes:
            self._verify_within(program)

    def _verify_within(self, program: ChipProgramOp) -> None:
        count = program.mode.units.get(self.eu.data.value, 0)
        if not 0 <= self.unit.value.data < count:
            raise VerifyException(
                f"{program.npu_mode.data} has {count} {self.eu.data.value} units, "
                f"there is no number {self.unit.value.data}"
            )
        for index, place in enumerate(self.place_list):
            begin, end = place.view.offset, place.view.offset + place.view.extent
            size = program.size(place.space)
            if begin < 0 or end > size:
                raise VerifyException(
                    f"operand {index} touches bytes [{begin}, {end}) of the "
                    f"{place.space.value} space, which has {size}"
                )


@dataclass(frozen=True)
class ChipDialect:
    """The dialect of one chip, and its operation classes."""

    dialect: Dialect
    program: type[ChipProgramOp]
    port: type[ChipPortOp]
    param: type[ChipParamOp]
    job: type[ChipJobOp]


def make_chip_dialect(target: Target) -> ChipDialect:
    """The dialect of a chip, under its own name in lower case."""
    prefix = target.name.lower()

    @irdl_op_definition
    class ProgramOp(ChipProgramOp):
        __doc__ = ChipProgramOp.__doc__
        name = f"{prefix}.program"
        sym_name = attr_def(SymbolNameConstraint())
        npu_mode = attr_def(StringAttr)
        ocm = attr_def(IntegerAttr[I64])
        input = attr_def(IntegerAttr[I64])
        output = attr_def(IntegerAttr[I64])
        param = attr_def(IntegerAttr[I64])
        swap = attr_def(IntegerAttr[I64])
        ddr_limit = opt_attr_def(IntegerAttr[I64])
        body = region_def("single_block")
        traits = traits_def(SymbolOpInterface(), NoTerminator(), IsolatedFromAbove())
        assembly_format = (
            "$sym_name `mode` $npu_mode `ocm` $ocm `input` $input `output` $output "
            "`param` $param `swap` $swap $body attr-dict"
        )

    @irdl_op_definition
    class PortOp(ChipPortOp):
        __doc__ = ChipPortOp.__doc__
        name = f"{prefix}.port"
        port_name = attr_def(StringAttr, attr_name="name")
        place = attr_def(PlaceAttr)
        assembly_format = "$name $place attr-dict"

    @irdl_op_definition
    class ParamOp(ChipParamOp):
        __doc__ = ChipParamOp.__doc__
        name = f"{prefix}.param"
        address = attr_def(IntegerAttr[I64])
        data = attr_def(WeightAttr)
        assembly_format = "$address $data attr-dict"

    @irdl_op_definition
    class JobOp(ChipJobOp):
        __doc__ = ChipJobOp.__doc__
        name = f"{prefix}.job"
        kernel = attr_def(StringAttr)
        eu = attr_def(EuKindAttr)
        unit = attr_def(IntegerAttr[I64])
        places = attr_def(ArrayAttr[PlaceAttr])
        params = attr_def(ParamsAttr)
        waits = var_operand_def(TokenType)
        result = result_def(TokenType)
        assembly_format = (
            "$kernel `on` $eu $unit $places $params (`waits` `(` $waits^ `)`)? attr-dict"
        )

    # The facts are no part of the definitions, so they are attached to the finished classes.
    ProgramOp.target = target
    JobOp.target = target
    operations: list[type[Operation]] = [ProgramOp, PortOp, ParamOp, JobOp]
    attributes: list[type[Attribute]] = []
    return ChipDialect(Dialect(prefix, operations, attributes), ProgramOp, PortOp, ParamOp, JobOp)
