"""What is decided for layers with constant weights once the model is calibrated."""

from __future__ import annotations

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.correct_biases import correct_biases
from pulsar2.calibration.dataset import CalibrationDataset
from pulsar2.calibration.easy_quant import easy_quant, layer_count
from pulsar2.config.quant import QuantConfig
from pulsar2.console.progress import sample_bar
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.driver.cache import Cache
from pulsar2.driver.finetuning import finetune_options
from pulsar2.driver.stages import Stages
from pulsar2.driver.workspace import Workspace
from pulsar2.lowering.quant.load_decisions import Decisions, apply_decisions, read_decisions
from pulsar2.lowering.quant.parameters import WeightOptions
from pulsar2.onnx_export import main_function


class LayerDecisions:
    """EasyQuant and bias correction, as the configuration asks for them."""

    def __init__(self, quant: QuantConfig, workspace: Workspace, *, cached: bool):
        self._searches = quant.enable_easy_quant
        # What fine-tuning learns is meant for the biases that there are.
        tuned = finetune_options(quant) is not None
        self._corrects = not quant.disable_bias_correction and not tuned
        self._fuses = not quant.disable_quant_optimization
        widens = quant.conv_bias_data_type == "S32" and not quant.disable_auto_refine_scale
        self._options = WeightOptions(max(quant.refine_weight_threshold, 0.0), widens)
        self._workspace = workspace
        self._cached = cached
        self._decisions = Decisions()

    @property
    def enabled(self) -> bool:
        return self._searches or self._corrects

    def run(self, stages: Stages, dataset: CalibrationDataset) -> None:
        """Decides for the calibrated module, or takes what an earlier build decided."""
        module, ctx = stages.module, stages.ctx
        asked = f"decisions {self._searches} {self._corrects} {self._fuses} {self._options}"
        cache = Cache(self._workspace.cache, module, dataset, asked)
        kept = cache.find() if self._cached else None
        if kept is not None and self._taken(module, ctx, str(kept)):
            cache.tell_used()
        else:
            self._decide(module, ctx, dataset)
            self._decisions = Decisions.of(main_function(module), ctx.weights)
            cache.store(self._decisions.text())
        if stages.dump is not None:
            stages.dump.write_decided(module, self._decisions.text())

    def repeat(self, stages: Stages) -> None:
        """Decides alike for the same model at another size."""
        if not self.enabled:
            return
        apply_decisions(main_function(stages.module), self._decisions, stages.ctx.weights)
        if stages.dump is not None:
            stages.dump.write_decided(stages.module, self._decisions.text())

    def _taken(self, module: ModuleOp, ctx: AxContext, path: str) -> bool:
        try:
            self._decisions = read_decisions(path)
        except UserError as error:
            logger.warning("the kept decisions are not used: {}", error)
            return False
        apply_decisions(main_function(module), self._decisions, ctx.weights)
        return True

    def _decide(self, module: ModuleOp, ctx: AxContext, dataset: CalibrationDataset) -> None:
        fuses, options = self._fuses, self._options
        if self._searches:
            total = layer_count(module, ctx, fuses=fuses)
            with sample_bar("EasyQuant Progress", total) as advance:

                def count(done: int) -> None:
                    for _ in range(done):
                        advance()

                easy_quant(module, ctx, dataset, fuses=fuses, options=options, advance=count)
        if self._corrects:
            with sample_bar("Bias Correction Progress", len(dataset)) as advance:
                correct_biases(module, ctx, dataset, fuses=fuses, options=options, advance=advance)
