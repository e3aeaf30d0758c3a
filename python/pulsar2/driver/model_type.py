"""Whether a model is of the type that the configuration says."""

from __future__ import annotations

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.config.build import BuildConfig
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.lowering.quant.expand_qlinear import QUANTIZED_OPERATORS
from pulsar2.lowering.quant.layers import operators_of
from pulsar2.onnx_export import main_function
from pulsar2.quant_axmodel.schema import DOMAIN

_OF_FLOAT_MODELS = (
    *("quant", "input_processors", "output_processors"),
    *("onnx_opt", "op_processors", "const_processors"),
)
"""What a configuration says of a model before it is quantized."""


def check_model_type(module: ModuleOp, config: BuildConfig) -> None:
    """Refuses an imported model that is a quant_axmodel, and warns of one of integer operators."""
    ops = operators_of(main_function(module))
    custom = [op for op in ops if isinstance(op, Custom)]
    if any(op.domain == DOMAIN for op in custom):
        raise UserError.of(
            "the model is the quant_axmodel.onnx of an earlier build",
            config.input,
            "model_type QuantAxModel",
        )
    found = {op.function if isinstance(op, Custom) else op.op_type for op in ops}
    integer = sorted(QUANTIZED_OPERATORS & found)
    if integer and config.model_type == "ONNX":
        logger.warning(
            "the model is quantized already ({}): model_type QuantONNX keeps its scales, and runs "
            "it on the NPU",
            ", ".join(integer),
        )


def tell_without_effect(config: BuildConfig) -> None:
    """Warns of what a configuration says of a QuantAxModel to no effect."""
    plain = BuildConfig.model_construct()
    for key in _OF_FLOAT_MODELS:
        if getattr(config, key) != getattr(plain, key):
            words = "{} has no effect on a QuantAxModel, which is quantized already"
            logger.warning(words, key)
