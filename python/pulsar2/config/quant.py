"""Options of calibration and quantization."""

from __future__ import annotations

from typing import Literal

from pulsar2.config.option import Flag, Message, Repeated, option
from pulsar2.data_types import DataType, WeightType


class InputQuantConfig(Message):
    """The calibration data of one model input, or of all."""

    tensor_name: str = option("", "input of the model, or DEFAULT for every input", required=True)
    calibration_dataset: str = option(
        "",
        "archive (or folder) of calibration data",
        required=True,
        limits=".tar, .tar.gz, .tgz, .zip, or a folder",
    )
    calibration_format: Literal["Image", "Numpy", "Binary", "NumpyObject"] = option(
        "Image",
        "what the data set holds: pictures, one .npy per input, raw .bin, or .npy dictionaries",
    )
    calibration_size: int = option(
        32,
        "how many files of the data set to use; -1 uses all",
        ge=-1,
        limits="-1, or 1 and more",
    )
    calibration_mean: Repeated[float] = option(
        list, "per channel, subtracted from a calibration picture", default_text="[], which is 0"
    )
    calibration_std: Repeated[float] = option(
        list,
        "per channel, what a calibration picture is divided by after the mean",
        default_text="[], which is 1",
        limits="not 0",
    )


class LayerConfig(Message):
    """The precision of some operators: by name, by type, or between two sets of tensors."""

    layer_name: str = option("", "one operator, by name")
    layer_names: Repeated[str] = option(list, "several operators, by name")
    op_type: str = option("", "all operators of this type")
    op_types: Repeated[str] = option(list, "all operators of these types")
    start_tensor_names: Repeated[str] = option(
        list, "tensors at which a subgraph begins; DEFAULT is the model's inputs"
    )
    end_tensor_names: Repeated[str] = option(
        list, "tensors at which a subgraph ends; DEFAULT is the model's outputs"
    )
    data_type: DataType = option("U8", "type of the operators' activations")
    output_data_type: DataType | None = option(
        None, "type of a Conv's output where it differs from data_type", default_text="data_type"
    )
    weight_data_type: WeightType | None = option(
        None,
        "type of a Conv's weights; no unit of the NPU multiplies by FP32, so the CPU runs what is "
        "to keep them",
        default_text="S8",
    )


class QuantConfig(Message):
    """How ranges are observed and how the model is quantized."""

    input_configs: list[InputQuantConfig] = option(list, "calibration data of each input")
    layer_configs: list[LayerConfig] = option(
        list, "precision of single operators, operator types or subgraphs"
    )
    calibration_method: Literal["MinMax", "Percentile", "MSE", "KL"] = option(
        "MinMax",
        "how a range is chosen from what calibration observed",
    )
    precision_analysis: Flag = option(
        False, "compare every quantized tensor with the float model's"
    )
    precision_analysis_method: Literal["PerLayer", "EndToEnd"] = option(
        "PerLayer",
        "feed each layer the float model's input, or let errors add up through the model",
    )
    precision_analysis_mode: Literal["Reference", "NPUBackend"] = option(
        "Reference",
        "what runs the quantized model: ONNX Runtime, or the compiled program, bit for bit",
    )
    highest_mix_precision: Flag = option(False, "quantize as precisely as the target can")
    conv_bias_data_type: Literal["S32", "FP32"] = option(
        "S32", "type in which a Conv's bias is kept"
    )
    refine_weight_threshold: float = option(
        1e-6,
        "a weight channel whose greatest magnitude is less is quantized for this one; -1 is off",
        limits="-1, 0, or less than 0.0001",
    )
    enable_smooth_quant: Flag = option(
        False, "move the spread of activation channels into the weights (SmoothQuant)"
    )
    smooth_quant_threshold: float = option(
        0.2,
        "the larger, the more operators take part in SmoothQuant: those whose median input channel "
        "uses less than this share of the tensor's range",
        ge=0,
        le=1,
    )
    smooth_quant_strength: float = option(
        0.6, "share of the spread that SmoothQuant moves into the weights", ge=0, le=1
    )
    transformer_opt_level: Literal[0, 1, 2] = option(
        0,
        "1 keeps tensors of Softmax, normalizations, GELU and the residual stream in 16 bits where "
        "8 were measured to cost much; 2 only where they cost most",
    )
    input_sample_dir: str = option(
        "",
        "folder of inputs for precision analysis, in the original model's format",
        default_text="the calibration data",
    )
    ln_scale_data_type: Literal["FP32", "S32", "U32"] = option(
        "FP32",
        "type in which a LayerNormalization's scale is kept: S32 and U32 are whole numbers of a "
        "power of two",
    )
    check: Literal[0, 1] = option(0, "1 checks every quantized operator's types")
    disable_auto_refine_scale: Flag = option(
        False, "keep the scales of weights even where an S32 bias saturates at them"
    )
    enable_easy_quant: Flag = option(
        False, "search weight and activation scales for the least error (EasyQuant)"
    )
    disable_bias_correction: Flag = option(
        False, "do not take back what rounding the weights shifts results by on average"
    )
    disable_quant_optimization: Flag = option(
        False, "do not merge or drop operators of the quantized graph"
    )
    enable_brecq: Flag = option(
        False, "fine-tune rounding by how much the outputs depend on it, then ranges (BRECQ)"
    )
    enable_lsq: Flag = option(False, "fine-tune weights and all scales by gradient (LSQ)")
    enable_adaround: Flag = option(False, "fine-tune how each weight is rounded (AdaRound)")
    finetune_epochs: int = option(
        500, "passes over the calibration data for each block when fine-tuning", ge=1
    )
    finetune_block_size: int = option(4, "operators per block when fine-tuning", ge=1)
    finetune_batch_size: int = option(1, "samples per step when fine-tuning", ge=1)
    finetune_lr: float = option(1e-3, "learning rate of fine-tuning", gt=0)
    device: str = option(
        "cpu",
        "where fine-tuning runs; calibration always runs on the CPU",
        limits="cpu, cuda:0 to cuda:7",
    )


FINETUNE_STRATEGIES = ("enable_adaround", "enable_lsq", "enable_brecq")
"""The options that each turn on a strategy of fine-tuning."""
