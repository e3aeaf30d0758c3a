"""`quant.precision_analysis`: which layer of a build loses how much, and what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import TensorInfo
from pulsar2.calibration.dataset import Sample
from pulsar2.config.build import BuildConfig
from pulsar2.config.option import options
from pulsar2.config.quant import QuantConfig
from pulsar2.console.progress import bar
from pulsar2.console.tables import print_table
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.driver.inputs import InputPlan, Interface
from pulsar2.driver.part import Part
from pulsar2.driver.workspace import Workspace
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.layers import operators_of
from pulsar2.lowering.quant.leveling import is_cut_on_purpose
from pulsar2.lowering.quant.placement import cpu_nodes
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import is_float
from pulsar2.onnx_export import main_function
from pulsar2.precision.advice import EXACT, Adviser, LayerChoice, verdict
from pulsar2.precision.analysis import Analysis, Comparison, LayerFigures, Run, add_wide, by_name
from pulsar2.precision.files import write_graph, write_report, write_sample, write_table
from pulsar2.precision.html import Proposal
from pulsar2.precision.layers import float_names
from pulsar2.precision.samples import SampleFolders, Spread
from pulsar2.precision.simulation import Backend, Reference, Simulation, Tensors
from pulsar2.precision.table import COLUMNS, table_rows
from pulsar2.targets import load_target

_SHOWN = 5
"""Nodes and layers that messages name."""

Requantize = Callable[[Sequence[LayerChoice], str], ModuleOp]
"""Quantizes the calibrated model as it would be with further layer configurations, and with another
data type where nothing is configured."""


class PrecisionAnalysis:
    """The analysis of one build.

    `compile` makes the program of a quantized module. Raises `UserError` for every file of
    `input_sample_dir` that is wrong, and where there are no data.
    """

    def __init__(
        self,
        config: BuildConfig,
        ctx: AxContext,
        workspace: Workspace,
        plans: Sequence[InputPlan],
        compile: Callable[[ModuleOp], Part],
    ):
        quant = config.quant
        self._config = config
        self._ctx = ctx
        self._folder = workspace.quant / "debug"
        self._plans = {p.model.name: p for p in plans}
        self._compile = compile
        self._given: SampleFolders | None = None
        if quant.input_sample_dir:
            inputs = [TensorInfo(p.model.name, p.model.dtype, p.model.shape) for p in plans]
            self._given = SampleFolders(Path(quant.input_sample_dir), inputs)
        elif not quant.input_configs:
            raise UserError.of(
                "precision_analysis has no data, since there are no calibration data",
                "quant.input_sample_dir",
                "a folder of samples in the model's own format",
            )

    def check(self, module: ModuleOp) -> None:
        """Raises `UserError` where programs cannot show everything: the CPU runs a part of it."""
        if self._config.quant.precision_analysis_mode != "NPUBackend":
            return
        nodes = list(cpu_nodes(module))
        if nodes:
            names = ", ".join(f"'{n.node}' ({n.operator})" for n in nodes[:_SHOWN])
            more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
            raise UserError.of(
                "NPUBackend can analyse models of NPU subgraphs only, and the CPU runs the "
                f"node(s) {names}{more}",
                "quant.precision_analysis_mode",
                "Reference, which analyses every model",
            )

    def run(
        self,
        before: ModuleOp,
        after: ModuleOp,
        quantized: ModuleOp,
        dataset: Sequence[Sample],
        requantize: Requantize,
    ) -> None:
        """Compares, prints the table, and writes it, the graph, the page and the first sample.

        `before` is the calibrated float module, `after` the same with what prepares its inputs at
        run time, and `quantized` what became of that.
        """
        quant = self._config.quant
        samples = self._samples(dataset)
        runtime = self._runtime if all(p.invertible for p in self._plans.values()) else None
        names = float_names(before, after)
        comparison = Comparison(before, self._ctx, names, samples, runtime)
        outputs = Interface.of(before).outputs
        wide = self._wide(requantize)
        runs = self._runs(comparison, quantized, wide, outputs)
        with bar("precision analysis...", len(samples)) as advance:
            found = comparison.run(runs, advance, self._keep)
        add_wide(found["layers"], found.get("wide layers", ()))
        analysis = Analysis(
            quant.precision_analysis_method,
            quant.precision_analysis_mode,
            [samples[i].label for i in range(len(samples))],
            found["layers"],
            by_name(found["outputs"]),
        )
        cut = self._cut_on_purpose(before, analysis.layers)
        adviser = Adviser(
            analysis.layers,
            method=quant.calibration_method,
            options=_switches(quant),
            wide="wide outputs" in runs,
            operators=[node_name(op) for op in operators_of(main_function(before))],
            cut=cut,
        )
        advices = [adviser.advise(x) for x in analysis.layers]
        proposal = Proposal(adviser.proposal(advices), _effects(found))
        if proposal.configs:
            self._try(comparison, proposal, requantize, outputs)
        print_table(analysis.title, COLUMNS, table_rows(analysis.layers))
        _tell_worst([x for x in analysis.layers if x.layer.float_name not in cut])
        logger.info("{}", verdict(proposal.effects))
        table = write_table(analysis, self._folder)
        logger.info("save precision analysis table to [{}]", table)
        graph = write_graph(analysis, self._folder)
        logger.info("save precision analysis graph to [{}]", graph)
        page = write_report(analysis, advices, proposal, self._facts(analysis), self._folder)
        logger.info("save precision analysis report to [{}]", page)

    def _cut_on_purpose(self, before: ModuleOp, layers: Sequence[LayerFigures]) -> set[str]:
        """The float tensors some of whose numbers lie beyond the range, and nobody misses them."""
        func = main_function(before)
        fuses = not self._config.quant.disable_quant_optimization
        plan = QuantPlan(func, self._ctx.weights, fuses=fuses)
        values = {tensor_name(r): r for op in plan.ops() for r in op.results if is_float(r)}
        cut: set[str] = set()
        for x in layers:
            value, figures = values.get(x.layer.float_name), x.figures
            if value is None or figures.type is None or not figures.clipped:
                continue
            if is_cut_on_purpose(plan, value, (figures.low, figures.high), figures.bounds):
                cut.add(x.layer.float_name)
        return cut

    def _samples(self, dataset: Sequence[Sample]) -> Sequence[Sample]:
        quant = self._config.quant
        if self._config.model_type == "QuantONNX":
            logger.info(
                "the model is quantized already: its layers are compared with itself, as ONNX "
                "Runtime computes it"
            )
        title = f"{quant.precision_analysis_method} {quant.precision_analysis_mode}"
        if self._given is not None:
            words = "precision analysis ({}) on {} sample(s) of [{}]"
            logger.info(words, title, len(self._given), quant.input_sample_dir)
            return self._given
        chosen = Spread(dataset)
        words = "precision analysis ({}) on {} of {} calibration sample(s), spread evenly"
        logger.info(words, title, len(chosen), len(dataset))
        return chosen

    def _runs(
        self,
        comparison: Comparison,
        quantized: ModuleOp,
        wide: ModuleOp | None,
        outputs: Sequence[str],
    ) -> dict[str, Run]:
        """The layers as asked for, and the outputs with errors adding up; with 16 bits too."""
        quant = self._config.quant
        simulate = self._program if quant.precision_analysis_mode == "NPUBackend" else self._float
        whole = quant.precision_analysis_method == "EndToEnd"
        prepare = comparison.end_to_end if whole else comparison.per_layer
        runs = {
            "layers": prepare(quantized, simulate),
            "outputs": comparison.end_to_end(quantized, self._float, outputs),
        }
        if wide is not None:
            try:
                tried = {"wide outputs": comparison.end_to_end(wide, self._float, outputs)}
                if not whole:
                    tried["wide layers"] = comparison.per_layer(wide, self._float)
                runs |= tried
            except UserError as error:
                logger.info("16-bit activations are not tried: {}", error)
        return runs

    def _runtime(self, sample: Sample, wanted: Mapping[str, np.dtype[Any]]) -> Tensors:
        """What comes in at run time for a sample of the model's own format."""
        return {
            name: self._plans[name].runtime_array(sample.inputs[name]).astype(dtype)
            for name, dtype in wanted.items()
        }

    def _float(self, module: ModuleOp) -> Simulation:
        return Reference(module, self._ctx)

    def _program(self, module: ModuleOp) -> Simulation:
        return Backend(module, self._compile)

    def _wide(self, requantize: Requantize) -> ModuleOp | None:
        """The model with 16-bit activations; None where the chip, or an operator, has none."""
        if "U16" not in load_target(self._config.target_hardware).element_types:
            return None
        try:
            return requantize((), "U16")
        except UserError as error:
            logger.info("16-bit activations are not tried: {}", error)
            return None

    def _try(
        self,
        comparison: Comparison,
        proposal: Proposal,
        requantize: Requantize,
        outputs: Sequence[str],
    ) -> None:
        """Measures what the proposal does to the model's outputs."""
        try:
            module = requantize(proposal.configs, "U8")
            run = comparison.end_to_end(module, self._float, outputs)
        except UserError as error:
            logger.info("the proposed layer_configs were not tried: {}", error)
            return
        tried = by_name(comparison.run({"tried": run})["tried"])
        for name, row in proposal.effects.items():
            row[1] = _said(tried[name].sqnr)

    def _keep(self, sample: Sample, floats: Tensors, results: Mapping[str, Tensors]) -> None:
        """Writes the first sample, and the outputs for it."""
        quantized = results["outputs"]
        write_sample(self._folder, sample.inputs, {n: floats[n] for n in quantized}, quantized)

    def _facts(self, analysis: Analysis) -> list[tuple[str, str]]:
        """What the head of the page says."""
        config = self._config
        source = config.quant.input_sample_dir or "calibration data"
        return [
            ("model", Path(config.input).name),
            ("target", f"{config.target_hardware} {config.npu_mode}"),
            ("calibration method", config.quant.calibration_method),
            ("samples", f"{len(analysis.samples)} of {source}"),
        ]


def _effects(found: Mapping[str, Sequence[LayerFigures]]) -> dict[str, list[float | None]]:
    """The SQNR of each output, and with 16-bit activations everywhere; see `Effects`."""
    wide = by_name(found.get("wide outputs", ()))
    return {
        name: [_said(figures.sqnr), None, _said(wide[name].sqnr) if name in wide else None]
        for name, figures in by_name(found["outputs"]).items()
    }


def _said(sqnr: float) -> float:
    """An SQNR that is no more than one can tell."""
    return min(sqnr, EXACT)


def _switches(quant: QuantConfig) -> set[str]:
    """The quantizer's options that can be turned on, and are not."""
    built = {o.name for o in options(QuantConfig) if o.kind == "bool" and o.extra.built}
    return {name for name in built if not getattr(quant, name)}


def _tell_worst(layers: Sequence[LayerFigures]) -> None:
    ordered = sorted(layers, key=lambda x: x.figures.sqnr)
    worst = [
        f"{x.layer.operator} ({x.layer.kind}) {x.figures.sqnr:.1f} dB" for x in ordered[:_SHOWN]
    ]
    logger.info("layers of the lowest SQNR: {}", ", ".join(worst))
