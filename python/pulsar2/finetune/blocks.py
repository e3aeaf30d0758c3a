"""The blocks in which a model is fine-tuned: runs of its operators, in program order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.control_flow import used_values, user_in
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import is_constant_op


@dataclass(frozen=True)
class Block:
    """Operators that stand one after the other, each with what is fused into it.

    `inputs` are the computed tensors that come from before, `outputs` those that are used behind.
    With `known` False no operator of the block has a torch form.
    """

    ops: tuple[OnnxOp, ...]
    inputs: tuple[SSAValue, ...]
    outputs: tuple[SSAValue, ...]
    known: bool


def make_blocks(plan: QuantPlan, size: int, is_known: Callable[[OnnxOp], bool]) -> list[Block]:
    """Cuts the planned function into blocks of at most `size` operators.

    An operator counts once with the bias and the activation that are fused into it. Operators that
    are not `is_known` stand in blocks of their own, of any number.
    """
    parts: list[tuple[bool, list[OnnxOp]]] = []
    for op in plan.ops():
        if plan.is_absorbed(op):
            continue
        known = is_known(op)
        if not parts or parts[-1][0] != known or (known and len(parts[-1][1]) == size):
            parts.append((known, []))
        parts[-1][1].append(op)
    return [_block(plan, ops, known) for known, ops in parts]


def members(plan: QuantPlan, op: OnnxOp) -> tuple[OnnxOp, ...]:
    """An operator, and those that are fused into it."""
    if is_on_cpu(op):
        return (op,)
    fusion = plan.fusion(op)
    return (op, *(f for f in (fusion.bias, fusion.activation) if f is not None))


def _block(plan: QuantPlan, ops: Sequence[OnnxOp], known: bool) -> Block:
    whole = [m for op in ops for m in members(plan, op)]
    inside = {r for op in whole for r in op.results}
    inputs = dict.fromkeys(
        v
        for op in whole
        for v in used_values(op)
        if v not in inside and not is_constant_op(v.owner)
    )
    block, own = plan.func.body.block, set[Operation](whole)

    def leaves(value: SSAValue) -> bool:
        users = (user_in(block, use.operation) for use in value.uses)
        return any(isinstance(user, ReturnOp) or user not in own for user in users)

    outputs = [r for op in whole for r in op.results if leaves(r)]
    return Block(tuple(ops), tuple(inputs), tuple(outputs), known)
