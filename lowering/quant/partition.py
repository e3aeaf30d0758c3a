"""`quant-partition`: what the NPU runs moves into functions of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from pulsar2.context import AxContext
from pulsar2.dialects.quant import ConstantOp
from pulsar2.locations import name_location, tensor_name
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class QuantPartition(AxPass):
    """Outlines the `quant` operations of `@main` into private functions, one per NPU subgraph.

    Operations of another dialect stay in `@main`. Each operation gets the least level that is at
    least that of every operation it depends on, and one more than that of one of the other kind;
    the `quant` operations of one level are one subgraph, so no subgraph depends on itself through
    another operation. A constant goes to every subgraph that uses it.

    Needs: a function `@main` of one block. Leaves: calls of `@subgraph_npu_0`, `@subgraph_npu_1`
    and so on in `@main`; these functions carry the names of their inputs and outputs.

    ```
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = quant.qcast %x : ..
      ...
    // becomes
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = func.call @subgraph_npu_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      func.return %0 : tensor<4xf32>
    }
    func.func private @subgraph_npu_0(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = quant.qcast %x : ..
      ...
    ```
    """

    name = "quant-partition"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in list(module.ops):
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                partition(module, op)


def partition(module: ModuleOp, main: FuncOp) -> None:
    """Outlines the NPU subgraphs of `main` behind it in `module`."""
    block = main.body.block
    terminator = block.last_op
    assert isinstance(terminator, ReturnOp)
    levels = _levels(block)
    last: Operation = main
    after: list[Operation] = []
    for index, level in enumerate(sorted({v for op, v in levels.items() if _is_npu(op)})):
        ops = [op for op in block.ops if levels.get(op) == level and _is_npu(op)]
        func, call = _outline(f"subgraph_npu_{index}", ops)
        block.insert_op_before(call, terminator)
        levels[call] = level
        module.body.block.insert_op_after(func, last)
        last = func
    for op in list(block.ops):
        if isinstance(op, ConstantOp) and op.result.first_use is None:
            op.detach()
            op.erase()
        elif op in levels and not isinstance(op, ConstantOp):
            after.append(op)
    # Calls stand at the end so far, and what needs their results before them.
    for op in sorted(after, key=lambda o: levels[o]):
        op.detach()
        block.insert_op_before(op, terminator)


def _is_npu(op: Operation) -> bool:
    return op.name.startswith("quant.") and not isinstance(op, ConstantOp)


def _levels(block: Block) -> dict[Operation, int]:
    """The level of each operation but constants and the terminator; see the pass."""
    levels: dict[Operation, int] = {}
    for op in block.ops:
        if isinstance(op, ConstantOp | ReturnOp):
            continue
        level = 0
        for value in op.operands:
            producer = value.owner
            if isinstance(producer, Operation) and producer in levels:
                level = max(level, levels[producer] + (_is_npu(producer) != _is_npu(op)))
        levels[op] = level
    return levels


def _outline(name: str, ops: Sequence[Operation]) -> tuple[FuncOp, CallOp]:
    """The function of `ops`, and the call that takes their place (not yet in the block)."""
    inside = set(ops)
    inputs: list[SSAValue] = []
    constants: list[ConstantOp] = []
    for op in ops:
        for value in op.operands:
            if isinstance(value.owner, ConstantOp):
                if value.owner not in constants:
                    constants.append(value.owner)
            elif value.owner not in inside and value not in inputs:
                inputs.append(value)
    outputs = [
        result
        for op in ops
        for result in op.results
        if any(use.operation not in inside for use in result.uses)
    ]
    call = CallOp(name, inputs, [v.type for v in outputs])
    names = [tensor_name(v) for v in inputs], [tensor_name(v) for v in outputs]
    call.location = name_location(name, names[1])
    block = Block(arg_types=[v.type for v in inputs])
    for value, argument in zip(inputs, block.args, strict=True):
        argument.location = name_location(tensor_name(value))
        argument.name_hint = value.name_hint
        value.replace_uses_with_if(argument, lambda use: use.operation in inside)
    for constant in constants:
        copy = constant.clone()
        block.add_op(copy)
        constant.result.replace_uses_with_if(copy.result, lambda use: use.operation in inside)
    for value, result in zip(outputs, call.results, strict=True):
        result.name_hint = value.name_hint
        value.replace_uses_with_if(result, lambda use: use.operation not in inside)
    for op in ops:
        op.detach()
        block.add_op(op)
    returned = ReturnOp(*outputs)
    returned.location = name_location(name)
    block.add_op(returned)
    func = FuncOp(
        name,
        ([v.type for v in inputs], [v.type for v in outputs]),
        Region(block),
        "private",
    )
    func.location = name_location(name)
    func.attributes["ax.input_names"] = ArrayAttr([StringAttr(n) for n in names[0]])
    func.attributes["ax.output_names"] = ArrayAttr([StringAttr(n) for n in names[1]])
    return func, call
