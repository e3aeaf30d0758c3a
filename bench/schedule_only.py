"""Networks quantized without data, and scheduled: times and traffic depend on shapes alone.

Every tensor gets the same range, so nothing has to be run; what the scheduler sees is what a build
with real calibration data would hand it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext, make_context
from pulsar2.driver.container import Compiled, compile_container
from pulsar2.driver.stages import quoted
from pulsar2.locations import location_name
from pulsar2.lowering.quant.ranges import write_ranges
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes

_RANGE = (-4.0, 4.0)
_PIXELS = "dtype=U8 layout=NHWC mean=127 std=32"


@dataclass
class Scheduled:
    """A compiled program, and the seconds of this process that each pass of scheduling took."""

    compiled: Compiled
    seconds: dict[str, float] = field(default_factory=dict[str, float])


def quantize_by_shape(model: onnx.ModelProto, folder: Path) -> tuple[ModuleOp, AxContext]:
    """The quantized and partitioned module of a float model, its input U8 pixels, NHWC.

    Raises `UserError` for operators that are not supported.
    """
    path = folder / f"{model.graph.name}.onnx"
    if not path.exists():
        onnx.save(model, path)
    context = make_context()
    module = import_onnx(path, context)
    run_passes(context, module, parse_passes("optimize"))
    function = main_function(module)
    values = [*function.args, *(r for op in function.body.block.ops for r in op.results)]
    write_ranges(function, dict.fromkeys(values, _RANGE))
    pixels = f"{location_name(function.args[0].location)} {_PIXELS}"
    passes = f"preprocess{{inputs={quoted(pixels)}}},quantize,partition"
    run_passes(context, module, parse_passes(passes))
    return module, context


def schedule(module: ModuleOp, context: AxContext, options: str = "") -> Scheduled:
    """Schedules a copy of a partitioned module, with options of the `schedule` pipeline."""
    copy = module.clone()
    result: dict[str, float] = {}
    started = 0.0

    def begin(*_: object) -> None:
        nonlocal started
        started = time.process_time()

    def end(each: object, _: object) -> None:
        name = str(getattr(each, "name", each))
        result[name] = result.get(name, 0.0) + time.process_time() - started

    run_passes(context, copy, parse_passes(f"schedule{{{options}}},emit"), before=begin, after=end)
    return Scheduled(compile_container(copy, context, macs=0), result)
