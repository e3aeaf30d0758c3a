"""`convert-quant-to-sched`: an NPU subgraph becomes a program of layers over buffers."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from pulsar2.context import AxContext, load_dialect
from pulsar2.diagnostics import UserError
from pulsar2.dialects import quant
from pulsar2.dialects.ax import InvokeOp
from pulsar2.dialects.quant.types import shape_of
from pulsar2.dialects.sched.attrs import Space
from pulsar2.dialects.sched.program import ProgramOp
from pulsar2.locations import location_name, place_of, tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.partition import (
    DDR_LIMIT,
    NPU,
    SLICE_MODE,
    TILE_MODE,
    bytes_per_second,
    device_of,
)
from pulsar2.lowering.sched.compute import COMPUTE
from pulsar2.lowering.sched.movement import MOVEMENT, concat_parts
from pulsar2.lowering.sched.orders import memory_orders
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, element_of
from pulsar2.targets import load_target
from pulsar2.weights import WeightStore


@dataclass(frozen=True)
class ConvertQuantToSched(AxPass):
    """Turns each private function that is an NPU subgraph into a `sched.program` for one target.

    Tensors become buffers: images lie channels-last, inputs and outputs row-major, as the runtime
    hands them over, and other tensors as their operands do, or as a later view needs it. Transpose,
    slice and most reshapes become other views of the same buffer, and the operands of a
    concatenation are computed in place. Every computing operation becomes one `sched.layer`; 8-bit
    functions become tables.

    Needs: partitioned `quant` functions without unsupported operations. Leaves: programs whose
    activation buffers lie in `any` space, uncut layers, and `ax.invoke` where these functions were
    called; subgraphs of the CPU stay as they are.

    Options: `target`, `npu-mode`, `ocm-bytes` to give less OCM than the mode has (0: all of it),
    and `ddr-bw-limit`, a DDR bandwidth in GB/s to plan with where it is less than the target's (0:
    none). A subgraph with the attribute `ax.ddr_limit` goes by that, in bytes per second.

    ```
    func.func private @subgraph_npu_0(%x: tensor<1x8x4x4x!quant..>) -> tensor<1x8x4x4x!quant..> {
      %y = quant.conv %x, %w, %b ...
    // becomes
    sched.program @subgraph_npu_0 target "AX650" ... {
      %x = sched.buffer input 128 {name = "x", ..}
      %y = sched.buffer output 128 {name = "y", ..}
      sched.layer "conv"(%x, %w, %y, %m, %b) [..] #sched.params<stride_h = 1, ..>
    ```
    """

    name = "convert-quant-to-sched"

    target: str = "AX650"
    npu_mode: str = "NPU1"
    ocm_bytes: int = 0
    ddr_bw_limit: float = 0.0

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        target = load_target(self.target)
        mode = target.mode(self.npu_mode)
        ocm_bytes = self.ocm_bytes or mode.ocm_bytes
        load_dialect(ctx, "sched")
        load_dialect(ctx, "ax")
        for op in list(module.ops):
            if not isinstance(op, FuncOp) or op.sym_visibility is None or op.is_declaration:
                continue
            if device_of(op) != NPU:
                continue
            block = lower_function(op, ctx.weights, int(target.timing["conv_lanes_out"]))
            own = op.attributes.get(DDR_LIMIT)
            limit = (
                own.value.data
                if isinstance(own, IntegerAttr)
                else bytes_per_second(self.ddr_bw_limit)
            )
            program = ProgramOp(op.sym_name.data, target.name, mode.name, ocm_bytes, block, limit)
            program.location = op.location
            for name in (SLICE_MODE, TILE_MODE):
                if name in op.attributes:
                    program.attributes[name] = op.attributes[name]
            module.body.block.insert_op_before(program, op)
            _invoke(module, op.sym_name.data)
            op.detach()
            op.erase()


def _invoke(module: ModuleOp, name: str) -> None:
    """Turns the calls of a function that has become a program into invocations."""
    for op in list(module.walk()):
        if isinstance(op, CallOp) and op.callee.string_value() == name:
            invoke = InvokeOp(op.callee, op.arguments, op.result_types)
            invoke.location = op.location
            Rewriter.replace_op(op, invoke)


def lower_function(func: FuncOp, weights: WeightStore, lanes_out: int) -> Block:
    """The buffers and layers of one quantized function, for conv units of so many lanes."""
    builder = ProgramBuilder(weights, memory_orders(func), lanes_out)
    for argument in func.args:
        shape = shape_of(argument)
        builder.refs[argument] = builder.allocate(
            location_name(argument.location),
            shape,
            *element_of(argument),
            range(len(shape)),
            Space.INPUT,
        )
    outputs = _place_outputs(func, builder)
    _place_concatenations(func, builder)
    for op in _in_order(func):
        lower = COMPUTE.get(type(op)) or MOVEMENT.get(type(op))
        if lower is None:
            raise UserError.of(f"'{op.name}' has no lowering to layers", place_of(op), source=op)
        builder.source = op
        lower(op, builder)
    _copy_outputs(outputs, builder)
    block = Block()
    block.add_ops([b for b in builder.buffers if b.result.first_use is not None])
    block.add_ops(builder.layers)
    return block


def _in_order(func: FuncOp) -> list[Operation]:
    """The operations such that one result after another is finished, those that need least first.

    What leads to a result only, as a head of a detector, so comes right behind what it reads.
    """
    terminator = func.body.block.last_op
    assert isinstance(terminator, ReturnOp)
    operations = [op for op in func.body.block.ops if op is not terminator]
    needed = [_ancestors(value) for value in terminator.operands]
    ordered: dict[Operation, None] = {}
    for ancestors in sorted(needed, key=len):
        ordered.update((op, None) for op in operations if op in ancestors)
    return [*ordered, *(op for op in operations if op not in ordered)]


def _ancestors(value: SSAValue) -> set[Operation]:
    """The operations that a value depends on."""
    found: set[Operation] = set()
    open_values = [value]
    while open_values:
        owner = open_values.pop().owner
        if isinstance(owner, Operation) and owner not in found:
            found.add(owner)
            open_values += owner.operands
    return found


def _place_outputs(func: FuncOp, builder: ProgramBuilder) -> list[tuple[SSAValue, Ref]]:
    """Gives every result of the function its place in the output segment."""
    outputs: list[tuple[SSAValue, Ref]] = []
    terminator = func.body.block.last_op
    assert isinstance(terminator, ReturnOp)
    for value in terminator.operands:
        shape = shape_of(value)
        ref = builder.allocate(
            tensor_name(value), shape, *element_of(value), range(len(shape)), Space.OUTPUT
        )
        outputs.append((value, ref))
        if not _is_view(value):
            builder.placed.setdefault(value, ref)
    builder.source = terminator
    return outputs


def _is_view(value: SSAValue) -> bool:
    """Whether the value is an argument, a constant, or another view of what is already there."""
    return not isinstance(value.owner, (*tuple(COMPUTE), quant.ConcatOp, quant.PadOp))


def _place_concatenations(func: FuncOp, builder: ProgramBuilder) -> None:
    """Lets the operands of a concatenation be computed where they go, the last one first."""
    for op in reversed(list(func.body.block.ops)):
        if not isinstance(op, quant.ConcatOp):
            continue
        builder.source = op
        target = builder.result(op.y)
        for value, part in zip(op.inputs, concat_parts(op, target), strict=True):
            if not _is_view(value) and value not in builder.placed:
                builder.placed[value] = part


def _copy_outputs(outputs: list[tuple[SSAValue, Ref]], builder: ProgramBuilder) -> None:
    """Copies results that are views, or that are returned more than once."""
    for value, ref in outputs:
        if builder.refs[value] != ref:
            builder.copy(builder.refs[value], ref)
