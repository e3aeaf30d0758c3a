"""From a module of `quant` operations to an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto, helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.onnx_export import (
    PRODUCER,
    ir_version_of,
    main_function,
    needed_opsets,
    tensor_names,
)
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.quant_export.builder import Emit, Form, ModelBuilder, value_info
from pulsar2.quant_export.contraction import CONTRACTIONS
from pulsar2.quant_export.elementwise import ELEMENTWISE
from pulsar2.quant_export.indexing import INDEXING
from pulsar2.quant_export.integer import INTEGERS
from pulsar2.quant_export.movement import MOVEMENTS
from pulsar2.quant_export.normalization import NORMALIZATIONS
from pulsar2.quant_export.reduction import REDUCTIONS
from pulsar2.quant_export.resize import RESIZINGS
from pulsar2.quant_export.sampling import SAMPLINGS

OPSET = 21
"""The first opset with 16-bit quantization."""
_IR_VERSION = 10

_EMIT: Emit = {
    **CONTRACTIONS,
    **ELEMENTWISE,
    **NORMALIZATIONS,
    **REDUCTIONS,
    **MOVEMENTS,
    **RESIZINGS,
    **SAMPLINGS,
    **INTEGERS,
    **INDEXING,
}


@dataclass(frozen=True)
class ExportedQuant:
    """A model, and the name of the tensor that holds the stored elements of each value."""

    model: ModelProto
    names: Mapping[SSAValue, str]


def export_qlinear(module: ModuleOp, ctx: AxContext, *, exact: bool = True) -> ModelProto:
    """The integer model of `@main`, NPU subgraphs included.

    Its inputs and outputs are those of `@main`; a quantized input is the stored integers. Evaluated
    as ONNX defines it (`onnx.reference`), every tensor without an f32 function in its past has the
    bits of the numerics contract: contractions are integer sums (ConvInteger, MatMulInteger) with
    the one scaling and rounding spelled out.

    Without `exact`, contractions are QLinearConv and QLinearMatMul. These are shorter, and may
    differ by one step where the product of sum and scale lies within an f32 rounding of a tie: ONNX
    leaves open in which precision it is computed.
    """
    return export_quant(module, ctx, "integer" if exact else "linear").model


def export_qdq(module: ModuleOp, ctx: AxContext) -> ModelProto:
    """The model of `@main` as float operators between QuantizeLinear and DequantizeLinear.

    Any ONNX runtime executes it; `reference_session` is how ONNX Runtime does so as written.
    """
    return export_quant(module, ctx, "float").model


def export_quant(module: ModuleOp, ctx: AxContext, form: Form) -> ExportedQuant:
    """The model in one of its forms, and its tensors by value."""
    func = main_function(module)
    inputs = tensor_names(func, INPUT_NAMES, "input", len(func.args))
    outputs = tensor_names(func, OUTPUT_NAMES, "output", len(func.function_type.outputs.data))
    builder = ModelBuilder(form, ctx.weights)
    for name, argument in zip(inputs, func.args, strict=True):
        builder.names[argument] = builder.unique(name)
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
    terminator = func.body.block.last_op
    assert isinstance(terminator, ReturnOp)
    for name, value in zip(outputs, terminator.operands, strict=True):
        builder.reserve(name, value)  # for the output; another tensor may have that name
    _export_body(func, functions, builder)
    for name, value in zip(outputs, terminator.operands, strict=True):
        if builder.stored(value) != name:
            builder.release(name)
            builder.node("Identity", [builder.stored(value)], name)
    graph = helper.make_graph(
        builder.nodes,
        "main",
        [value_info(n, a.type) for n, a in zip(inputs, func.args, strict=True)],
        [value_info(n, v.type) for n, v in zip(outputs, terminator.operands, strict=True)],
        list(builder.initializers.values()),
    )
    opsets = needed_opsets(op for f in functions.values() for op in f.body.walk())
    opsets[""] = max(opsets[""], OPSET)
    model = helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=[helper.make_opsetid(d, v) for d, v in sorted(opsets.items())],
        ir_version=max(_IR_VERSION, ir_version_of(opsets[""])),
    )
    return ExportedQuant(model, builder.names)


def _export_body(func: FuncOp, functions: Mapping[str, FuncOp], builder: ModelBuilder) -> None:
    for op in func.body.block.ops:
        if is_constant_like(op) or isinstance(op, ReturnOp):
            continue
        if isinstance(op, OnnxOp):
            builder.keep(op)
            continue
        if isinstance(op, CallOp):
            callee = functions[op.callee.string_value()]
            for argument, value in zip(callee.args, op.arguments, strict=True):
                builder.names[argument] = builder.stored(value)
            _export_body(callee, functions, builder)
            returned = callee.body.block.last_op
            assert returned is not None
            for result, value in zip(op.results, returned.operands, strict=True):
                builder.names[result] = builder.stored(value)
            continue
        emit = _EMIT.get(type(op))
        if emit is None:
            raise UserError.of(
                f"'{op.name}' ({tensor_name(op.results[0]) if op.results else ''}) has no ONNX "
                "form; only quant operations are exported",
                source=op,
            )
        emit(op, builder)
