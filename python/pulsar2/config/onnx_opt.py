"""Options of the float graph's optimization, and of debugging."""

from __future__ import annotations

from pulsar2.config.option import Flag, Message, option


class OnnxOptimizeOption(Message):
    """How the float ONNX graph is optimized before quantization."""

    disable_onnx_optimization: Flag = option(
        False, "leave the float graph as it is, apart from what later stages need"
    )
    enable_onnxsim: Flag = option(
        False, "simplify the graph first with onnxslim, which is installed apart (pulsar2[onnxsim])"
    )
    model_check: Flag = option(
        False,
        "run the original and the optimized float model on all calibration data and compare them",
    )
    disable_transformation_check: Flag = option(
        False, "do not compare the outputs before and after optimization on a calibration sample"
    )
    save_tensors_data: Flag = option(
        False, "keep weights in files of work_dir during the build, to need less memory"
    )


class DebugConfig(Message):
    """What is written down for looking into the compiler."""

    dump_frontend_graph: Flag = option(
        False,
        "write the optimized model with its quantization as frontend/optimzied_quant_axmodel.onnx",
    )
    dump_ir: Flag = option(
        False, "write the IR after each stage, with its weights, into the folder ir of work_dir"
    )
