"""Options of scheduling and of checking its result."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import SerializerFunctionWrapHandler, model_serializer

from pulsar2.config.option import Flag, Message, Repeated, option

BatchSize = Annotated[int, Ge(1)]


class CompilerOptions(Message):
    """What can be said of the whole model and of a subgraph alike."""

    static_batch_sizes: Repeated[BatchSize] = option(
        list, "batch sizes to compile for, sharing weights", limits="at least 1"
    )
    max_dynamic_batch_size: int = option(
        0,
        "compile for 1, 2, 4, ... up to this batch size, while it pays; 0 leaves the batch alone",
        ge=0,
    )
    ddr_bw_limit: float = option(
        0.0,
        "DDR bandwidth to plan with, in GB/s, if less than the target's; 0 is the target's own",
        ge=0,
        le=1e6,
        limits="0, or 0.001 to 1000000",
    )
    disable_ir_fix: Flag = option(
        False, "with several batch sizes, leave the shapes of Reshape operators alone"
    )
    check: Literal[0, 1, 2, 3] = option(
        0,
        "check the compiled program against the quantized graph: 1 all close, 2 all equal, "
        "3 cosine similarity",
    )
    npu_perf: Flag = option(
        False, "write the schedule as trace.json for a timeline viewer, and as a page"
    )
    check_mode: Literal["CheckOutput", "CheckPerLayer"] = option(
        "CheckOutput", "compare the outputs alone, or inner tensors too"
    )
    check_rtol: float = option(1e-5, "relative tolerance of check 1", ge=0)
    check_atol: float = option(0.0, "absolute tolerance of check 1", ge=0)
    check_cosine_simularity: float = option(
        0.999, "smallest cosine similarity of check 3", ge=-1, le=1
    )
    check_tensor_black_list: Repeated[str] = option(
        list, "tensors left out of the check", limits="regular expressions for whole names"
    )
    enable_slice_mode: Flag = option(
        False, "run chains of operators slice by slice of rows, where that saves DDR traffic"
    )
    enable_tile_mode: Flag = option(
        False,
        "run chains of operators tile by tile, of rows and columns, where that saves DDR traffic",
    )
    enable_data_soft_compression: Flag = option(
        False,
        "compress programs and their parameters in the file: smaller, but slower to load",
    )
    input_sample_dir: str = option(
        "",
        "folder of inputs for check, in the compiled model's format, as pulsar2 run reads them; or "
        "of such folders",
        default_text="the calibration data",
    )


class SubCompilerConfig(CompilerOptions):
    """Options of one subgraph; what it does not say is as the whole model has it."""

    start_tensor_names: Repeated[str] = option(list, "tensors at which it begins", required=True)
    end_tensor_names: Repeated[str] = option(list, "tensors at which it ends", required=True)

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if k in self.model_fields_set}


class CompilerConfig(CompilerOptions):
    """How the NPU programs are made and checked."""

    sub_configs: list[SubCompilerConfig] = option(
        list, "subgraphs that are compiled apart, with options of their own"
    )

    def of_subgraph(self, sub: SubCompilerConfig) -> CompilerConfig:
        """The options in force in `sub`: its own where it says something, else these."""
        own = set(CompilerOptions.model_fields) & sub.model_fields_set
        return self.model_copy(update={name: getattr(sub, name) for name in own})
