"""SmoothQuant in a build: what calibration sees of channels, told in a table and acted upon."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pulsar2.calibration.channels import channel_maxima
from pulsar2.calibration.dataset import CalibrationDataset, Sample
from pulsar2.config.quant import QuantConfig
from pulsar2.console.tables import print_table
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.driver.cache import Cache
from pulsar2.driver.float_check import check_transformations
from pulsar2.driver.stages import Stages, pipeline_text
from pulsar2.driver.workspace import Workspace
from pulsar2.locations import tensor_name
from pulsar2.lowering.onnx.channel_factors import NORMALIZATIONS
from pulsar2.lowering.quant.channels import LEVELS, F32Array, evenness, outlier_shares
from pulsar2.lowering.quant.load_statistics import (
    Channels,
    apply_channels,
    channels_text,
    read_channels,
)
from pulsar2.onnx_export import main_function

_GLANCE = 2
"""Samples that tell whether SmoothQuant would help."""


class Smoothing:
    """SmoothQuant on the models of one build, which all have the same weights."""

    def __init__(self, quant: QuantConfig, folder: Workspace, *, cached: bool, checked: bool):
        """`checked`: the model is compared with what it was, on one sample."""
        self._quant = quant
        self._cache = folder.cache
        self._cached = cached
        self._checked = checked
        self._channels: Channels = {}

    @property
    def enabled(self) -> bool:
        return self._quant.enable_smooth_quant

    def run(self, stages: Stages, dataset: CalibrationDataset) -> None:
        """Observes the channels, tells of their outliers and smooths them."""
        self._channels = self._observed(stages.module, stages.ctx, dataset)
        print_outliers(self._channels)
        text = channels_text(self._channels)
        apply_channels(main_function(stages.module), self._channels, stages.ctx.weights)
        if stages.dump is not None:
            stages.dump.write_observed("channels", stages.module, text)
        before = stages.module.clone()
        pipeline = self._smooth(stages)
        if self._checked:
            feeds = dataset[0].inputs
            check_transformations(before, stages.module, stages.ctx, pipeline, feeds)

    def repeat(self, stages: Stages) -> None:
        """Smooths the model for other sizes as `run` did the first, if it did."""
        if not self._channels:
            return
        apply_channels(main_function(stages.module), self._channels, stages.ctx.weights)
        if stages.dump is not None:
            text = channels_text(self._channels)
            stages.dump.write_observed("channels", stages.module, text)
        self._smooth(stages)

    def advise(self, module: ModuleOp, ctx: AxContext, samples: Sequence[Sample]) -> None:
        """Says when SmoothQuant would help a transformer that is built without it."""
        kinds = {getattr(op, "op_type", "") for op in main_function(module).body.block.ops}
        if not kinds & NORMALIZATIONS:
            return
        few = [samples[i] for i in range(min(len(samples), _GLANCE))]
        channels = _by_name(channel_maxima(module, ctx, few))
        threshold = self._quant.smooth_quant_threshold
        uneven = {name: m for name, m in channels.items() if evenness(m) < threshold}
        if uneven:
            print_outliers(uneven)
            words = "{} tensor(s) hold outliers: quant.enable_smooth_quant may quantize them better"
            logger.info(words, len(uneven))

    def _smooth(self, stages: Stages) -> str:
        """Smooths the model; the pipeline that did it."""
        quant = self._quant
        options = {
            "threshold": f"{quant.smooth_quant_threshold:.6f}",
            "strength": f"{quant.smooth_quant_strength:.6f}",
        }
        stages.run("smooth", options)
        return pipeline_text("smooth", options)

    def _observed(self, module: ModuleOp, ctx: AxContext, dataset: CalibrationDataset) -> Channels:
        cache = Cache(self._cache, module, dataset, "channels")
        kept = cache.find() if self._cached else None
        if kept is not None:
            try:
                found = read_channels(str(kept))
            except UserError as error:
                logger.warning("the kept observation of channels is not used: {}", error)
            else:
                cache.tell_used()
                return found
        channels = _by_name(channel_maxima(module, ctx, dataset))
        cache.store(channels_text(channels))
        return channels


def print_outliers(channels: Channels) -> None:
    """The table `Ratio of outliers in tensor`, the tensors with most outliers first."""
    shares = {name: outlier_shares(maxima) for name, maxima in channels.items()}
    rows = [
        (name, *(f"{share:.2%}" for share in found), f"{evenness(channels[name]):.3f}")
        for name, found in sorted(shares.items(), key=lambda item: evenness(channels[item[0]]))
    ]
    levels = [f"level >= {level}" for level in LEVELS]
    columns = ("Tensor", *levels, "Sparse channels", "Evenness")
    print_table("Ratio of outliers in tensor", columns, rows)


def _by_name(maxima: dict[SSAValue, F32Array]) -> Channels:
    """The channels by the tensor's name; tensors without one are left out."""
    named = {tensor_name(value): found for value, found in maxima.items()}
    return {name: found for name, found in named.items() if name}
