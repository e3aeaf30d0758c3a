"""From a calibrated float model to a quantized one, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from pulsar2.config.build import BuildConfig
from pulsar2.config.quant import LayerConfig
from pulsar2.console.log import silent
from pulsar2.context import AxContext
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import InputPlan, Interface, output_options, stored_outputs
from pulsar2.driver.precision import layer_spec, quantize_options, quantize_pipeline
from pulsar2.driver.stages import Stages, quoted
from pulsar2.lowering.quant.set_attributes import attributes_option


def prepare_runtime(stages: Stages, config: BuildConfig, plans: Sequence[InputPlan]) -> None:
    """Puts what inputs and outputs go through at run time into a calibrated model."""
    outputs = Interface.of(stages.module).tensors
    inserted = {
        "inputs": quoted(*filter(None, (p.preprocess_option() for p in plans))),
        "outputs": quoted(*output_options(config, outputs)),
    }
    if any(inserted.values()):
        stages.run("preprocess", {k: v for k, v in inserted.items() if v})


def lower_numbers(stages: Stages, config: BuildConfig, data_type: str = "U8") -> str:
    """From a float model with ranges to a quantized one; the name of the pipeline that does it.

    `data_type` is that of activations where the configuration says nothing.
    """
    outputs = Interface.of(stages.module).tensors
    pipeline = quantize_pipeline(config)
    stages.run(pipeline, quantize_options(config.quant) | {"activation": data_type})
    set_attributes(stages, config)
    stored = stored_outputs(config, outputs)
    if stored:
        stages.run("store-outputs", {"outputs": quoted(*stored)})
    if config.quant.check:
        stages.run("check-types", {"target": config.target_hardware})
    return pipeline


def set_attributes(stages: Stages, config: BuildConfig) -> None:
    """Changes the attributes of the quantized graph that the configuration names."""
    wanted = [attributes_option(p.op_name, p.attrs) for p in config.quant_op_processors]
    if wanted:
        stages.run("set-attributes", {"operators": quoted(*wanted)})


def requantized(
    prepared: ModuleOp,
    ctx: AxContext,
    config: BuildConfig,
    layers: Sequence[Mapping[str, Any]],
    data_type: str,
) -> ModuleOp:
    """What a calibrated module would be quantized to with further layer configurations.

    `prepared` stays as it is; the log says nothing. Raises `UserError` where that cannot be.
    """
    stages = Stages(prepared.clone(), ctx, Crash(), None, {})
    with silent("pulsar2"):
        if layers:
            specs = [str(layer_spec(LayerConfig.model_validate(c))) for c in layers]
            stages.run("precision", {"layers": quoted(*specs)})
        lower_numbers(stages, config, data_type)
    return stages.module
