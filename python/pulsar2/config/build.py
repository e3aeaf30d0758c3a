"""`BuildConfig`: all that `pulsar2 build` can be told."""

from __future__ import annotations

from typing import Literal

from pulsar2.config.compiler import CompilerConfig
from pulsar2.config.onnx_opt import DebugConfig, OnnxOptimizeOption
from pulsar2.config.option import Message, option
from pulsar2.config.processors import (
    ConstProcessor,
    InputProcessor,
    OpProcessor,
    OutputProcessor,
)
from pulsar2.config.quant import QuantConfig

Hardware = Literal["AX650", "AX620E", "AX615", "M76H", "M57", "AX637", "AX8860"]


class BuildConfig(Message):
    """One build: what goes in, what it is for, where it goes, and how each stage works."""

    input: str = option("", "the model file", required=True)
    output_dir: str = option("", "folder for the results", required=True)
    output_name: str = option("compiled.axmodel", "file name of the compiled model in output_dir")
    work_dir: str = option("", "folder for intermediate results", default_text="output_dir")
    no_cache: bool = option(
        False, "calibrate anew, even if work_dir holds the ranges of the same model and data"
    )
    model_type: Literal["ONNX", "QuantAxModel", "QuantONNX"] = option(
        "ONNX",
        "what the model file is: float ONNX, quant_axmodel.onnx of an earlier build, or ONNX with "
        "QDQ quantization",
    )
    target_hardware: Hardware = option(
        "AX650", "chip to compile for", not_built_values={"AX637": "", "AX8860": ""}
    )
    npu_mode: Literal["NPU1", "NPU2", "NPU3", "NPU4"] = option(
        "NPU1",
        "how many NPU cores the model uses",
        limits="those that target_hardware has",
    )
    input_shapes: str = option(
        "",
        "new sizes of the model's inputs, which take effect before input_processors",
        limits="as in input1:1x3x224x224;input2:1x1x112x112",
    )
    onnx_opt: OnnxOptimizeOption = option(OnnxOptimizeOption, "optimization of the float graph")
    quant: QuantConfig = option(QuantConfig, "calibration and quantization")
    input_processors: list[InputProcessor] = option(list, "what is done to runtime inputs")
    output_processors: list[OutputProcessor] = option(list, "what is done to runtime outputs")
    const_processors: list[ConstProcessor] = option(list, "constants of the model to be replaced")
    op_processors: list[OpProcessor] = option(
        list, "attributes of the model's operators to be changed"
    )
    quant_op_processors: list[OpProcessor] = option(
        list, "attributes of the quantized graph's operators to be changed"
    )
    compiler: CompilerConfig = option(CompilerConfig, "scheduling, and checks of its result")
    debug: DebugConfig = option(DebugConfig, "dumps for looking into the compiler")
