"""From a file or a model in memory to a `ModelProto` of opset 11 or later, functions inlined."""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.schema import IR_OPSET

OLDEST_OPSET = 11
"""Models of an older opset go through ONNX's version converter first."""

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
        from onnx import version_converter

        if version < 9 and any(n.op_type == "Scan" for n in model.graph.node):
            raise UserError.of(
                f"the model uses Scan of opset {version}, which no later opset has", where
            )
        try:
            model = version_converter.convert_version(model, OLDEST_OPSET)
        except Exception as error:  # the converter raises what its C++ side happens to throw
            raise UserError.of(
                f"the model uses opset {version}, and ONNX's version converter cannot raise it to "
                f"{OLDEST_OPSET}: {str(error).strip()}",
                where,
            ) from None
    return model
