"""`pulsar2 build`: a float model to `compiled.axmodel`, by the named pipelines and no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TypeVar

from loguru import logger
from onnx import ModelProto
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import write_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import CalibrationDataset, Sample, load_dataset
from pulsar2.config.build import BuildConfig
from pulsar2.config.effects import idle_options
from pulsar2.config.load import Where, to_json
from pulsar2.config.shapes import parse_input_shapes
from pulsar2.console.log import Log, silent
from pulsar2.console.progress import calibration_bar, full_bar
from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.driver.accuracy import output_accuracy
from pulsar2.driver.cache import CalibrationCache
from pulsar2.driver.checker import Checker
from pulsar2.driver.compile import compile_quantized, tell_programs
from pulsar2.driver.container import Compiled, link
from pulsar2.driver.decisions import LayerDecisions
from pulsar2.driver.dump import Dump
from pulsar2.driver.finetuning import finetune_module, finetune_options, warn_of_unused
from pulsar2.driver.float_check import FloatModel, check_model, check_transformations
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import (
    InputPlan,
    Interface,
    model_patch,
    plan_inputs,
    stays_float,
)
from pulsar2.driver.part import Part
from pulsar2.driver.placement import check_runtime, tell_placement, write_placement
from pulsar2.driver.precision import assign_precision, graph_names
from pulsar2.driver.precision_analysis import PrecisionAnalysis, tell_idle_options
from pulsar2.driver.quantize import lower_numbers, prepare_runtime, requantized, set_attributes
from pulsar2.driver.report import (
    print_layer_config,
    print_quant_config,
    print_results,
    write_traces,
)
from pulsar2.driver.simplify import simplified
from pulsar2.driver.smooth import Smoothing
from pulsar2.driver.stages import Stages, quoted
from pulsar2.driver.subgraphs import SubgraphOptions
from pulsar2.driver.transformer import TransformerLevel
from pulsar2.driver.variants import (
    Shapes,
    Sources,
    Variant,
    first_batches,
    in_variant,
    largest_batch,
)
from pulsar2.driver.workspace import Workspace
from pulsar2.files import publishing, scratch_folder, write_text
from pulsar2.finetune.sites import Integers, write_integers
from pulsar2.frontend.batch import BatchRepairs
from pulsar2.lowering.quant.fixed_scale import refuse_negative_scales
from pulsar2.lowering.quant.load_ranges import apply_ranges, ranges_by_name
from pulsar2.lowering.quant.ranges import Range
from pulsar2.onnx_export import main_function, save_onnx
from pulsar2.onnx_import import import_onnx
from pulsar2.quant_axmodel import (
    read_quant_axmodel,
    save_quant_axmodel,
    snapshot_text,
    write_configs,
)
from pulsar2.weights import AnyArray

T = TypeVar("T")
_COMPILING = ("partition", "schedule", "emit", "assemble")
"""The stages from a quantized model to its programs."""


@dataclass(frozen=True)
class BuildResult:
    """What a build made: the compiled model and its file, and the seconds of each stage."""

    compiled: Compiled
    path: Path
    seconds: dict[str, float]
    warnings: tuple[str, ...]


def build(
    config: BuildConfig, crash: Crash | None = None, where: Where | None = None
) -> BuildResult:
    """Builds what `config` says.

    `where` names the place of a key in the user's files, when there are any. Raises `UserError`
    for what is wrong with the model, the data and their fit to the configuration, before anything
    is written where that can be known; every file appears complete or not at all.
    """
    log = Log().start()
    try:
        return _Build(config, crash or Crash(), where, log).run()
    finally:
        log.stop()


class _Build:
    """One build on its way."""

    def __init__(self, config: BuildConfig, crash: Crash, where: Where | None, log: Log):
        self._config = config
        self._crash = crash
        self._where = where
        self._log = log
        self._workspace = Workspace.of(config)
        self._ctx = make_context()
        self._seconds: dict[str, float] = {}
        self._ranges: dict[str, Range] = {}
        self._learned: dict[str, Integers] = {}
        self._subgraphs = SubgraphOptions(config.compiler)
        self._decisions = LayerDecisions(config.quant, self._workspace, cached=not config.no_cache)
        self._smoothing = Smoothing(
            config.quant,
            self._workspace,
            cached=not config.no_cache,
            checked=not config.onnx_opt.disable_transformation_check,
        )
        self._level = TransformerLevel(config.quant, self._workspace, cached=not config.no_cache)
        self._checker = Checker(config, self._ctx, crash, self._subgraphs, self._compile)

    def run(self) -> BuildResult:
        with ExitStack() as stack:
            if self._config.onnx_opt.save_tensors_data:
                folder = stack.enter_context(scratch_folder(self._workspace.work))
                self._ctx.weights.keep_in(folder)
            return self._run()

    def _run(self) -> BuildResult:
        config, workspace = self._config, self._workspace
        quantized = config.model_type == "QuantAxModel"
        for key, needed in idle_options(config):
            logger.warning("{} has no effect without {}", key, needed)
        read = self._read_quantized if quantized else self._import
        module, plans = self._timed("import", read)
        sources = Sources(config, self._ctx, plans, self._imported, self._where)
        sources.keep(0, module)
        dump = Dump(workspace.ir, self._ctx) if config.debug.dump_ir else None
        stages = Stages(module, self._ctx, self._crash, dump, self._seconds)
        with workspace.claimed():
            self._crash.folder = workspace.work
            self._log.to_file(workspace.log)
            if dump is not None:
                dump.write("import", module, "")
            dataset: CalibrationDataset | tuple[()] = ()
            if quantized:
                tell_placement(module, config.target_hardware)
                set_attributes(stages, config)
            else:
                dataset = self._quantize(stages, plans)
            groups = self._compile_groups(stages, sources, plans, dataset)
            if 1 in groups[0]:
                plain = partial(self._compile_plain, plans)
                self._timed("compare level", lambda: self._level.tell_cost(groups[0][1], plain))
            compiled = link(
                groups,
                largest_batch(config),
                compressed=config.compiler.enable_data_soft_compression,
            )
            tell_programs(compiled)
            traced = self._subgraphs.with_traces()
            if traced:
                self._timed("traces", lambda: write_traces(compiled, workspace, traced))
            write_text(workspace.context, to_json(config))
            size = write_axmodel(compiled.model, workspace.compiled)
            accuracy = self._timed(
                "accuracy",
                lambda: output_accuracy(
                    workspace.compiled, workspace.optimized, config, plans, dataset
                ),
            )
        warnings = tuple(dict.fromkeys(self._log.warnings))
        told = {"check": self._checker.outcomes, "accuracy": accuracy}
        print_results(compiled, size, workspace, self._seconds, warnings, told)
        return BuildResult(compiled, workspace.compiled, self._seconds, warnings)

    def _compile_groups(
        self,
        stages: Stages,
        sources: Sources,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> list[dict[int, Part]]:
        """The programs for each group of input sizes and, within it, each batch size.

        `stages` hold the model as it was quantized, from which all others have their ranges.
        """
        groups: list[dict[int, Part]] = []
        batches = first_batches(self._config)
        for number in range(len(sources.groups)):
            parts: dict[int, Part] = {}
            for batch in batches:
                variant = Variant(number, batch)
                chosen = stages
                if variant != Variant(0, 1):
                    load = partial(self._other_sizes, variant, sources, plans, samples)
                    chosen = self._timed(f"quantize {variant.label}", load)
                part = self._compile_checked(variant, chosen, plans, samples)
                if chosen is not stages:
                    self._seconds[f"compile {variant.label}"] = sum(
                        chosen.seconds[stage] for stage in _COMPILING
                    )
                if self._config.compiler.max_dynamic_batch_size and not number and parts:
                    before = max(parts)
                    times = _per_sample(part, batch), _per_sample(parts[before], before)
                    if times[0] > times[1]:
                        words = "batch {} is left out: {:.1f} us per sample, batch {} has {:.1f}"
                        logger.info(words, batch, times[0], before, times[1])
                        break
                parts[batch] = part
            batches = list(parts)
            groups.append(parts)
        return groups

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start
        return result

    def _import(self) -> tuple[ModuleOp, list[InputPlan]]:
        module = self._imported()
        return module, plan_inputs(self._config, Interface.of(module), self._where)

    def _imported(
        self, shapes: Shapes | None = None, repairs: BatchRepairs | None = None
    ) -> ModuleOp:
        """The model with its inputs in the shapes that the configuration says, or in others."""
        config = self._config
        source: str | ModelProto = config.input
        if config.onnx_opt.enable_onnxsim:
            source = simplified(config.input)
        shapes = parse_input_shapes(config.input_shapes) if shapes is None else shapes
        patch = model_patch(config, repairs)
        return import_onnx(source, self._ctx, input_shapes=shapes, patch=patch)

    def _read_quantized(self) -> tuple[ModuleOp, list[InputPlan]]:
        config = self._config
        given = config.model_fields_set & {"quant", "input_processors", "output_processors"}
        for key in sorted(given):
            logger.warning("{} has no effect on a QuantAxModel, which is quantized already", key)
        return read_quant_axmodel(config.input, self._ctx), []

    def _other_sizes(
        self,
        variant: Variant,
        sources: Sources,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> Stages:
        """The stages of a variant, its model quantized by the ranges of the model that was
        calibrated.
        """
        dump = None
        if self._config.debug.dump_ir:
            dump = Dump(self._workspace.ir / variant.label, self._ctx)
        module = sources.load(variant, samples)
        stages = Stages(module, self._ctx, self._crash, dump, {})
        if dump is not None:
            dump.write("import", module, "")
        with silent("pulsar2"):
            try:
                self._import_quantized(stages)
                before = graph_names(module)
                self._optimize(stages)
                self._level.repeat_masks(stages)
                stages.run("place", {"target": quoted(self._config.target_hardware)})
                assign_precision(stages, self._config, before, self._where)
                self._smoothing.repeat(stages)
                self._level.repeat(stages)
                self._decisions.repeat(stages)
                apply_ranges(main_function(module), self._ranges)
                write_integers(main_function(module), self._learned, self._ctx.weights)
                if dump is not None:
                    dump.write_calibrated(module)
                prepare_runtime(stages, self._config, plans)
                lower_numbers(stages, self._config)
            except UserError as error:
                raise in_variant(error, variant) from None
        return stages

    def _compile_checked(
        self,
        variant: Variant,
        stages: Stages,
        plans: Sequence[InputPlan],
        samples: Sequence[Sample],
    ) -> Part:
        """The programs of a variant, checked as the configuration says."""
        options = self._config.compiler
        checked = None
        if options.check and not options.sub_configs:
            checked = stages.module.clone()
        part = self._compile(stages, self._subgraphs)
        if not variant.group:
            write_placement(stages.module, self._workspace.cpu_nodes)
        if checked is not None:
            self._timed(
                "check", lambda: self._checker.whole(checked, variant, part, plans, samples)
            )
        elif self._subgraphs.functions:
            self._timed("check", lambda: self._checker.subgraphs(variant, part, plans, samples))
        return part

    def _compile(self, stages: Stages, subgraphs: SubgraphOptions | None = None) -> Part:
        config = self._config
        return compile_quantized(
            stages,
            config.target_hardware,
            config.npu_mode,
            slice_mode=config.compiler.enable_slice_mode,
            tile_mode=config.compiler.enable_tile_mode,
            ddr_bw_limit=config.compiler.ddr_bw_limit,
            ranges=subgraphs.ranges if subgraphs is not None else (),
            partitioned=subgraphs.take if subgraphs is not None else None,
        )

    def _compile_plain(self, plans: Sequence[InputPlan], module: ModuleOp) -> Part:
        """The programs of a calibrated model, to compare with."""
        stages = Stages(module, self._ctx, self._crash, None, {})
        with silent("pulsar2"), redirect_stdout(StringIO()):
            prepare_runtime(stages, self._config, plans)
            lower_numbers(stages, self._config)
            return self._compile(stages)

    def _quantize(self, stages: Stages, plans: list[InputPlan]) -> CalibrationDataset | tuple[()]:
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
        self._timed("masks", lambda: self._level.bound_masks(stages, dataset))
        stages.run("place", {"target": quoted(config.target_hardware)})
        tell_placement(module, config.target_hardware)
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
        assign_precision(stages, config, before, self._where)
        print(f"Transformer optimize level: {config.quant.transformer_opt_level}", flush=True)
        if isinstance(dataset, CalibrationDataset):
            self._observe(stages, dataset)
        elif self._smoothing.enabled or self._level.enabled:
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

    def _analysis(self, plans: Sequence[InputPlan]) -> PrecisionAnalysis | None:
        """The precision analysis, where it is asked for."""
        if not self._config.quant.precision_analysis:
            tell_idle_options(self._config.quant)
            return None

        def compile(module: ModuleOp) -> Part:
            return self._compile(Stages(module, self._ctx, self._crash, None, {}))

        return PrecisionAnalysis(self._config, self._ctx, self._workspace, plans, compile)

    def _observe(self, stages: Stages, dataset: CalibrationDataset) -> None:
        """Calibrates, and does before and after it what the options for transformers ask for."""
        if self._smoothing.enabled:
            self._timed("observe channels", lambda: self._smoothing.run(stages, dataset))
        self._timed("calibrate", lambda: self._calibrate(stages.module, dataset))
        if self._level.enabled and self._timed(
            "measure noise", lambda: self._level.run(stages, dataset)
        ):
            self._timed("calibrate", lambda: self._calibrate(stages.module, dataset))

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

    def _calibrate(self, module: ModuleOp, dataset: CalibrationDataset) -> None:
        method = self._config.quant.calibration_method
        fuses = not self._config.quant.disable_quant_optimization
        key = method if fuses else f"{method}, plainly"
        cache = CalibrationCache(self._workspace.cache, module, dataset, key)
        if not self._config.no_cache and cache.load():
            return
        if not self._smoothing.enabled:
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


def _per_sample(part: Part, batch: int) -> float:
    """The theoretical time of one sample, in microseconds."""
    return part.estimate.latency_us / batch
