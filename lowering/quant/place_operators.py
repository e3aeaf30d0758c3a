"""`quant-place-operators`: which operations the NPU does not run, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation

from pulsar2.context import AxContext
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.control_flow import used_values, user_in
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.placement import CPU, is_on_cpu, mark_cpu
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import is_constant_op, kind_of
from pulsar2.lowering.quant.rules.movement import MovementRule
from pulsar2.lowering.quant.support import Refusal, refusal
from pulsar2.targets import load_target

_ALONG = Refusal("neighbour", "it only moves data of operators that run on the CPU")


@dataclass(frozen=True)
class QuantPlaceOperators(AxPass):
    """Marks the `onnx` operations that go to the CPU with `quant.cpu`, and the reason.

    The NPU runs what the quantizer has a rule for, within the chip's list and its limits of
    attributes and types. Everything else goes to the CPU: other operators, tensors without a fixed
    shape, If, Loop and Scan as a whole, products whose weights are to stay FP32
    (`quant.weight_data_type`, which `quant-assign-precision` writes). So do operations that only
    move data, where all that they are connected with, and that is not on the CPU, only moves data
    too: to quantize it would cost time and precision for nothing.

    Needs: `onnx` operations of inferred types. Leaves: marks, which `convert-onnx-to-quant` heeds;
    old ones of this pass are made anew, and a mark of kind `chosen` stays.

    Options: `target`, the chip; without it no chip's list or limit counts.

    ```
    %y = onnx.Det(%x) : (tensor<1x4x4xf32>) -> tensor<1xf32>
    // becomes
    %y = onnx.Det(%x) {quant.cpu = {kind = "operator", message = "the operator is not supported on
         the NPU"}} : (tensor<1x4x4xf32>) -> tensor<1xf32>
    ```
    """

    name = "quant-place-operators"

    target: str = ""

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        target = load_target(self.target) if self.target else None
        for func in module.ops:
            if not isinstance(func, FuncOp) or func.is_declaration:
                continue
            block = func.body.block
            for op in _operators(block):
                if not is_on_cpu(op, chosen=True):
                    op.attributes.pop(CPU, None)
                    reason = refusal(op, target, ctx.weights)
                    if reason is not None:
                        mark_cpu(op, reason)
            for island in _islands(block):
                if _only_moves(island) and _touches_cpu(block, island):
                    for op in island:
                        mark_cpu(op, _ALONG)


def _operators(block: Block) -> Iterable[OnnxOp]:
    for op in block.ops:
        if isinstance(op, OnnxOp) and not is_constant_op(op):
            yield op


def _islands(block: Block) -> list[list[OnnxOp]]:
    """The operations of the NPU in groups that are connected with each other."""
    leader: dict[Operation, Operation] = {}

    def find(op: Operation) -> Operation:
        while leader[op] is not op:
            leader[op] = leader[leader[op]]
            op = leader[op]
        return op

    for op in _operators(block):
        if is_on_cpu(op):
            continue
        leader[op] = op
        for value in op.operands:
            owner = value.owner
            if isinstance(owner, Operation) and owner in leader:
                leader[find(op)] = find(owner)
    groups: dict[Operation, list[OnnxOp]] = {}
    for op in _operators(block):
        if op in leader:
            groups.setdefault(find(op), []).append(op)
    return list(groups.values())


def _only_moves(ops: Iterable[OnnxOp]) -> bool:
    return all(isinstance(RULES[kind_of(op)], MovementRule) for op in ops)


def _touches_cpu(block: Block, ops: Iterable[OnnxOp]) -> bool:
    for op in ops:
        sources = [v.owner for v in used_values(op)]
        users = [user_in(block, use.operation) for r in op.results for use in r.uses]
        if any(isinstance(o, Operation) and is_on_cpu(o) for o in (*sources, *users)):
            return True
    return False
