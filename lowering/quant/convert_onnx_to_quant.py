"""`convert-onnx-to-quant`: a calibrated float graph becomes a graph of quantized numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    ModuleOp,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, SSAValue
from xdsl.utils.exceptions import PassFailedException
from xdsl.utils.hints import isa

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of
from pulsar2.dialects.quant.types import shape_of
from pulsar2.locations import tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.constants import sink_constants
from pulsar2.lowering.quant.conversion import Conversion
from pulsar2.lowering.quant.fixed_scale import refuse_negative_scales
from pulsar2.lowering.quant.parameters import WeightOptions
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.ranges import RANGE
from pulsar2.lowering.quant.rules.base import is_constant_op, is_float
from pulsar2.lowering.quant.stored import dequantized_type, fixed_type


@dataclass(frozen=True)
class ConvertOnnxToQuant(AxPass):
    """Turns the `onnx` operations of each function into `quant` operations.

    Activations become affine integers per tensor, over the observed range widened to hold 0;
    weights S8, symmetric per output channel; biases S32 of scale f32(s_x * s_w[c]), or FP32. A Relu
    or Clip that alone uses a Conv, Gemm, MatMul, Add, Sub, Mul or Div becomes that operator's
    clamp. Tensors whose data only moves (Reshape, Transpose, Concat, MaxPool, Pad, Slice, ..) share
    one quantization. Float inputs are quantized by `quant.qcast`; an integer input behind a
    DequantizeLinear is used as it is; outputs stay FP32 through `quant.dcast`. Integers and truth
    values keep their type, but 64-bit integers are held in 32 bits: what comes from outside the NPU
    saturates to them, and what leaves it is widened, by `quant.cast`. Integers that a quantization
    of the model's own gives, and others than its dequantization read, are made on the CPU. An
    operation that is marked
    with `quant.cpu` stays what it is, on f32 tensors and those of its other types; what it computes
    is quantized where an operation of the NPU uses it.

    Needs: `onnx` operations of static shapes, and an observed range (`quant.ranges` on an
    operation, `quant.range` of an argument) wherever a tensor is computed; where all that reads it
    selects some of its numbers (a sixteenth of them or more), as MaxPool and Slice do, the range is
    that of what is selected, and the rest saturates. Leaves: no `onnx` operation but those that are
    marked, and their constants. Other operators without a quantized form are all reported, with
    their nodes, in one error.

    A tensor has the most precise data type that an operator reading it has, or, as an output of the
    graph, that of the operator that computes it; what reads a wider one than it has itself reads it
    as it is, but a sum of products requantizes it first.

    The weights of a sum of products that holds `quant.weight_scales`, f32 numbers per output
    channel, are quantized with these scales as they are: `rne(weight / scale)`, saturated. So
    weights that were searched or learned become exactly the integers meant. Neither
    `weight-threshold` nor `refine-scales` changes them. Numbers of `quant.bias_shifts` are added to
    the bias.

    Options: `activation`, the data type where an operation has no attribute `quant.data_type`;
    `bias`, S32 or FP32; `weight-threshold`, the least magnitude that a weight channel is quantized
    for (0 or less: whatever it has); `refine-scales`, whether the scale of a weight channel grows
    where an S32 bias would overflow; `ln-scale`, in which type the scale of a LayerNormalization or
    RMSNormalization is kept, S32 and U32 being whole numbers of a power of two; `fuse`, whether an
    operator carries out a Relu, Clip or bias behind it.

    ```
    %y = onnx.Conv(%x, %w, %b) {quant.ranges = [array<f32: 0.0, 0.0>]} : ..
    %z = onnx.Relu(%y) {quant.ranges = [array<f32: 0.0, 4.0>]} : ..
    // becomes
    %w = quant.constant .. : tensor<8x3x3x3x!quant.uniform<i8:f32:0, {..}>>
    %b = quant.constant .. : tensor<8x!quant.uniform<i32:f32:0, {..}>>
    %z = quant.conv %x, %w, %b .. : .. -> tensor<1x8x4x4x!quant.uniform<u8:f32, 0.015686275>>
    ```
    """

    name = "convert-onnx-to-quant"

    activation: Literal["U8", "S8", "U16", "S16"] = "U8"
    bias: Literal["S32", "FP32"] = "S32"
    weight_threshold: float = 1e-6
    refine_scales: bool = True
    ln_scale: Literal["FP32", "S32", "U32"] = "FP32"
    fuse: bool = True

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in list(module.ops):
            if isinstance(op, FuncOp) and not op.is_declaration:
                self._convert(ctx, op)

    def _convert(self, ctx: AxContext, func: FuncOp) -> None:
        if self.ln_scale == "U32":
            refuse_negative_scales(func, ctx.weights)
        plan = QuantPlan(func, ctx.weights, self.activation, fuses=self.fuse)
        old = func.body.block
        terminator = old.last_op
        assert isinstance(terminator, ReturnOp)
        names = _output_names(func, terminator.operands)
        block = Block(arg_types=[_argument_type(a, plan) for a in old.args])
        renamed = {
            v: f"{tensor_name(v)}_{'int32' if element_of(v.type) == i64 else 'quantized'}"
            for v in terminator.operands
            if element_of(v.type) == i64 or not plan.is_plain(v)
        }
        to = Conversion(
            plan,
            block,
            bias_type=self.bias,
            weight_options=WeightOptions(
                self.weight_threshold, self.refine_scales and self.bias == "S32"
            ),
            scale_type=self.ln_scale,
            renamed=renamed,
        )
        for before, after in zip(old.args, block.args, strict=True):
            after.location, after.name_hint = before.location, before.name_hint
            to.bind(before, after)
        for op in old.ops:
            if isinstance(op, OnnxOp):
                if is_constant_op(op) or plan.is_absorbed(op):
                    continue
                if is_on_cpu(op):
                    to.keep(op)
                else:
                    to.op = op
                    plan.rule(op).convert(op, to)
            elif op is not terminator:
                raise PassFailedException(f"'{op.name}' is not an operation of the onnx dialect")
        results = to.outputs(terminator.operands, names)
        returned = ReturnOp(*results)
        returned.location = terminator.location
        block.add_op(returned)
        sink_constants(block)
        _replace_body(func, block)


def _output_names(func: FuncOp, values: Sequence[SSAValue]) -> list[str]:
    """The names of the graph's outputs: the function's attribute, else those of the tensors."""
    given = func.attributes.get("ax.output_names")
    if isa(given, ArrayAttr[StringAttr]) and len(given) == len(values):
        return [n.data for n in given]
    return [tensor_name(v) or f"output_{i}" for i, v in enumerate(values)]


def _argument_type(argument: BlockArgument, plan: QuantPlan) -> Attribute:
    """The type of an argument: an integer one that is dequantized has that quantization."""
    if is_float(argument):
        return argument.type
    fixed = dequantized_type(argument, plan.weights)
    on_npu = (u.operation for u in argument.uses if not is_on_cpu(u.operation))
    if fixed is None or all(fixed_type(user, plan.weights) != fixed for user in on_npu):
        return argument.type
    return TensorType(fixed, shape_of(argument))


def _replace_body(func: FuncOp, block: Block) -> None:
    """Puts `block` in place of the function's body, with the types that follow from it."""
    old = func.body.block
    for op in reversed(list(old.ops)):
        op.detach()
        op.erase(safe_erase=False)
    func.body.detach_block(old)
    func.body.add_block(block)
    terminator = block.last_op
    assert terminator is not None
    func.function_type = FunctionType.from_lists(block.arg_types, terminator.operand_types)
    if func.arg_attrs is not None:
        kept = [{k: v for k, v in a.data.items() if k != RANGE} for a in func.arg_attrs.data]
        func.arg_attrs = ArrayAttr([DictionaryAttr(a) for a in kept]) if any(kept) else None
