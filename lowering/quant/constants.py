"""Where constants stand: each right before the first operation that uses it."""

from __future__ import annotations

from xdsl.ir import Block

from pulsar2.dialects.quant import ConstantOp


def sink_constants(block: Block) -> None:
    """Puts every constant right before its first user, in the order of the operands.

    So the order says nothing that a `quant_axmodel` would not say too. Unused constants go.
    """
    constants = [op for op in block.ops if isinstance(op, ConstantOp)]
    for op in constants:
        op.detach()
    for op in list(block.ops):
        for value in op.operands:
            owner = value.owner
            if isinstance(owner, ConstantOp) and owner.parent is None:
                block.insert_op_before(owner, op)
    for op in constants:
        if op.parent is None:
            op.erase()
