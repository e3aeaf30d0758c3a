"""Fine-tuning as the configuration asks for it."""

from __future__ import annotations

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import CalibrationDataset
from pulsar2.config.quant import FINETUNE_STRATEGIES, QuantConfig
from pulsar2.context import AxContext
from pulsar2.finetune.options import FinetuneOptions, Strategy
from pulsar2.finetune.sites import Integers
from pulsar2.lowering.quant.parameters import WeightOptions

_STRATEGIES = dict(
    zip(FINETUNE_STRATEGIES, (Strategy.ADAROUND, Strategy.LSQ, Strategy.BRECQ), strict=True)
)


def finetune_options(quant: QuantConfig) -> FinetuneOptions | None:
    """What fine-tuning is told, None where none is asked for."""
    enabled = [strategy for key, strategy in _STRATEGIES.items() if getattr(quant, key)]
    if not enabled:
        return None
    integers = quant.conv_bias_data_type == "S32"
    widens = integers and not quant.disable_auto_refine_scale
    return FinetuneOptions(
        enabled[0],
        epochs=quant.finetune_epochs,
        block_size=quant.finetune_block_size,
        batch_size=quant.finetune_batch_size,
        learning_rate=quant.finetune_lr,
        device=quant.device,
        fuses=not quant.disable_quant_optimization,
        integer_biases=integers,
        weights=WeightOptions(max(quant.refine_weight_threshold, 0.0), widens),
    )


def warn_of_unused(quant: QuantConfig) -> None:
    """Warns of options that have no effect because no strategy is enabled."""
    if finetune_options(quant) is not None:
        return
    unused = [k for k, v in quant if k.startswith("finetune_") and v != getattr(QuantConfig(), k)]
    if quant.device != "cpu":
        logger.warning("quant.device has an effect on fine-tuning only: calibration uses the CPU")
    if unused:
        keys = ", ".join(f"quant.{key}" for key in unused)
        accepted = ", ".join(FINETUNE_STRATEGIES)
        logger.warning("without effect: {} (fine-tuning is off: {})", keys, accepted)


def finetune_module(
    module: ModuleOp, ctx: AxContext, dataset: CalibrationDataset, options: FinetuneOptions
) -> dict[str, Integers]:
    """Fine-tunes a calibrated module; the weights that were learned, by node."""
    # torch takes seconds to import.
    from pulsar2.finetune.tune import finetune

    return finetune(module, ctx, dataset, options)
