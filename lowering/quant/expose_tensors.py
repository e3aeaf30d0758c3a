"""`quant-expose-tensors`: every tensor becomes an output, so that it can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.dialects.quant import DCastOp
from pulsar2.dialects.quant.types import shape_of, uniform_of
from pulsar2.locations import name_location, tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import OUTPUT_NAMES


@dataclass(frozen=True)
class QuantExposeTensors(AxPass):
    """Returns every tensor that `@main` computes, as f32, behind what it returns already.

    The new outputs have the names of their tensors; those without a name, and those of a name that
    is taken, are left out, and so is what is no tensor. What computes them stays as it is, so a
    program that is compiled from the outcome shows what the original computes on the way.

    Needs: `quant` operations, before `quant-partition`.

    ```
    %1 = quant.add %0, %0 : .. -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("add"("sum"))
    %2 = quant.dcast %1 : .. -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
    func.return %2 : tensor<4xf32>
    ```
    becomes
    ```
    %1 = quant.add %0, %0 : .. -> tensor<4x!quant.uniform<u8:f32, 0.1>> loc("add"("sum"))
    %2 = quant.dcast %1 : .. -> tensor<4xf32> loc("y_DequantizeLinear"("y"))
    %3 = quant.dcast %1 : .. -> tensor<4xf32> loc("sum_exposed"("sum_exposed"))
    func.return %2, %3 : tensor<4xf32>, tensor<4xf32>   // ax.output_names = ["y", "sum"]
    ```
    """

    name = "quant-expose-tensors"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                _expose(op)


def _expose(function: FuncOp) -> None:
    block = function.body.block
    last = block.last_op
    assert isinstance(last, ReturnOp)
    names = tensor_names(function, OUTPUT_NAMES, "output", len(last.operands))
    returned = list(last.operands)
    taken = {*names, *(tensor_name(argument) for argument in function.args)}
    for op in list(block.ops):
        if is_constant_like(op):
            continue
        for result in op.results:
            name = tensor_name(result)
            if not isinstance(result.type, TensorType):
                continue  # a sequence, or of a rank that is not known
            if name and name not in taken and result not in returned:
                taken.add(name)
                names.append(name)
                returned.append(as_float(result, name))
    extended = ReturnOp(*returned)
    extended.location = last.location
    Rewriter.replace_op(last, extended)
    function.attributes[OUTPUT_NAMES] = ArrayAttr([StringAttr(name) for name in names])
    update_signature(function)


def as_float(value: SSAValue, name: str) -> SSAValue:
    """A tensor in f32: itself, or where it is quantized a cast `<name>_exposed` right behind it."""
    if uniform_of(value) is None:
        return value
    label = f"{name}_exposed"
    cast = DCastOp(value, TensorType(f32, shape_of(value)))
    cast.location = name_location(label, [label])
    if isinstance(value, OpResult):
        Rewriter.insert_op(cast, InsertPoint.after(value.op))
    else:
        assert isinstance(value, BlockArgument)
        Rewriter.insert_op(cast, InsertPoint.at_start(value.block))
    return cast.y
