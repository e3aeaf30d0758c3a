"""`onnx_opt.enable_onnxsim`: a model simplified by the onnxslim package."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import onnx
from loguru import logger

from pulsar2.diagnostics import UserError
from pulsar2.frontend.load import load_model


def simplified(path: str) -> onnx.ModelProto:
    """The model of a file, simplified, with its weights in memory.

    Raises `UserError` when onnxslim is not installed, or cannot read or simplify the model.
    """
    try:
        onnxslim: Any = import_module("onnxslim")
    except ImportError:
        raise UserError.of(
            "onnxslim is not installed",
            "onnx_opt.enable_onnxsim",
            "pip install 'pulsar2[onnxsim]', or leave the option out",
        ) from None
    model, folder = load_model(path)
    count = len(model.graph.node)
    try:
        onnx.load_external_data_for_model(model, str(folder))
        made: onnx.ModelProto = onnxslim.slim(model)
    except Exception as error:
        raise UserError.of(
            f"onnxslim cannot simplify the model: {str(error).strip()}", path
        ) from None
    logger.info("onnxslim: {} nodes to {}", count, len(made.graph.node))
    return made
