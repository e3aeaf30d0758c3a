"""Options of what is done to inputs, outputs, constants and operators."""

from __future__ import annotations

from typing import Any, Literal

from pulsar2.config.option import Message, Repeated, option

Layout = Literal["NHWC", "NCHW"]
YUV_FORMATS = ("YUYV422", "UYVY422", "YUV420SP", "YVU420SP")


class ExtraShape(Message):
    """One further size of an input."""

    shape: Repeated[int] = option(list, "the input's dimensions", required=True)


class InputProcessor(Message):
    """How a runtime input differs from the model's, and so what is computed before the model."""

    tensor_name: str = option("", "input of the model, or DEFAULT for every input", required=True)
    tensor_format: Literal["AutoColorSpace", "BGR", "RGB", "GRAY"] = option(
        "AutoColorSpace", "colour order that the model was trained with"
    )
    tensor_layout: Layout = option("NCHW", "layout of the model's input")
    src_format: Literal[
        "AutoColorSpace", "GRAY", "BGR", "RGB", "YUYV422", "UYVY422", "YUV420SP", "YVU420SP", "RAW"
    ] = option(
        "AutoColorSpace",
        "colour format at run time; a YUV format is converted to tensor_format on the NPU",
    )
    src_layout: Layout = option("NCHW", "layout at run time; a YUV format makes it NHWC")
    src_dtype: Literal["U8", "S8", "U16", "S16", "U32", "S32", "FP16", "FP32"] = option(
        "FP32",
        "element type at run time; the CPU converts what the NPU has no numbers of",
    )
    src_extra_shapes: list[ExtraShape] = option(
        list,
        "further sizes of this input, in the model's layout, each compiled into a group of its own",
    )
    csc_mode: Literal["NoCSC", "Matrix", "FullRange", "LimitedRange"] = option(
        "NoCSC",
        "how YUV becomes RGB or BGR: by csc_mat, or as BT.601 has it",
    )
    csc_mat: Repeated[float] = option(
        list,
        "3x4 matrix, row by row, of csc_mode Matrix",
        limits="12 numbers; those at 3, 7 and 11 are the biases",
    )
    mean: Repeated[float] = option(
        list, "per channel, subtracted at run time", default_text="calibration_mean"
    )
    std: Repeated[float] = option(
        list,
        "per channel, what is divided by at run time",
        default_text="calibration_std",
        limits="not 0",
    )
    padding: Repeated[int] = option(
        list,
        "how much is put at begin and end of each runtime axis, after slicing",
        limits="a begin and an end for each axis, 0 and more",
    )
    padding_mode: Literal["constant"] = option("constant", "what padding is filled with")
    padding_constant_value: int = option(
        0, "the value that padding is filled with, before mean and std"
    )
    slicing: Repeated[int] = option(
        list,
        "how much is cut off at begin and end of each runtime axis",
        limits="a begin and an end for each axis, 0 and more",
    )


class OutputProcessor(Message):
    """How a runtime output differs from the model's."""

    tensor_name: str = option("", "output of the model, or DEFAULT for every output", required=True)
    tensor_layout: Layout | None = option(
        None, "NHWC moves the channels of a 4-d output to its end", default_text="as it is"
    )
    dst_perm: Repeated[int] = option(
        list, "axes of the output in their new order", limits="each axis once"
    )
    output_dtype: Literal["FP32", "U8"] = option(
        "FP32",
        "element type at run time; U8 gives out the quantized numbers, and the log their scale",
    )


class ConstProcessor(Message):
    """New data for a constant of the model."""

    name: str = option("", "the constant", required=True)
    data: Repeated[float] = option(list, "its new values, in row-major order")
    data_path: str = option("", "file of its new values", limits=".bin, .npy or .txt")


class OpProcessor(Message):
    """New attributes for an operator."""

    op_name: str = option("", "the operator", required=True)
    attrs: dict[str, Any] = option(dict, "attributes and their new values", required=True)
