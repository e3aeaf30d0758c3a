"""Where constants stand: each right before the first operation that uses it."""

from __future__ import annotations

from xdsl.ir import Block, Operation

from pulsar2.dialects.onnx.constant import Constant, NoValue
from pulsar2.dialects.onnx.control_flow import used_values
from pulsar2.dialects.quant import ConstantOp


def is_constant_like(op: object) -> bool:
    """Whether an operation of the NPU or the CPU only gives a constant (or nothing at all)."""
    return isinstance(op, ConstantOp | Constant | NoValue)


def sink_constants(block: Block) -> None:
    """Puts every constant right before its first user, in the order of the operands.

    So the order says nothing that a `quant_axmodel` would not say too. Unused constants go.
    """
    constants = [op for op in block.ops if is_constant_like(op)]
    for op in constants:
        op.detach()
    for op in list(block.ops):
        for value in used_values(op):
            owner = value.owner
            if isinstance(owner, Operation) and is_constant_like(owner) and owner.parent is None:
                block.insert_op_before(owner, op)
    for op in constants:
        if op.parent is None:
            op.erase()
