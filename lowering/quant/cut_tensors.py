"""`quant-cut-tensors`: a part of a quantized graph, or each of its operations, by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.quant import QCastOp
from pulsar2.dialects.quant.types import shape_of, uniform_of
from pulsar2.locations import name_location, tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.expose_tensors import as_float
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES

GIVEN = "_given"
"""What the name of an argument has behind that of the tensor in whose place it is."""


@dataclass(frozen=True)
class QuantCutTensors(AxPass):
    """Cuts `@main` at tensors, and keeps of it what computes others.

    What read a tensor of `inputs` reads an argument `<tensor>_given` instead, which is f32 and goes
    through the tensor's own quantization; a tensor that is not quantized keeps its type. `@main`
    returns the tensors of `outputs`, as f32 where they were quantized, in that order. Operations
    and arguments that nothing needs any more are gone. A tensor in both lists is given to its
    readers, and computed from what is given to its own operation: with all tensors in both, each
    operation is by itself.

    Needs: `quant` operations, before `quant-partition`. Options: `inputs`, names of tensors to be
    given; `outputs`, names of tensors to be returned, instead of what is returned already.

    ```
    %1 = quant.unary relu %0 : .. -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("relu"("r"))
    %2 = quant.unary exp %1 : .. -> tensor<4x!quant.uniform<u8:f32, 0.2>> loc("exp"("e"))
    // becomes with inputs=r outputs=e, where %r_given is a new argument
    %1 = quant.qcast %r_given : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1>>
    %2 = quant.unary exp %1 : .. -> tensor<4x!quant.uniform<u8:f32, 0.2>> loc("exp"("e"))
    %3 = quant.dcast %2 : .. -> tensor<4xf32> loc("e_exposed"("e_exposed"))
    func.return %3 : tensor<4xf32>
    ```
    """

    name = "quant-cut-tensors"

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                self._cut(op)

    def _cut(self, function: FuncOp) -> None:
        block = function.body.block
        last = block.last_op
        assert isinstance(last, ReturnOp)
        arguments = tensor_names(function, INPUT_NAMES, "input", len(block.args))
        named: dict[str, SSAValue] = dict(zip(arguments, block.args, strict=True))
        for op in block.ops:
            if not is_constant_like(op):
                named |= {tensor_name(r): r for r in op.results if tensor_name(r)}
        self._check(named)
        kept: set[Operation] = {last}
        if self.outputs:
            made = ReturnOp(*(_as_output(named[name], name, kept) for name in self.outputs))
            made.location = last.location
            Rewriter.replace_op(last, made)
            kept.add(made)
            listed = [StringAttr(name) for name in self.outputs]
            function.attributes[OUTPUT_NAMES] = ArrayAttr(listed)
        for name in self.inputs:
            if _give(block, named[name], f"{name}{GIVEN}", kept):
                arguments.append(f"{name}{GIVEN}")
        _remove_unused(function, arguments)
        update_signature(function)

    def _check(self, named: dict[str, SSAValue]) -> None:
        problems = Diagnostics()
        for kind, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            for name in names:
                if name not in named:
                    hint = nearest(name, named) or "a tensor that an operation computes"
                    problems.error(f"the graph has no tensor '{name}'", f"option '{kind}'", hint)
        problems.raise_if_any()


def _as_output(value: SSAValue, name: str, kept: set[Operation]) -> SSAValue:
    """`value` as f32 if it is quantized; what makes it so joins `kept`."""
    if uniform_of(value) is None:
        return value
    shown = as_float(value, name)
    assert isinstance(shown, OpResult)
    kept.add(shown.op)
    return shown


def _give(block: Block, value: SSAValue, name: str, kept: set[Operation]) -> bool:
    """Lets all that read `value`, but `kept`, read a new argument; whether something does."""
    uses = [use for use in value.uses if use.operation not in kept]
    if not uses:
        return False
    quantized = uniform_of(value) is not None
    type_ = TensorType(f32, shape_of(value)) if quantized else value.type
    argument = block.insert_arg(type_, len(block.args))
    argument.location = name_location(name)
    given: SSAValue = argument
    if quantized:
        cast = QCastOp(argument, value.type)
        cast.location = name_location(f"{name}_QuantizeLinear")
        first = block.first_op
        assert first is not None
        Rewriter.insert_op(cast, InsertPoint.before(first))
        given = cast.y
    for use in uses:
        use.operation.operands[use.index] = given
    return True


def _remove_unused(function: FuncOp, arguments: Sequence[str]) -> None:
    """Erases operations and arguments that nothing needs; `arguments` are the names of these."""
    block = function.body.block
    for op in reversed(list(block.ops)):
        if not isinstance(op, ReturnOp) and not any(r.uses for r in op.results):
            op.detach()
            op.erase()
    unused = [a for a in block.args if not a.uses]
    names = [n for n, a in zip(arguments, block.args, strict=True) if a not in unused]
    for argument in reversed(unused):
        block.erase_arg(argument)
    function.attributes[INPUT_NAMES] = ArrayAttr([StringAttr(name) for name in names])
