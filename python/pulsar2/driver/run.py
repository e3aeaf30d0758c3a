"""`pulsar2 run`: simulates a model on tensors in files."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

from pulsar2.axmodel import CompiledModel, encode_axmodel, is_axmodel
from pulsar2.config.run import RunConfig
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.driver.simulators import NpuSimulator, OnnxSimulator, Simulator
from pulsar2.driver.tensors import (
    check_file_names,
    random_tensors,
    read_tensors,
    write_tensors,
)
from pulsar2.runtime import InferenceSession


def run(config: RunConfig) -> None:
    """Runs every simulation that `config` asks for. Raises `UserError` for what is wrong."""
    simulations = _simulations(config)
    simulator = _load(config)
    inputs = simulator.inputs
    check_file_names([t.name for t in inputs])
    check_file_names([t.name for t in simulator.outputs])
    for tensor in simulator.outputs:
        if tensor.quantization is not None:
            scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
            print(
                f"output [{tensor.name}] is {tensor.dtype}: scale {scale}, zero point {zero_point}"
            )
    for index, (_, source, _) in enumerate(simulations):
        if config.random_input:
            write_tensors(source, random_tensors(inputs, index), inputs)
    for name, source, target in simulations:
        print(f">>> [{name}] start", flush=True)
        values = simulator.run(read_tensors(source, inputs))
        if config.enable_perlayer_output:
            check_file_names(values)
        write_tensors(target, values, simulator.outputs, told=True)
        print(f">>> [{name}] finish", flush=True)


def _simulations(config: RunConfig) -> list[tuple[str, Path, Path]]:
    """Name, input folder and output folder of each simulation."""
    source, target = Path(config.input_dir), Path(config.output_dir)
    if not config.list:
        return [("0", source, target)]
    try:
        lines = Path(config.list).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError.of(f"cannot read the list: {reason}", config.list) from None
    problems = Diagnostics()
    found: list[tuple[str, Path, Path]] = []
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name:
            continue
        if Path(name).is_absolute() or ".." in Path(name).parts:
            problems.error(
                f"'{name}' is not a folder inside input_dir",
                f"{config.list}:{number}",
                "a relative path without ..",
            )
        found.append((name, source / name, target / name))
    problems.raise_if_any()
    if not found:
        raise UserError.of("the list names no simulation", config.list, "one sub-folder per line")
    return found


def _load(config: RunConfig) -> Simulator:
    """The simulator of the model's kind; `UserError` for options that this kind does not have."""
    proto = _read(config.model)
    if is_axmodel(proto):
        session = InferenceSession(config.model)
        _check_compiled(config, session.model)
        group, inner = config.group_index, config.enable_perlayer_output
        return NpuSimulator(session, group, config.batch_size, inner=inner)
    problems = Diagnostics()
    _check_group(config, 1)
    quantized = _is_quantized(proto)
    if config.batch_size:
        problems.error("only a compiled model has batches", "--batch_size", "a compiled.axmodel")
    if config.mode != "Reference" and not quantized:
        problems.error("only a quant_axmodel has modes", "--mode", "a quant_axmodel.onnx")
    problems.raise_if_any()
    backend = quantized and config.mode == "NPUBackend"
    if "target_hardware" in config.model_fields_set and not backend:
        what = "a quant_axmodel with --mode NPUBackend"
        print(f"warning: --target_hardware has an effect on {what} alone", file=sys.stderr)
    if quantized:
        return _load_quantized(config)
    return OnnxSimulator(proto, config.model, inner=config.enable_perlayer_output)


def _check_compiled(config: RunConfig, model: CompiledModel) -> None:
    """Refuses what a compiled model is not, and cannot become."""
    problems = Diagnostics()
    given = config.model_fields_set
    if "mode" in given and config.mode != "NPUBackend":
        problems.error(
            "a compiled model has no mode Reference",
            "--mode",
            "the quant_axmodel.onnx of its build",
        )
    if "target_hardware" in given and config.target_hardware != model.target:
        problems.error(
            f"the model is compiled for {model.target}", "--target_hardware", "leaving it out"
        )
    problems.raise_if_any()
    _check_group(config, len(model.groups))


def _is_quantized(proto: onnx.ModelProto) -> bool:
    """Whether the model is a quant_axmodel."""
    if {o.domain for o in proto.opset_import} <= {"", "ai.onnx"}:
        return False
    from pulsar2.quant_axmodel.schema import DOMAIN

    return any(o.domain == DOMAIN for o in proto.opset_import)


def _load_quantized(config: RunConfig) -> Simulator:
    """A quant_axmodel: as QDQ in ONNX Runtime, or as the program that it compiles to."""
    from pulsar2.console.log import Log
    from pulsar2.context import make_context
    from pulsar2.quant_axmodel import read_quant_axmodel

    ctx = make_context()
    module = read_quant_axmodel(config.model, ctx)
    if config.mode == "Reference":
        from pulsar2.quant_export.exporter import export_qdq

        model = export_qdq(module, ctx)
        inner = config.enable_perlayer_output
        return OnnxSimulator(model, config.model, inner=inner, changed=True)
    from pulsar2.driver.check import exposed
    from pulsar2.driver.compile import compile_quantized
    from pulsar2.driver.container import link
    from pulsar2.driver.guard import Crash
    from pulsar2.driver.stages import Stages

    log = Log().start()
    if config.enable_perlayer_output:
        module = exposed(module, ctx)
    stages = Stages(module, ctx, Crash(), None, {})
    compiled = link([{1: compile_quantized(stages, config.target_hardware, "NPU1")}])
    log.stop()
    return NpuSimulator(InferenceSession(encode_axmodel(compiled.model)))


def _read(path: str) -> onnx.ModelProto:
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.ModelProto.FromString(Path(path).read_bytes())
    except OSError as error:
        raise UserError.of(f"cannot read the model: {error.strerror}", path) from None
    except (DecodeError, ValueError):
        raise UserError.of("the model is not ONNX, or it is truncated", path) from None
    if not proto.graph.node:
        raise UserError.of("the model is not ONNX, or it is empty", path)
    return proto


def _check_group(config: RunConfig, groups: int) -> None:
    if config.group_index >= groups:
        known = ", ".join(map(str, range(groups)))
        raise UserError.of(
            f"the model has no group {config.group_index}", "--group_index", f"groups: {known}"
        )
