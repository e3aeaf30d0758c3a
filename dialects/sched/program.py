"""`sched.program`: one NPU subgraph, and the buffers that it works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects.builtin import I64, IntegerAttr, StringAttr, SymbolNameConstraint, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    attr_def,
    irdl_op_definition,
    opt_attr_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.traits import IsolatedFromAbove, NoTerminator, Pure, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import BufferType, Space, SpaceAttr, ViewAttr

OCM_ALIGNMENT = 64
"""Bytes to which the start of every buffer is aligned, in OCM and in the DDR segments."""

LEAST_DDR_LIMIT = 1_000_000
"""Bytes per second that a limit of the DDR bandwidth is at least."""


def verify_ddr_limit(limit: IntegerAttr[I64] | None) -> None:
    """Checks the `ddr_limit` of a program."""
    if limit is not None and limit.value.data < LEAST_DDR_LIMIT:
        raise VerifyException(
            f"ddr_limit is at least {LEAST_DDR_LIMIT} bytes per second, got {limit.value.data}"
        )


@irdl_op_definition
class ProgramOp(IRDLOperation):
    """One NPU subgraph on one target: buffers, and the layers or jobs that work on them.

    The order of the operations is a legal order of execution. `ocm_bytes` is the OCM that the
    npu_mode gives, or less where a pass option cut it. `ddr_limit` is the DDR bandwidth to plan
    with, in bytes per second, where it is less than the target's.
    """

    name = "sched.program"

    sym_name = attr_def(SymbolNameConstraint())
    target = attr_def(StringAttr)
    npu_mode = attr_def(StringAttr)
    ocm_bytes = attr_def(IntegerAttr[I64])
    ddr_limit = opt_attr_def(IntegerAttr[I64])
    body = region_def("single_block")

    traits = traits_def(SymbolOpInterface(), NoTerminator(), IsolatedFromAbove())

    assembly_format = "$sym_name `target` $target `mode` $npu_mode `ocm` $ocm_bytes $body attr-dict"

    def __init__(
        self,
        name: str,
        target: str,
        npu_mode: str,
        ocm_bytes: int,
        block: Block,
        ddr_limit: int = 0,
    ):
        super().__init__(
            attributes={
                "sym_name": StringAttr(name),
                "target": StringAttr(target),
                "npu_mode": StringAttr(npu_mode),
                "ocm_bytes": IntegerAttr(ocm_bytes, i64),
                **({"ddr_limit": IntegerAttr(ddr_limit, i64)} if ddr_limit else {}),
            },
            regions=[Region(block)],
        )

    def verify_(self) -> None:
        if self.ocm_bytes.value.data <= 0:
            raise VerifyException("ocm_bytes must be positive")
        verify_ddr_limit(self.ddr_limit)

    @property
    def ddr_bytes_per_second(self) -> int:
        """The DDR bandwidth to plan with; 0 is the target's own."""
        return self.ddr_limit.value.data if self.ddr_limit is not None else 0

    def buffers(self) -> Iterator[BufferOp]:
        return (op for op in self.body.block.ops if isinstance(op, BufferOp))


@irdl_op_definition
class BufferOp(IRDLOperation):
    """A range of bytes in one memory space.

    `space` is `any` until the tiling pass settles whether a tensor lives in OCM or is swapped to
    DDR. A `param` buffer has `data`, the bytes it holds; `input` and `output` buffers have a
    `name`, the tensor's name at run time, and `type`, the view of the whole tensor. `address` is
    the byte offset in the space, once allocated.
    """

    name = "sched.buffer"

    space = attr_def(SpaceAttr)
    size = attr_def(IntegerAttr[I64])
    buffer_name = opt_attr_def(StringAttr, attr_name="name")
    type = opt_attr_def(ViewAttr)
    data = opt_attr_def(WeightAttr)
    address = opt_attr_def(IntegerAttr[I64])
    result = result_def(BufferType)

    traits = traits_def(Pure())

    assembly_format = "$space $size attr-dict `:` type($result)"

    def __init__(
        self,
        space: Space,
        size: int,
        *,
        name: str | None = None,
        type: ViewAttr | None = None,
        data: WeightAttr | None = None,
    ):
        attributes: dict[str, Attribute | None] = {
            "space": SpaceAttr(space),
            "size": IntegerAttr(size, i64),
            "name": StringAttr(name) if name is not None else None,
            "type": type,
            "data": data,
        }
        super().__init__(
            attributes={k: v for k, v in attributes.items() if v is not None},
            result_types=[BufferType()],
        )

    @property
    def nbytes(self) -> int:
        return self.size.value.data

    @property
    def where(self) -> Space:
        return self.space.data

    @property
    def offset(self) -> int | None:
        """The byte address in the buffer's space, None before allocation."""
        return self.address.value.data if self.address is not None else None

    def place(self, address: int) -> None:
        self.address = IntegerAttr(address, i64)

    def move(self, space: Space) -> None:
        self.space = SpaceAttr(space)

    def verify_(self) -> None:
        if self.nbytes <= 0:
            raise VerifyException(f"a buffer has at least one byte, got {self.nbytes}")
        if (self.data is not None) != (self.where is Space.PARAM):
            raise VerifyException("a buffer has `data` exactly when it lies in `param`")
        if self.where in (Space.INPUT, Space.OUTPUT) and (
            self.buffer_name is None or self.type is None
        ):
            raise VerifyException("an input or output buffer has a `name` and a `type`")
        if self.offset is not None and (self.offset < 0 or self.offset % OCM_ALIGNMENT):
            raise VerifyException(
                f"the address of a buffer is a multiple of {OCM_ALIGNMENT}, got {self.offset}"
            )


def buffer_of(value: SSAValue) -> BufferOp:
    """The operation that declares a buffer value."""
    owner = value.owner
    assert isinstance(owner, BufferOp)
    return owner


def verify_views(op: Operation, buffers: Sequence[SSAValue], views: Sequence[Attribute]) -> None:
    """Checks that each operand has a view, and that the view stays inside its buffer."""
    if len(buffers) != len(views):
        raise VerifyException(f"{len(buffers)} operands but {len(views)} views")
    for index, (value, attribute) in enumerate(zip(buffers, views, strict=True)):
        if not isinstance(attribute, ViewAttr):
            raise VerifyException(f"view {index} is not a #sched.view")
        if not isinstance(value.owner, BufferOp):
            raise VerifyException(f"operand {index} is not a sched.buffer")
        view = attribute.data
        size = value.owner.nbytes
        if view.offset < 0 or view.offset + view.extent > size:
            raise VerifyException(
                f"operand {index} touches bytes [{view.offset}, {view.offset + view.extent}) "
                f"of a buffer of {size} bytes"
            )
