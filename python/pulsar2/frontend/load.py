"""From a file or a model in memory to a `ModelProto` of opset 11 or later, functions inlined."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, helper, numpy_helper

from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.dialects.onnx.schema import IR_OPSET
from pulsar2.frontend.check import node_label
from pulsar2.frontend.old_scan import hold_scans, release_scans

OLDEST_OPSET = 11
"""Models of an older opset go through ONNX's version converter first."""

_OPSET_OF_OLD_SCAN = 8
_DEFAULT_DOMAINS = ("", "ai.onnx")


def load_model(source: str | os.PathLike[str] | ModelProto) -> tuple[ModelProto, Path | None]:
    """The model, its external data not yet read, and the folder which that lies in.

    Raises `UserError` when the file is missing, unreadable, or not an ONNX model.
    """
    if isinstance(source, ModelProto):
        return source, None
    path = Path(source)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError.of("there is no such model file", str(path)) from None
    except OSError as error:
        raise UserError.of(f"cannot read the model: {error.strerror}", str(path)) from None
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise UserError.of("is not an ONNX model, or it is cut short", str(path)) from None
    if not model.HasField("graph") or not model.opset_import:
        raise UserError.of("is not an ONNX model: it has no graph or no opset", str(path))
    return model, path.parent


def opset_of(model: ModelProto, where: str) -> int:
    """The version of ONNX's default domain that a model uses; `UserError` for one that is too new.

    A model without operators of the default domain has `IR_OPSET`.
    """
    versions = [o.version for o in model.opset_import if o.domain in _DEFAULT_DOMAINS]
    version = max(versions, default=IR_OPSET)
    if version > IR_OPSET:
        raise UserError.of(
            f"the model uses opset {version}", where, f"opsets up to {IR_OPSET} are supported"
        )
    return version


def normalize_model(model: ModelProto, where: str) -> ModelProto:
    """The model with its local functions inlined and raised to `OLDEST_OPSET` where it is older.

    Raises `UserError` when ONNX's version converter cannot convert an old model.
    """
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    version = opset_of(model, where)
    if version < OLDEST_OPSET:
        _check_nodes(model, where)
        try:
            if version == _OPSET_OF_OLD_SCAN:
                model = hold_scans(model, _raised)
            model = _raised(model)
        except UserError:
            raise
        except Exception as error:  # the converter raises what its C++ side happens to throw
            raise UserError.of(
                f"the model uses opset {version}, and ONNX's version converter cannot raise it to "
                f"{OLDEST_OPSET}: {str(error).strip()}",
                where,
            ) from None
    return model


def _check_nodes(model: ModelProto, where: str) -> None:
    """Raises `UserError` with the nodes that are not as their operators are defined.

    The converter takes for granted that they are, and ends the process where they are not.
    """
    from onnx import checker

    context = checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {o.domain: o.version for o in model.opset_import}
    problems = Diagnostics()

    def check(graph: GraphProto) -> None:
        for index, node in enumerate(graph.node):
            bodies = [a.g for a in node.attribute if a.HasField("g")]
            for body in bodies:
                check(body)
            if bodies:
                continue  # the checker would look for tensors of the graphs around it
            try:
                checker.check_node(node, context)
            except checker.ValidationError as error:
                reason = str(error).strip().splitlines()[0]
                label = node_label(node, index)
                problems.error(reason, f"{where}: " * bool(where) + f"node '{label}'")

    check(model.graph)
    problems.raise_if_any()


_IR_WITH_OWN_INITIALIZERS = 4
"""The file format from which on initializers need not be inputs too."""


def _raised(model: ModelProto) -> ModelProto:
    """A model of an opset before `OLDEST_OPSET` in that opset; what the converter throws."""
    from onnx import version_converter

    if model.ir_version < _IR_WITH_OWN_INITIALIZERS:
        # Written also where initializers are no inputs, which the converter then misses.
        copy = ModelProto()
        copy.CopyFrom(model)
        copy.ir_version = _IR_WITH_OWN_INITIALIZERS
        model = copy
    made = version_converter.convert_version(model, OLDEST_OPSET)
    release_scans(made)
    _keep_places(made.graph)
    return made


def _keep_places(graph: GraphProto) -> None:
    """Gives Resize, which was Upsample or Resize of opset 10, the places that those took.

    The converter leaves it with the defaults of opset 11, which are others.
    """
    constants = {t.name: t for t in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _keep_places(inner)
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = attribute.t
        if node.op_type == "Resize":
            scales = constants.get(node.input[2]) if len(node.input) > 2 else None
            shrinks = scales is not None and bool((numpy_helper.to_array(scales) < 1).any())
            node.attribute.extend(
                (
                    helper.make_attribute("coordinate_transformation_mode", "asymmetric"),
                    helper.make_attribute("nearest_mode", "ceil" if shrinks else "floor"),
                )
            )
