"""The `onnx` dialect back into ONNX models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx.helper
from onnx import ModelProto
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.hints import isa

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.evaluate import IR_VERSION
from pulsar2.dialects.onnx.node import EXPORT_OPSET, lowest_opset
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.frontend.emit import GraphExporter
from pulsar2.frontend.external import ExternalData
from pulsar2.locations import location_name
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.weights import WeightStore

PRODUCER = "pulsar2"
EXTERNAL_DATA_BYTES = 1 << 30
"""A model whose weights are more than this has them in a file beside it: protobuf ends at 2 GiB."""


@dataclass(frozen=True)
class ExportedModel:
    """A model, and the name that each value of the module has in it."""

    model: ModelProto
    names: Mapping[SSAValue, str]


def export_onnx(module: ModuleOp, ctx: AxContext) -> ModelProto:
    """The ONNX model of the function `@main` of a module of `onnx` operations.

    Nodes and tensors have the names that their locations carry, inputs and outputs those of the
    function's attributes. The opset is the lowest one that means the same. Raises `UserError` where
    an operation is not of the `onnx` dialect, or `ctx.weights` lacks a weight.
    """
    return export_onnx_with_names(module, ctx).model


def export_onnx_with_names(module: ModuleOp, ctx: AxContext) -> ExportedModel:
    """As `export_onnx`, with the name of each value: to find a tensor of the IR in the model."""
    return export_function(main_function(module), ctx.weights)


def export_function(
    function: FuncOp, weights: WeightStore, external: ExternalData | None = None
) -> ExportedModel:
    """The model of one function of `onnx` operations; see `export_onnx`.

    Its weights are in the file of `external`, where that is given.
    """
    inputs = tensor_names(function, INPUT_NAMES, "input", len(function.body.block.args))
    outputs = tensor_names(
        function, OUTPUT_NAMES, "output", len(function.function_type.outputs.data)
    )
    opsets = needed_opsets(function.body.walk())
    exporter = GraphExporter(weights, external=external)
    graph = exporter.export(
        function.body.block, inputs, outputs, location_name(function.location) or "main"
    )
    model = onnx.helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=[onnx.helper.make_opsetid(d, v) for d, v in sorted(opsets.items())],
        ir_version=ir_version_of(opsets[""]),
    )
    return ExportedModel(model, exporter.names)


def needed_opsets(ops: Iterable[Operation]) -> dict[str, int]:
    """The version of each domain that a model of these operations imports: the lowest that do."""
    opsets = {"": EXPORT_OPSET}
    for op in ops:
        if isinstance(op, Custom):
            known = opsets.setdefault(op.domain, op.version)
            if known != op.version:
                raise UserError.of(
                    f"the domain '{op.domain}' is used in versions {known} and {op.version}"
                )
        elif isinstance(op, OnnxOp) and op.op_type and not isinstance(op, Constant):
            opsets[""] = max(opsets[""], lowest_opset(op))
    return opsets


def save_onnx(module: ModuleOp, ctx: AxContext, path: str | os.PathLike[str]) -> None:
    """Writes the model to a file, large weights into `<file>.data` beside it, one by one."""
    function, target = main_function(module), Path(path)
    constants = (op for op in function.body.walk() if isinstance(op, Constant))
    if sum(op.array(ctx.weights).nbytes for op in constants) <= EXTERNAL_DATA_BYTES:
        target.write_bytes(export_function(function, ctx.weights).model.SerializeToString())
        return
    data = target.with_name(target.name + ".data")
    with data.open("wb") as file:
        external = ExternalData(file, data.name)
        exported = export_function(function, ctx.weights, external)
    target.write_bytes(exported.model.SerializeToString())


def main_function(module: ModuleOp) -> FuncOp:
    """The function `@main`; `UserError` when the module has none."""
    for op in module.ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "main":
            return op
    raise UserError.of("the module has no function @main")


def tensor_names(function: FuncOp, attribute: str, kind: str, count: int) -> list[str]:
    """The names in `ax.input_names` or `ax.output_names`; made up where the attribute is absent."""
    names = function.attributes.get(attribute)
    if names is None:
        return [kind if count == 1 else f"{kind}_{i}" for i in range(count)]
    listed = names if isa(names, ArrayAttr[Attribute]) else ()
    found = [n.data for n in listed if isinstance(n, StringAttr)]
    if len(found) != count:
        raise UserError.of(f"@main has {count} {kind}s but {len(found)} names in {attribute}")
    return found


def ir_version_of(opset: int) -> int:
    """The file format version that came with an opset, and no older than what is written."""
    if opset <= EXPORT_OPSET:
        return IR_VERSION
    return max(
        IR_VERSION, onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
    )
