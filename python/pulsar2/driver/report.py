"""What a build prints beside its log: tables, and the summary at its end."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from pulsar2.config.build import BuildConfig
from pulsar2.config.quant import LayerConfig
from pulsar2.console.tables import print_summary, print_table
from pulsar2.driver.container import Compiled
from pulsar2.driver.inputs import InputPlan
from pulsar2.driver.workspace import Workspace
from pulsar2.files import write_text
from pulsar2.targets import load_target

if TYPE_CHECKING:
    from pulsar2.timeline import Timeline

_MIB = 1 << 20
_PERF_COLUMNS = (
    "Subgraph", "Latency", "FPS", "MACs run", "Utilization", "DDR MB", "OCM peak", "Bound by"
)  # fmt: skip


def print_quant_config(plans: Sequence[InputPlan], workspace: Workspace) -> None:
    """The Quant Config Table: one row per input."""
    rows = [
        (
            plan.model.name,
            str(list(plan.model.shape)),
            str(workspace.dataset / plan.model.name),
            plan.data.format,
            plan.data.tensor_format,
            _as_f32(plan.data.mean),
            _as_f32(plan.data.std),
        )
        for plan in plans
    ]
    columns = ("Input", "Shape", "Dataset Directory", "Data Format", "Tensor Format", "Mean", "Std")
    print_table("Quant Config Table", columns, rows)


def print_layer_config(config: BuildConfig) -> None:
    """The Layer Config Table, when there are layer configurations."""
    rows: list[tuple[str, str]] = []
    for layer in config.quant.layer_configs:
        span = f"{layer.start_tensor_names} -> {layer.end_tensor_names}"
        names = [layer.layer_name, *layer.layer_names, layer.op_type, *layer.op_types]
        chosen = [n for n in names if n] or [span]
        rows += [(name, _precision(layer)) for name in chosen]
    if rows:
        print_table("Layer Config Table", ("Op Type / Layer name", "Precision"), rows)


def _precision(layer: LayerConfig) -> str:
    output, weights = layer.output_data_type, layer.weight_data_type
    more = (f"output {output}" if output else "", f"weights {weights}" if weights else "")
    return ", ".join((layer.data_type, *filter(None, more)))


def print_results(
    compiled: Compiled,
    size: int,
    workspace: Workspace,
    seconds: Mapping[str, float],
    warnings: Sequence[str],
    outcomes: Mapping[str, Sequence[str]],
) -> None:
    """The summary: where things are, how large and fast the model is, and every warning again.

    `outcomes` are lines about what was checked and measured, by the name of that.
    """
    model = compiled.model
    target = load_target(model.target)
    mhz = target.clock_hz / 1e6
    cycles = compiled.estimate.cycles
    stages = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items() if value >= 0.05)
    files = [
        ("quantized model", workspace.quant / "quant_axmodel.onnx"),
        ("float model", workspace.optimized),
        ("configuration", workspace.context),
        ("log", workspace.log),
        *([("nodes on the CPU", workspace.cpu_nodes)] if model.cpu_subgraphs else []),
    ]
    rows = [
        ("compiled model", f"{workspace.compiled} ({size / _MIB:.2f} MiB)"),
        *((name, str(path)) for name, path in files if path.exists()),
        ("target", f"{model.target} {model.npu_mode}"),
        *_subgraph_rows(compiled),
        ("latency estimate", _latency(compiled)),
        *_size_rows(compiled),
        ("cycles", f"{cycles:,} ({cycles / mhz / 1e3:.3f} ms at {mhz:g} MHz)"),
        ("macs", f"{int(model.figures['macs']):,}"),
        ("jobs", f"{int(model.figures['jobs']):,}"),
        *(
            (n if not i else "", text)
            for n, lines in outcomes.items()
            for i, text in enumerate(lines)
        ),
        ("build time", f"{sum(seconds.values()):.1f} s ({stages})"),
        ("warnings", str(len(warnings)) if warnings else "none"),
        *(("", warning) for warning in warnings),
    ]
    print_summary("Build finished.", rows)


def _subgraph_rows(compiled: Compiled) -> list[tuple[str, str]]:
    """Which subgraphs there are, in the order in which they run, where the CPU runs some."""
    if not compiled.model.cpu_subgraphs:
        return []
    return [("subgraphs", ", ".join(s.name for s in compiled.model.subgraphs))]


def _size_rows(compiled: Compiled) -> list[tuple[str, str]]:
    """The latency estimate of the other batch sizes and groups of input sizes."""
    model = compiled.model
    rows: list[tuple[str, str]] = []
    for number, group in enumerate(model.groups):
        for batch in group.batches:
            latency = model.figures.get(f"latency_us_g{number}_b{batch}")
            if latency is None:
                continue
            shapes = ", ".join("x".join(map(str, t.shape)) for t in group.inputs) if number else ""
            name = f"group {number}, batch {batch}" if number else f"batch {batch}"
            each = f", {latency / batch / 1e3:.3f} ms per sample" if batch > 1 else ""
            rows.append((name, f"{latency / 1e3:.3f} ms{each}{f' ({shapes})' if shapes else ''}"))
    return rows


def _latency(compiled: Compiled) -> str:
    if not compiled.programs:
        return "none: the CPU runs the whole model"
    text = f"{compiled.estimate.latency_us / 1e3:.3f} ms"
    count = len(compiled.model.cpu_subgraphs)
    return f"{text} on the NPU; the time of {count} CPU subgraph(s) is not told" if count else text


def write_traces(compiled: Compiled, workspace: Workspace, names: Container[str]) -> None:
    """The schedule of every program of the subgraphs of these names.

    It is trace.json for a timeline viewer, and a page by itself; a table tells the figures.
    """
    from pulsar2.timeline import Timeline, report_html, trace_json

    rows: list[tuple[str, ...]] = []

    target = load_target(compiled.model.target)
    for subgraph in compiled.model.npu_subgraphs:
        # Its counterpart for another group of sizes is `<name>_g1`.
        if subgraph.name not in names and subgraph.name.rpartition("_g")[0] not in names:
            continue
        for program in subgraph.programs:
            path = workspace.trace(subgraph.name, program.batch)
            timeline = Timeline.of(program.code, target.timing)
            write_text(path, trace_json(timeline))
            write_text(path.with_name("timeline.html"), report_html(timeline, subgraph.name))
            logger.info("save npu perf of [{}] to [{}]", subgraph.name, path)
            batch = f" b{program.batch}" if len(subgraph.programs) > 1 else ""
            rows.append(_perf_row(f"{subgraph.name}{batch}", timeline))
    if rows:
        print_table("NPU Perf Table", _PERF_COLUMNS, rows)


def _perf_row(name: str, timeline: Timeline) -> tuple[str, ...]:
    """A program's row of the npu perf table."""
    program = timeline.program
    peak = timeline.ocm_peak
    return (
        name,
        f"{timeline.latency_us / 1e3:.3f} ms",
        f"{1e6 / timeline.latency_us:.1f}",
        f"{timeline.macs / 1e6:,.1f} M",
        f"{timeline.conv_utilization:.1%}",
        "\n".join(f"{kind} {n / 1e6:.3f}" for kind, n in timeline.traffic_by_kind.items() if n),
        f"{peak / 1024:,.0f} KiB ({peak / max(program.ocm_bytes, 1):.0%})",
        timeline.bound,
    )


def _as_f32(values: Sequence[float]) -> str:
    return str([float(np.float32(v)) for v in values])
