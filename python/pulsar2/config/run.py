"""`RunConfig`: all that `pulsar2 run` can be told."""

from __future__ import annotations

from typing import Literal

from pulsar2.config.build import Hardware
from pulsar2.config.option import Flag, Message, option


class RunConfig(Message):
    """One simulation: the model, where inputs and outputs lie, and what runs it."""

    model: str = option(
        "", "the model file: ONNX, quant_axmodel.onnx or a compiled model", required=True
    )
    input_dir: str = option("", "folder of input tensors, one .bin file each", required=True)
    output_dir: str = option("", "folder that output tensors are written to", required=True)
    list: str = option(
        "", "file with a line per simulation: the sub-folder of input_dir and output_dir to use"
    )
    random_input: Flag = option(False, "write random inputs into input_dir first")
    batch_size: int = option(
        0,
        "how many samples each .bin file holds, which run in the batches that the model has; 0 is "
        "what its inputs hold; compiled models only",
        ge=0,
    )
    enable_perlayer_output: Flag = option(False, "write inner tensors too")
    mode: Literal["Reference", "NPUBackend"] = option(
        "Reference", "what runs a quant_axmodel: ONNX Runtime, or the NPU program it compiles to"
    )
    target_hardware: Hardware = option(
        "AX650",
        "chip to compile a quant_axmodel for when mode is NPUBackend",
        not_built_values={"AX637": "", "AX8860": ""},
    )
    group_index: int = option(0, "which group of input sizes to run; 0 is the original", ge=0)
