"""Compile EfficientNet-Lite0 for the AX650, NPU1, and classify 20 photographs on the emulator.

python examples/efficientnet_lite0/run.py [--npu_mode NPU1|NPU2|NPU3]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from classes import class_name
from evaluate import Comparison, Summary, compare, summarize
from photographs import read_evaluation_photographs
from prepare import HERE, PreparationError, prepare
from rich.console import Console
from rich.table import Table

from pulsar2.axmodel import CompiledModel, read_axmodel
from pulsar2.files import write_bytes, write_text
from pulsar2.targets import load_target
from pulsar2.timeline import Timeline, picture, report_html


def build(model: Path, output: Path, npu_mode: str) -> int:
    """Run ``pulsar2 build`` as a user does, in the example's folder; its exit code."""
    command = [
        Path(sys.executable).with_name("pulsar2"),
        "build",
        "--input",
        model.relative_to(HERE),
        "--config",
        "config.json",
        "--output_dir",
        output.relative_to(HERE),
        "--target_hardware",
        "AX650",
        "--npu_mode",
        npu_mode,
    ]
    print("$ " + " ".join(["pulsar2", *map(str, command[1:])]), flush=True)
    return subprocess.run(command, cwd=HERE, check=False).returncode


def comparison_table(comparisons: list[Comparison]) -> Table:
    """One row per photograph; what is wrong is red."""
    table = Table(title="The photographs", title_justify="left")
    for column in ("photo", "label", "float", "emulated", "cosine"):
        table.add_column(column, no_wrap=True)
    for each in comparisons:
        label = each.photograph.label

        def cell(predicted: int, label: int = label) -> str:
            return f"[{'green' if predicted == label else 'red'}]{class_name(predicted)}[/]"

        table.add_row(
            each.photograph.name.removeprefix("imagenet_"),
            class_name(label),
            cell(each.float_class),
            cell(each.emulated_class),
            f"{each.cosine:.4f}",
        )
    return table


def write_timeline(model: CompiledModel, output: Path) -> tuple[Path, Path]:
    """Save when each job runs and what lies in OCM, as a picture and as a page; their paths."""
    timeline = Timeline.of(model.subgraphs[0].programs[0].code, load_target(model.target).timing)
    title = f"EfficientNet-Lite0, {model.target} {model.npu_mode}"
    png, page = output / "timeline.png", output / "timeline.html"
    write_bytes(png, picture(timeline, title))
    write_text(page, report_html(timeline, title))
    return png, page


def summary_table(summary: Summary, model: CompiledModel) -> Table:
    """Accuracy and time."""
    table = Table(title="Summary", title_justify="left", show_header=False)
    of = f"of {summary.photographs}"
    table.add_row("top-1, float", f"{summary.float_right} {of}")
    table.add_row("top-1, emulated", f"{summary.emulated_right} {of}")
    table.add_row("same class", f"{summary.agreeing} {of}")
    table.add_row("cosine of the outputs, mean", f"{summary.cosine:.4f}")
    milliseconds, cycles = model.figures["latency_us"] / 1e3, int(model.figures["max_cycle"])
    table.add_row("latency estimate", f"{milliseconds:.3f} ms ({cycles:,} cycles)")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--npu_mode", choices=("NPU1", "NPU2", "NPU3"), default="NPU1")
    npu_mode = parser.parse_args().npu_mode
    try:
        data = prepare()
    except PreparationError as error:
        print(error, file=sys.stderr)
        return 1
    output = HERE / "output"
    if code := build(data.model, output, npu_mode):
        return code
    compiled = output / "compiled.axmodel"
    comparisons = compare(read_evaluation_photographs(data.photographs), data.model, compiled)
    model = read_axmodel(compiled)
    png, page = write_timeline(model, output)
    files = {
        "compiled model": compiled,
        "quantized model": output / "quant" / "quant_axmodel.onnx",
        "timeline, picture": png,
        "timeline, page": page,
    }
    console = Console()
    console.print()
    console.print(comparison_table(comparisons))
    console.print(summary_table(summarize(comparisons), model))
    for name, path in files.items():
        print(f"{name:<18} {os.path.relpath(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
