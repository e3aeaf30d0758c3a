"""`pulsar2 build`: a float model to `compiled.axmodel`, by the named pipelines and no others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

from loguru import logger
from onnx import ModelProto
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import write_axmodel
from pulsar2.calibration.dataset import CalibrationDataset, Sample
from pulsar2.config.build import BuildConfig
from pulsar2.config.effects import idle_options
from pulsar2.config.load import Where, to_json
from pulsar2.config.shapes import parse_input_shapes
from pulsar2.console.log import Log, silent
from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.driver.accuracy import output_accuracy
from pulsar2.driver.checker import Checker
from pulsar2.driver.compile import compile_quantized, tell_programs
from pulsar2.driver.container import Compiled, link
from pulsar2.driver.dump import Dump
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import InputPlan, Interface, model_patch, plan_inputs
from pulsar2.driver.model_type import check_model_type, tell_without_effect
from pulsar2.driver.part import Part
from pulsar2.driver.placement import tell_placement, write_placement
from pulsar2.driver.quantize import lower_numbers, prepare_runtime, set_attributes
from pulsar2.driver.quantizing import Quantizing
from pulsar2.driver.report import print_results, write_traces
from pulsar2.driver.simplify import simplified
from pulsar2.driver.stages import Stages, Stopwatch
from pulsar2.driver.subgraphs import SubgraphOptions
from pulsar2.driver.variants import (
    Shapes,
    Sources,
    Variant,
    first_batches,
    in_variant,
    largest_batch,
)
from pulsar2.driver.workspace import Workspace
from pulsar2.files import scratch_folder, write_text
from pulsar2.frontend.batch import BatchRepairs
from pulsar2.onnx_import import import_onnx
from pulsar2.quant_axmodel import read_quant_axmodel

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
        self._timed = Stopwatch()
        self._subgraphs = SubgraphOptions(config.compiler)
        self._quantizing = Quantizing(
            config,
            self._ctx,
            crash,
            self._workspace,
            where,
            self._timed,
            self._imported,
            self._compile,
        )
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
        stages = Stages(module, self._ctx, self._crash, dump, self._timed.seconds)
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
                dataset = self._quantizing.run(stages, plans)
            groups = self._compile_groups(stages, sources, plans, dataset)
            if 1 in groups[0]:
                plain = partial(self._compile_plain, plans)
                self._timed(
                    "compare level", lambda: self._quantizing.level.tell_cost(groups[0][1], plain)
                )
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
        print_results(compiled, size, workspace, self._timed.seconds, warnings, told)
        return BuildResult(compiled, workspace.compiled, self._timed.seconds, warnings)

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
                    self._timed.seconds[f"compile {variant.label}"] = sum(
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

    def _import(self) -> tuple[ModuleOp, list[InputPlan]]:
        module = self._imported()
        check_model_type(module, self._config)
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
        tell_without_effect(config)
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
                self._quantizing.repeat(stages, plans)
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
        # A transformer level lets attention run by slices of its queries.
        part = self._compile(stages, self._subgraphs, slices=self._quantizing.level.enabled)
        if not variant.group:
            write_placement(stages.module, self._workspace.cpu_nodes)
        if checked is not None:
            self._timed(
                "check", lambda: self._checker.whole(checked, variant, part, plans, samples)
            )
        elif self._subgraphs.functions:
            self._timed("check", lambda: self._checker.subgraphs(variant, part, plans, samples))
        return part

    def _compile(
        self, stages: Stages, subgraphs: SubgraphOptions | None = None, *, slices: bool = False
    ) -> Part:
        config = self._config
        return compile_quantized(
            stages,
            config.target_hardware,
            config.npu_mode,
            slice_mode=slices or config.compiler.enable_slice_mode,
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


def _per_sample(part: Part, batch: int) -> float:
    """The theoretical time of one sample, in microseconds."""
    return part.estimate.latency_us / batch
