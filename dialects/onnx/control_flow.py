"""Operations with regions: `onnx.If`, `onnx.Loop`, `onnx.Scan`, and the `onnx.Yield` that ends one.

A region may use values of the regions around it, as an ONNX subgraph may.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, LocationAttr
from xdsl.ir import Block, BlockArgument, Operation, OpTraits, Region, SSAValue
from xdsl.traits import IsTerminator, RecursiveMemoryEffect
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import Attr, Input, OnnxOp, OptionalInput
from pulsar2.dialects.onnx.types import element_of


class Yield(OnnxOp):
    """Ends a region; its operands are the subgraph's outputs, in order."""

    name = "onnx.Yield"
    traits = OpTraits(lambda: (IsTerminator(),))

    def __init__(self, values: Sequence[SSAValue], *, location: LocationAttr | None = None):
        super().__init__(values, [], location=location)

    def verify_structure(self) -> None:
        if self.results:
            raise VerifyException("onnx.Yield has no results")
        if not isinstance(self.parent_op(), OnnxOp):
            raise VerifyException("onnx.Yield ends a region of an onnx operation")


def yield_of(region: Region) -> Yield:
    """The terminator of a region of an `onnx` operation."""
    last = region.block.last_op
    assert isinstance(last, Yield)
    return last


def _body(op: Operation, index: int) -> Block:
    region = op.regions[index]
    block = region.first_block
    if block is None or block.next_block is not None or not isinstance(block.last_op, Yield):
        raise VerifyException(f"{op.name} needs one block in a region, ended by onnx.Yield")
    return block


def _expect(op: Operation, what: str, wanted: int, got: int) -> None:
    if wanted != got:
        raise VerifyException(f"{op.name} expects {wanted} {what}, got {got}")


def used_values(op: Operation) -> list[SSAValue]:
    """The values that `op` needs, each once: its operands, then what its regions use of those
    around it."""
    found = dict.fromkeys(op.operands)
    for region in op.regions:
        for inner in region.walk():
            found.update((v, None) for v in inner.operands if not _is_within(v, op))
    return list(found)


def _is_within(value: SSAValue, op: Operation) -> bool:
    """Whether a value is made inside a region of `op`."""
    owner = value.owner
    block = value.block if isinstance(value, BlockArgument) else None
    at = block.parent_op() if block is not None else owner.parent_op()  # pyright: ignore
    while at is not None and at is not op:
        at = at.parent_op()
    return at is op


def user_in(block: Block, op: Operation) -> Operation:
    """The operation of `block` that is `op` or holds it in a region."""
    while op.parent_block() is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


class If(OnnxOp):
    """Yields what one of two regions yields: the first (`then`) or the second (`else`)."""

    name = "onnx.If"
    op_type = "If"
    traits = OpTraits(lambda: (RecursiveMemoryEffect(),))

    condition = Input(0)

    def verify_structure(self) -> None:
        for index, branch in enumerate(("then", "else")):
            block = _body(self, index)
            _expect(self, f"arguments of its {branch} region", 0, len(block.args))
            _expect(
                self,
                f"values yielded by its {branch} region",
                len(self.results),
                len(yield_of(self.regions[index]).operands),
            )


class Loop(OnnxOp):
    """Runs its region until the trip count or the condition ends it.

    Block arguments: iteration number, condition, carried values. Yields: condition, carried values,
    scan outputs (stacked along a new first axis).
    """

    name = "onnx.Loop"
    op_type = "Loop"
    traits = OpTraits(lambda: (RecursiveMemoryEffect(),))

    trip_count = OptionalInput(0)
    condition = OptionalInput(1)

    @property
    def carried(self) -> Sequence[SSAValue]:
        """The initial values of the loop-carried values."""
        return self.operands[2:]

    def verify_structure(self) -> None:
        block = _body(self, 0)
        _expect(self, "arguments of its region", 2 + len(self.carried), len(block.args))
        values = yield_of(self.regions[0]).operands
        _expect(self, "values yielded by its region", 1 + len(self.results), len(values))
        if element_of(values[0].type) != IntegerType(1):
            raise VerifyException("onnx.Loop yields its condition, a tensor of i1, first")


class Scan(OnnxOp):
    """Runs its region over the slices of its scan inputs; `num_scan_inputs` of them."""

    name = "onnx.Scan"
    op_type = "Scan"
    traits = OpTraits(lambda: (RecursiveMemoryEffect(),))

    num_scan_inputs = Attr[int]("num_scan_inputs")

    def verify_structure(self) -> None:
        block = _body(self, 0)
        _expect(self, "arguments of its region", len(self.operands), len(block.args))
        _expect(
            self,
            "values yielded by its region",
            len(self.results),
            len(yield_of(self.regions[0]).operands),
        )
