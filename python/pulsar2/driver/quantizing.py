"""From an imported float model to the quantized one: the stages of a build that look at data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import CalibrationDataset, Sample, load_dataset
from pulsar2.config.build import BuildConfig
from pulsar2.config.load import Where
from pulsar2.console.progress import calibration_bar, full_bar
from pulsar2.context import AxContext
from pulsar2.driver.cache import CalibrationCache
from pulsar2.driver.decisions import LayerDecisions
from pulsar2.driver.finetuning import finetune_module, finetune_options, warn_of_unused
from pulsar2.driver.float_check import FloatModel, check_model, check_transformations
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import InputPlan, model_patch, stays_float
from pulsar2.driver.part import Part
from pulsar2.driver.placement import check_runtime, tell_limits, tell_placement
from pulsar2.driver.precision import assign_precision, graph_names
from pulsar2.driver.precision_analysis import PrecisionAnalysis
from pulsar2.driver.quantize import lower_numbers, prepare_runtime, requantized
from pulsar2.driver.report import print_layer_config, print_quant_config
from pulsar2.driver.smooth import Smoothing
from pulsar2.driver.stages import Stages, Stopwatch, quoted
from pulsar2.driver.transformer import TransformerLevel
from pulsar2.driver.workspace import Workspace
from pulsar2.files import publishing
from pulsar2.finetune.sites import Integers, write_integers
from pulsar2.lowering.quant.fixed_scale import refuse_negative_scales
from pulsar2.lowering.quant.load_ranges import apply_ranges, ranges_by_name
from pulsar2.lowering.quant.ranges import Range
from pulsar2.onnx_export import main_function, save_onnx
from pulsar2.quant_axmodel import save_quant_axmodel, snapshot_text, write_configs
from pulsar2.weights import AnyArray


class Quantizing:
    """The stages between import and compilation, for the model of a build and its other sizes.

    Args:
        config, where: the configuration, and the places of its keys in the user's files.
        timed: takes down how long each stage takes.
        imported: imports the model once more, as it was given.
        compile: compiles a quantized model.
    """

    def __init__(
        self,
        config: BuildConfig,
        ctx: AxContext,
        crash: Crash,
        workspace: Workspace,
        where: Where | None,
        timed: Stopwatch,
        imported: Callable[[], ModuleOp],
        compile: Callable[[Stages], Part],
    ):
        self._config = config
        self._ctx = ctx
        self._crash = crash
        self._workspace = workspace
        self._where = where
        self._timed = timed
        self._imported = imported
        self._compile = compile
        self._ranges: dict[str, Range] = {}
        self._learned: dict[str, Integers] = {}
        cached = not config.no_cache
        self._decisions = LayerDecisions(config.quant, workspace, cached=cached)
        self._smoothing = Smoothing(
            config.quant,
            workspace,
            cached=cached,
            checked=not config.onnx_opt.disable_transformation_check,
        )
        self.level = TransformerLevel(config.quant, workspace, cached=cached)

    def run(self, stages: Stages, plans: list[InputPlan]) -> CalibrationDataset | tuple[()]:
        """Every stage between the imported float model and the quantized one; the data used."""
        config, workspace, module = self._config, self._workspace, stages.module
        data = [p.data for p in plans]
        calibrated = not stays_float(config)
        analysis = self._analysis(plans)
        dataset: CalibrationDataset | tuple[()] = ()
        if calibrated:
            dataset = self._timed("data", lambda: load_dataset(data, workspace.dataset))
        self._import_quantized(stages)
        before = graph_names(module)
        original = module.clone()
        pipeline = self._optimize(stages)
        _show_stage("Building onnx", stages, pipeline)
        self._timed("save", lambda: self._save_optimized(module))
        self._timed("masks", lambda: self.level.bound_masks(stages, dataset))
        assign_precision(stages, config, before, self._where)
        stages.run("place", {"target": quoted(config.target_hardware)})
        tell_placement(module, config.target_hardware)
        tell_limits(module, self._ctx, config.target_hardware)
        check_runtime(module, self._ctx)
        if analysis is not None:
            analysis.check(module)
        self._check_optimized(stages, original, pipeline, dataset)
        if config.quant.ln_scale_data_type == "U32":
            refuse_negative_scales(main_function(module), self._ctx.weights)
        if calibrated:
            print_quant_config(plans, workspace)
            warn_of_unused(config.quant)
        print_layer_config(config)
        print(f"Transformer optimize level: {config.quant.transformer_opt_level}", flush=True)
        if isinstance(dataset, CalibrationDataset):
            self._observe(stages, dataset)
        elif self._smoothing.enabled or self.level.enabled:
            words = "{} has no effect: there are no calibration data"
            logger.warning(words, "quant.enable_smooth_quant or quant.transformer_opt_level")
        floating = module.clone()
        decided = False
        if isinstance(dataset, CalibrationDataset):
            decided = self._decide(stages, dataset)
            self._finetune(module, dataset)
        self._ranges = ranges_by_name(main_function(module)) or {}
        if stages.dump is not None and (finetune_options(config.quant) or not decided):
            stages.dump.write_calibrated(module)
        if analysis is not None:
            analysis.check(module)  # calibration sends operators to the CPU too
        prepare_runtime(stages, config, plans)
        prepared = module.clone()
        pipeline = lower_numbers(stages, config)
        _show_stage("Building native", stages, pipeline)
        self._timed("save quantized", lambda: self._save_quantized(module))
        if analysis is not None:
            chosen, requantize = analysis, partial(requantized, prepared, self._ctx, config)
            self._timed(
                "precision analysis",
                lambda: chosen.run(floating, prepared, module, dataset, requantize),
            )
        return dataset

    def repeat(self, stages: Stages, plans: Sequence[InputPlan]) -> None:
        """The same for the model in another size, by what `run` found and decided."""
        config, module = self._config, stages.module
        self._import_quantized(stages)
        before = graph_names(module)
        self._optimize(stages)
        self.level.repeat_masks(stages)
        assign_precision(stages, config, before, self._where)
        stages.run("place", {"target": quoted(config.target_hardware)})
        self._smoothing.repeat(stages)
        self.level.repeat(stages)
        self._decisions.repeat(stages)
        apply_ranges(main_function(module), self._ranges)
        write_integers(main_function(module), self._learned, self._ctx.weights)
        if stages.dump is not None:
            stages.dump.write_calibrated(module)
        prepare_runtime(stages, config, plans)
        lower_numbers(stages, config)

    def _analysis(self, plans: Sequence[InputPlan]) -> PrecisionAnalysis | None:
        """The precision analysis, where it is asked for."""
        if not self._config.quant.precision_analysis:
            return None

        def compile(module: ModuleOp) -> Part:
            return self._compile(Stages(module, self._ctx, self._crash, None, {}))

        return PrecisionAnalysis(self._config, self._ctx, self._workspace, plans, compile)

    def _observe(self, stages: Stages, dataset: CalibrationDataset) -> None:
        """Calibrates, and does before and after it what the options for transformers ask for."""
        if self._smoothing.enabled:
            self._timed("observe channels", lambda: self._smoothing.run(stages, dataset))
        self._timed("calibrate", lambda: self._calibrate(stages.module, dataset))
        if self.level.enabled and self._timed(
            "measure noise", lambda: self.level.run(stages, dataset)
        ):
            self._timed("calibrate", lambda: self._calibrate(stages.module, dataset, again=True))

    def _import_quantized(self, stages: Stages) -> None:
        if self._config.model_type == "QuantONNX":
            stages.run("import-quantized")

    def _optimize(self, stages: Stages) -> str:
        """The float graph to its simplest form; the name of the pipeline that did it."""
        disabled = self._config.onnx_opt.disable_onnx_optimization
        pipeline = "legalize" if disabled else "optimize"
        stages.run(pipeline)
        return pipeline

    def _check_optimized(
        self, stages: Stages, original: ModuleOp, pipeline: str, samples: Sequence[Sample]
    ) -> None:
        """The checks that the float graph after `pipeline` computes what `original` does."""
        options = self._config.onnx_opt
        module = stages.module
        if len(samples) and not options.disable_transformation_check:
            self._crash.reproducer = stages.reproducer(original, pipeline)
            feeds = samples[0].inputs
            self._timed(
                "check transformations",
                lambda: check_transformations(original, module, self._ctx, pipeline, feeds),
            )
            self._crash.reproducer = None
        if options.model_check:
            given = [(s.label, s.inputs) for s in samples]
            if not given:
                logger.warning("model_check has no calibration data to compare on")
            self._timed("check model", lambda: self._check_model(module, given))

    def _check_model(
        self, module: ModuleOp, samples: Sequence[tuple[str, Mapping[str, AnyArray]]]
    ) -> None:
        if model_patch(self._config):
            logger.info("model_check compares with the model as the processors changed it")
            original = FloatModel.of(self._imported(), self._ctx)
        else:
            original = FloatModel(self._config.input)
        check_model(original, module, self._ctx, samples)

    def _save_optimized(self, module: ModuleOp) -> None:
        path = self._workspace.optimized
        with publishing(path.parent) as folder:
            save_onnx(module, self._ctx, folder / path.name)
        logger.info("save optimized onnx to [{}]", path)

    def _save_quantized(self, module: ModuleOp) -> None:
        """Writes the quantized model, and what is quantized how."""
        folder = self._workspace.quant
        names = ("quant_axmodel.onnx", "quant_axmodel.json")
        print(snapshot_text(module), flush=True)
        with publishing(folder) as temporary:
            save_quant_axmodel(module, self._ctx, temporary / names[0])
            write_configs(module, temporary / names[1])
        if self._config.debug.dump_frontend_graph:
            # The name is spelled as users of the toolchain know it.
            graph = self._workspace.frontend / "optimzied_quant_axmodel.onnx"
            with publishing(graph.parent) as temporary:
                save_quant_axmodel(module, self._ctx, temporary / graph.name)
            logger.info("dump frontend graph to [{}]", graph)
        for name in names:
            logger.info("save quant_axmodel to [{}]", folder / name)

    def _calibrate(
        self, module: ModuleOp, dataset: CalibrationDataset, *, again: bool = False
    ) -> None:
        """Calibrates the module, or loads what an earlier build found; `again` with other types."""
        method = self._config.quant.calibration_method
        fuses = not self._config.quant.disable_quant_optimization
        key = method if fuses else f"{method}, plainly"
        cache = CalibrationCache(self._workspace.cache, module, dataset, key)
        if not self._config.no_cache and cache.load():
            return
        if not self._smoothing.enabled and not again:
            self._smoothing.advise(module, self._ctx, dataset)
        with calibration_bar(len(dataset)) as advance:
            calibrate(module, self._ctx, dataset, method, fuses=fuses, advance=advance)
        cache.store()

    def _decide(self, stages: Stages, dataset: CalibrationDataset) -> bool:
        """Decides for layers, where that is asked for, and says whether it was."""
        if not self._decisions.enabled:
            return False
        if stages.dump is not None:
            stages.dump.write_calibrated(stages.module)
        self._timed("decide", lambda: self._decisions.run(stages, dataset))
        return True

    def _finetune(self, module: ModuleOp, dataset: CalibrationDataset) -> None:
        """Fine-tunes the calibrated module, where that is asked for."""
        options = finetune_options(self._config.quant)
        if options is None:
            return
        self._learned = self._timed(
            "finetune", lambda: finetune_module(module, self._ctx, dataset, options)
        )


def _show_stage(label: str, stages: Stages, stage: str) -> None:
    """Draws the bar of a stage that has ended: as many steps as there are operators now."""
    count = sum(1 for _ in main_function(stages.module).body.block.ops)
    full_bar(label, count, stages.seconds[stage])
