"""What the configuration says of operators' precision, held against the optimized model."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.config.build import BuildConfig
from pulsar2.config.load import Where
from pulsar2.config.quant import LayerConfig, QuantConfig
from pulsar2.config.tree import path_text
from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.driver.inputs import stays_float
from pulsar2.driver.stages import Stages, quoted
from pulsar2.lowering.quant.layers import (
    GraphNames,
    LayerSpec,
    Selection,
    named,
    select,
    with_former_types,
)
from pulsar2.lowering.quant.rules.base import is_constant, is_float
from pulsar2.lowering.quant.stored import fixed_type, stored_constant
from pulsar2.onnx_export import main_function
from pulsar2.targets import load_target
from pulsar2.targets.operators import operator_aliases
from pulsar2.weights import WeightStore

_ELEMENT_TYPES = {"FP32": "F32"}
"""What a target file calls a data type, where it has another name for it."""


def graph_names(module: ModuleOp) -> GraphNames:
    """The names in a model, to explain later what optimization has made of them."""
    return GraphNames.of(main_function(module))


def assign_precision(
    stages: Stages, config: BuildConfig, before: GraphNames, where: Where | None
) -> None:
    """Gives every operator the data types that the configuration says.

    `before` are the names of the imported model; `where` names the place of a key in the user's
    files. Raises `UserError` with every name that the optimized model lacks, every contradiction,
    and every type that an operator or the chip lacks.
    """
    layers = config.quant.layer_configs
    floating = stays_float(config)
    if not layers and not config.quant.highest_mix_precision and not floating:
        return
    func = main_function(stages.module)
    specs = with_former_types(func, [layer_spec(layer) for layer in layers], before)
    found = select(func, specs, before)
    errors = Diagnostics()
    for index, diagnostic in found.errors:
        place = _place(index, where)
        errors.error(diagnostic.message, place, diagnostic.accepted, diagnostic.source)
    _check_target(config, specs, where, errors)
    errors.raise_if_any()
    if config.model_type == "QuantONNX":
        _tell_idle(specs, found, stages.ctx.weights, where)
    options = {"highest": "true"} if config.quant.highest_mix_precision else {}
    if floating:
        options["floating"] = "true"
    if specs:
        options["layers"] = quoted(*map(str, specs))
    stages.run("precision", options)


def quantize_pipeline(config: BuildConfig) -> str:
    """The name of the pipeline that quantizes the calibrated model."""
    if config.quant.disable_quant_optimization:
        return "quantize-plainly"
    return "quantize-imported" if config.model_type == "QuantONNX" else "quantize"


def quantize_options(quant: QuantConfig) -> dict[str, str]:
    """What that pipeline is told."""
    # Below 0 the threshold is off; a pass option is a plain decimal.
    threshold = max(quant.refine_weight_threshold, 0.0)
    refine = "false" if quant.disable_auto_refine_scale else "true"
    options = {
        "bias": quant.conv_bias_data_type,
        "weight-threshold": f"{threshold:.12f}",
        "refine-scales": refine,
    }
    if quant.ln_scale_data_type != "FP32":
        options["ln-scale"] = quant.ln_scale_data_type
    return options


def layer_spec(layer: LayerConfig) -> LayerSpec:
    """A layer configuration as the compiler knows it; operators may have the chips' names."""
    aliases = operator_aliases()
    op_types = layer.op_types or ([layer.op_type] if layer.op_type else [])
    return LayerSpec(
        tuple(layer.layer_names) or ((layer.layer_name,) if layer.layer_name else ()),
        tuple(aliases.get(op_type, op_type) for op_type in op_types),
        tuple(layer.start_tensor_names),
        tuple(layer.end_tensor_names),
        layer.data_type,
        layer.output_data_type,
        layer.weight_data_type,
    )


def _tell_idle(
    specs: Sequence[LayerSpec], found: Selection, weights: WeightStore, where: Where | None
) -> None:
    """Warns of configurations all of whose operators the model itself has quantized."""
    chosen: dict[int, list[OnnxOp]] = {}
    for op, index in found.chosen.items():
        if isinstance(op, OnnxOp):
            chosen.setdefault(index, []).append(op)
    for index, ops in chosen.items():
        if all(_says_nothing(specs[index], op, weights) for op in ops):
            words = "{}: it has no effect, since the model itself says how {} is quantized"
            logger.warning(words, _place(index, where), named(ops))


def _says_nothing(spec: LayerSpec, op: OnnxOp, weights: WeightStore) -> bool:
    """Whether all that `spec` is about has a quantization of the model's own at `op`."""
    if spec.output_data_type is not None:
        return False
    constants = [v for v in op.operands if is_constant(v)]
    if spec.weight_data_type is not None and not any(
        stored_constant(v, weights) for v in constants
    ):
        return False
    read = [v for v in op.operands if is_float(v) and v not in constants]
    return bool(read) and all(fixed_type(v.owner, weights) is not None for v in read)


def _place(index: int, where: Where | None) -> str:
    path = ("quant", "layer_configs", index)
    return f"{where(path)}: {path_text(path)}" if where is not None else path_text(path)


def _check_target(
    config: BuildConfig, specs: Sequence[LayerSpec], where: Where | None, errors: Diagnostics
) -> None:
    known = load_target(config.target_hardware).element_types
    for index, spec in enumerate(specs):
        for data_type in filter(None, spec.types):
            if _ELEMENT_TYPES.get(data_type, data_type) not in known:
                errors.error(
                    f"{config.target_hardware} has no {data_type}",
                    _place(index, where),
                    f"its types: {', '.join(sorted(known))}",
                )
