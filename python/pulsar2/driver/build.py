"""`pulsar2 build`: a float model to `compiled.axmodel`, by the named pipelines and no others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import write_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import CalibrationDataset, load_dataset
from pulsar2.config.build import BuildConfig
from pulsar2.config.load import Where, to_json
from pulsar2.config.shapes import parse_input_shapes
from pulsar2.console.log import Log
from pulsar2.console.progress import calibration_bar, full_bar
from pulsar2.context import make_context
from pulsar2.driver.container import Compiled, compile_container
from pulsar2.driver.figures import count_macs
from pulsar2.driver.guard import Crash
from pulsar2.driver.inputs import InputPlan, Interface, plan_inputs
from pulsar2.driver.report import print_layer_config, print_quant_config, print_results
from pulsar2.driver.stages import Stages, quoted
from pulsar2.driver.workspace import Workspace
from pulsar2.files import publishing, write_text
from pulsar2.onnx_export import save_onnx
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import PassTiming

T = TypeVar("T")

_LABELS = {
    "sched-plan-tiles": "tiling op...",
    "sched-build-jobs": "build op...",
    "sched-insert-swaps": "add ddr swap...",
    "sched-insert-waits": "calc input dependencies...",
    "sched-assign-eus": "assign eu...",
    "convert-sched-to-chip": "build jobs",
}
"""What the bar of a pass is called."""


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

    def run(self) -> BuildResult:
        config, workspace = self._config, self._workspace
        module, plans = self._timed("import", self._import)
        with workspace.claimed():
            self._crash.folder = workspace.work
            self._log.to_file(workspace.log)
            dataset = self._timed("data", lambda: self._load(plans))
            compiled = self._compile(module, plans, dataset)
            write_text(workspace.context, to_json(config))
            size = write_axmodel(compiled.model, workspace.compiled)
        warnings = tuple(dict.fromkeys(self._log.warnings))
        print_results(compiled, size, workspace, self._seconds, warnings)
        return BuildResult(compiled, workspace.compiled, self._seconds, warnings)

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self._seconds[stage] = time.perf_counter() - start
        return result

    def _import(self) -> tuple[ModuleOp, list[InputPlan]]:
        shapes = parse_input_shapes(self._config.input_shapes)
        module = import_onnx(self._config.input, self._ctx, input_shapes=shapes)
        return module, plan_inputs(self._config, Interface.of(module), self._where)

    def _load(self, plans: list[InputPlan]) -> CalibrationDataset:
        return load_dataset([p.data for p in plans], self._workspace.dataset)

    def _compile(
        self, module: ModuleOp, plans: list[InputPlan], dataset: CalibrationDataset
    ) -> Compiled:
        """Every stage between the imported model and the assembled one."""
        config, workspace = self._config, self._workspace
        dump = workspace.ir if config.debug.dump_ir else None
        stages = Stages(module, self._ctx, self._crash, dump, self._seconds)
        stages.dump("import")
        stages.run("optimize")
        self._timed("save", lambda: self._save_optimized(module))
        print_quant_config(plans, workspace)
        print_layer_config(config)
        print(f"Transformer optimize level: {config.quant.transformer_opt_level}", flush=True)
        self._timed("calibrate", lambda: self._calibrate(module, dataset))
        stages.dump("calibrate")
        inserted = [p.preprocess_option() for p in plans]
        if any(inserted):
            stages.run("preprocess", {"inputs": quoted(*filter(None, inserted))})
        stages.run("quantize", {"bias": config.quant.conv_bias_data_type})
        macs = count_macs(module)
        logger.info("QuantAxModel macs: {:,}", macs)
        stages.run("partition")
        target = {"target": quoted(config.target_hardware), "npu-mode": quoted(config.npu_mode)}
        stages.run("schedule", target, _show_pass)
        stages.run("emit", done=_show_pass)
        compiled = self._timed("assemble", lambda: compile_container(module, self._ctx, macs))
        _tell_programs(compiled)
        return compiled

    def _save_optimized(self, module: ModuleOp) -> None:
        path = self._workspace.frontend / "optimized.onnx"
        with publishing(path.parent) as folder:
            save_onnx(module, self._ctx, folder / path.name)
        logger.info("save optimized onnx to [{}]", path)

    def _calibrate(self, module: ModuleOp, dataset: CalibrationDataset) -> None:
        with calibration_bar(len(dataset)) as advance:
            calibrate(module, self._ctx, dataset, "MinMax", advance=advance)


def _show_pass(timing: PassTiming, module: ModuleOp) -> None:
    """Draws the bar of a pass that has one."""
    if timing.name in _LABELS:
        count = sum(1 for op in module.walk() if op.name.endswith((".job", ".layer")))
        full_bar(_LABELS[timing.name], count, timing.seconds)


def _tell_programs(compiled: Compiled) -> None:
    """Logs what was assembled, in the words that users know."""
    for index, subgraph in enumerate(compiled.model.subgraphs):
        logger.info("subgraph [{}], group: {}, type: GraphType.NPU", index, subgraph.group)
    logger.info("max_cycle = {:,}", compiled.estimate.cycles)
    for index, subgraph in enumerate(compiled.model.subgraphs):
        for program in subgraph.programs:
            logger.info("assemble model [{}] [{}] b{}", index, subgraph.name, program.batch)
    logger.info("fuse {} subgraph(s)", len(compiled.model.subgraphs))
