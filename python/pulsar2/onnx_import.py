"""ONNX models into the `onnx` dialect."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from loguru import logger
from onnx import ModelProto
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region
from xdsl.utils.exceptions import VerifyException

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.frontend.check import check_operators
from pulsar2.frontend.graph import GraphImporter
from pulsar2.frontend.inputs import changed_dimensions, graph_inputs, input_types
from pulsar2.frontend.load import load_model, normalize_model, opset_of
from pulsar2.frontend.patch import ModelPatch
from pulsar2.locations import name_location, node_name

INPUT_NAMES = "ax.input_names"
OUTPUT_NAMES = "ax.output_names"
"""Attributes of `@main`: the names of the graph's inputs and outputs, in order."""


def import_onnx(
    model: str | os.PathLike[str] | ModelProto,
    ctx: AxContext,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    allow_dynamic: bool = False,
    patch: ModelPatch | None = None,
) -> ModuleOp:
    """The module of an ONNX model, its weights put into `ctx.weights`.

    `input_shapes` fixes the shapes of inputs by name; every input needs a fixed shape in the end
    unless `allow_dynamic`. `patch` changes attributes and constants first. The module has one
    function, `@main`, whose operations are of `IR_OPSET` and carry the names of their nodes and
    tensors as locations; every type is inferred.

    Raises `UserError` with everything that is wrong with the file, the graph or the shapes.
    """
    shapes = {n: tuple(int(d) for d in s) for n, s in (input_shapes or {}).items()}
    where = "" if isinstance(model, ModelProto) else str(model)
    proto, folder = load_model(model)
    if patch:
        if proto is model:
            proto = ModelProto.FromString(proto.SerializeToString())
        patch.apply(proto, folder)
    proto = normalize_model(proto, where)
    graph = proto.graph
    diagnostics = Diagnostics()
    opsets = {o.domain: o.version for o in proto.opset_import if o.domain != "ai.onnx"}
    opsets[""] = opset_of(proto, where)
    check_operators(graph, opsets, diagnostics)
    inputs = graph_inputs(graph)
    types = input_types(inputs, shapes, allow_dynamic, diagnostics)
    diagnostics.raise_if_any()
    changes = changed_dimensions(inputs, shapes)
    if changes:
        logger.warning("change input shape to {}", shapes)

    argument_types = [t for t in types if t is not None]
    block = Block(arg_types=argument_types)
    importer = GraphImporter(ctx.weights, opsets, folder, diagnostics)
    outputs = importer.fill(graph, block, {})
    _raise_if_any(diagnostics, changes)
    if importer.doubtful:
        logger.warning("{} can only fail when it runs", importer.doubtful[0])
    values = [v for v in outputs if v is not None]
    returns = ReturnOp(*values)
    block.add_op(returns)
    function = FuncOp("main", (argument_types, [v.type for v in values]), Region(block))
    function.location = returns.location = name_location(graph.name or "main")
    function.attributes[INPUT_NAMES] = ArrayAttr([StringAttr(v.name) for v in inputs])
    function.attributes[OUTPUT_NAMES] = ArrayAttr([StringAttr(v.name) for v in graph.output])
    module = ModuleOp([function])
    _verify(function, diagnostics)
    _raise_if_any(diagnostics, changes)
    return module


def _raise_if_any(diagnostics: Diagnostics, changes: Sequence[str]) -> None:
    """Raises what was found, with a word on the dimensions that the user changed."""
    if changes and diagnostics.errors:
        diagnostics.error(
            f"input_shapes changes {', '.join(changes)}, which the model may not allow"
        )
    diagnostics.raise_if_any()


def _verify(function: FuncOp, diagnostics: Diagnostics) -> None:
    """Reports what the dialect's verifiers find as mistakes of the model, by node."""
    for op in function.walk():
        if isinstance(op, OnnxOp):
            try:
                op.verify_()
            except VerifyException as error:
                diagnostics.error(str(error), f"node '{node_name(op)}' ({op.op_type})")
