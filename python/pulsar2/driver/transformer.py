"""The transformer levels in a build: measure, decide, and tell what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import CalibrationDataset, Sample
from pulsar2.calibration.noise import measure_noise
from pulsar2.config.quant import QuantConfig
from pulsar2.diagnostics import UserError
from pulsar2.driver.cache import Cache
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.driver.part import Part
from pulsar2.driver.stages import Stages
from pulsar2.driver.workspace import Workspace
from pulsar2.ir import print_module
from pulsar2.lowering.quant.load_noise import noise_text, read_noise
from pulsar2.lowering.quant.wide_tensors import apply_noise
from pulsar2.onnx_export import main_function
from pulsar2.pipeline import parse_passes, run_passes

_COMPARED = 8
"""Samples on which a model with other masks is compared with the model itself."""


class TransformerLevel:
    """`quant.transformer_opt_level` on the models of one build, which all have the same weights."""

    def __init__(self, quant: QuantConfig, folder: Workspace, *, cached: bool):
        self._quant = quant
        self._cache = folder.cache
        self._cached = cached
        self._noise: Mapping[str, float] = {}
        self._plain: ModuleOp | None = None
        self._masks = False

    @property
    def enabled(self) -> bool:
        return self._quant.transformer_opt_level > 0

    def bound_masks(self, stages: Stages, samples: Sequence[Sample]) -> None:
        """Lets the NPU run attention with masks, if the model computes what it did then."""
        if not self.enabled or not len(samples):
            return
        module, ctx = stages.module, stages.ctx
        bounded = module.clone()
        run_passes(ctx, bounded, parse_passes("mask"))
        if print_module(bounded) == print_module(module):
            return
        before, after = FloatModel.of(module, ctx), FloatModel.of(bounded, ctx)
        for index in range(min(len(samples), _COMPARED)):
            feeds = samples[index].inputs
            wanted, found = before.run(feeds), after.run(feeds)
            faults = (difference(found[name], value) for name, value in wanted.items())
            if fault := next(filter(None, faults), ""):
                logger.info("masks of attention stay what they are: with -64 in them {}", fault)
                return
        self._masks = True
        logger.info("masks of attention hold -64 for minus infinity, so that the NPU runs Softmax")
        stages.run("mask")

    def repeat_masks(self, stages: Stages) -> None:
        """Changes the masks of a model for other sizes as those of the first were."""
        if self._masks:
            stages.run("mask")

    def run(self, stages: Stages, dataset: CalibrationDataset) -> bool:
        """Measures what 8 bits cost in the calibrated model, and gives operators their types.

        Whether there was something to decide: tensors have to be calibrated again then.
        """
        self._noise = self._measured(stages, dataset)
        if not self._noise:
            words = "transformer_opt_level {} changes nothing: the model has no Softmax, "
            words += "normalization, GELU or residual sum that 8 bits are chosen for"
            logger.info(words, self._quant.transformer_opt_level)
            return False
        if stages.dump is not None:
            stages.dump.write_calibrated(stages.module)
        self._plain = stages.module.clone()
        self.repeat(stages)
        return True

    def repeat(self, stages: Stages) -> None:
        """Gives a model for other sizes the types of the first, if there are such."""
        if not self._noise:
            return
        apply_noise(main_function(stages.module), self._noise)
        if stages.dump is not None:
            stages.dump.write_noise(stages.module, noise_text(self._noise))
        options = {"level": str(self._quant.transformer_opt_level)}
        if self._quant.disable_quant_optimization:
            options["fuse"] = "false"
        stages.run("transformer", options)

    def tell_cost(self, part: Part, compiled: Callable[[ModuleOp], Part]) -> None:
        """Says how many cycles `part` takes, and how many the model would take at level 0."""
        plain = self._plain
        if plain is None:
            return
        self._plain = None
        before = compiled(plain)
        now, then = part.estimate.cycles, before.estimate.cycles
        logger.info(
            "transformer_opt_level {} takes an estimated {:,} cycles, level 0 {:,} ({:+.1%})",
            self._quant.transformer_opt_level,
            now,
            then,
            now / max(then, 1) - 1,
        )

    def _measured(self, stages: Stages, dataset: CalibrationDataset) -> Mapping[str, float]:
        fuses = not self._quant.disable_quant_optimization
        asked = "noise" if fuses else "noise, plainly"
        cache = Cache(self._cache, stages.module, dataset, asked)
        kept = cache.find() if self._cached else None
        if kept is not None:
            try:
                found = read_noise(str(kept))
            except UserError as error:
                logger.warning("the kept measurement of noise is not used: {}", error)
            else:
                cache.tell_used()
                return found
        noise = measure_noise(stages.module, stages.ctx, dataset, fuses=fuses)
        cache.store(noise_text(noise))
        return noise
