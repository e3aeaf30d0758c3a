"""Contradictions: what is wrong with a configuration although every option alone is fine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from pulsar2.config.build import BuildConfig
from pulsar2.config.compiler import CompilerOptions
from pulsar2.config.processors import YUV_FORMATS, InputProcessor
from pulsar2.config.quant import FINETUNE_STRATEGIES, LayerConfig, QuantConfig
from pulsar2.config.shapes import FORMAT, parse_input_shapes
from pulsar2.config.tree import Path
from pulsar2.config.validate import Report
from pulsar2.diagnostics import UserError
from pulsar2.finetune.availability import missing_device, missing_torch

DEFAULT = "DEFAULT"
_WHOLE_MODEL = (
    "static_batch_sizes",
    "max_dynamic_batch_size",
    "disable_ir_fix",
    "enable_data_soft_compression",
)
"""Options of the compiler that a subgraph cannot have for itself."""
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_DEVICE = re.compile(r"cpu|cuda:[0-7]")


def check_build(config: BuildConfig, report: Report) -> None:
    """Reports every contradiction in `config`."""
    _check_names(config, report)
    _check_npu_mode(config, report)
    _check_quant(config.quant, report)
    _check_finetune(config, report)
    for index, processor in enumerate(config.input_processors):
        _check_input_processor(processor, ("input_processors", index), report)
    for index, output in enumerate(config.output_processors):
        if sorted(output.dst_perm) != list(range(len(output.dst_perm))):
            report.error(
                ("output_processors", index, "dst_perm"),
                f"{output.dst_perm} is not an order of axes",
                "each axis once",
            )
        if output.dst_perm and output.tensor_layout is not None:
            report.error(
                ("output_processors", index, "dst_perm"),
                "dst_perm and tensor_layout both order the axes",
                "one of the two",
            )
    _check_sizes(config, report)
    extra = {len(p.src_extra_shapes) for p in config.input_processors}
    if len(extra) > 1:
        report.error(
            ("input_processors",), "src_extra_shapes differ in number", "as many for every input"
        )
    for index, constant in enumerate(config.const_processors):
        if bool(constant.data) == bool(constant.data_path):
            report.error(
                ("const_processors", index), "needs new values", "either data or data_path"
            )
    _check_compiler(config, report)


def _check_names(config: BuildConfig, report: Report) -> None:
    for key in ("input", "output_dir"):
        if key in config.model_fields_set and not getattr(config, key):
            report.error((key,), "must not be empty", "a path")
    if PurePath(config.output_name).name != config.output_name or config.output_name in (".", ".."):
        report.error(
            ("output_name",), f"'{config.output_name}' is not a file name", "a name without folders"
        )
    try:
        parse_input_shapes(config.input_shapes)
    except UserError as error:
        report.error(("input_shapes",), error.diagnostics[0].message, FORMAT)
    for key, items in (
        ("input_processors", config.input_processors),
        ("output_processors", config.output_processors),
    ):
        _check_default((key,), [p.tensor_name for p in items], report)
    _check_default(
        ("quant", "input_configs"), [c.tensor_name for c in config.quant.input_configs], report
    )


def _check_default(path: Path, names: Sequence[str], report: Report) -> None:
    """DEFAULT stands for every tensor, so no other entry may stand beside it."""
    for index, name in enumerate(names):
        here = (*path, index, "tensor_name")
        if name == "" and not report.covers(here):
            report.error(here, "must not be empty", f"a tensor's name, or {DEFAULT}")
        elif name in names[:index]:
            report.error(here, f"there is already an entry for '{name}'", "one entry each")
        elif name == DEFAULT and len(names) > 1:
            report.error(
                here,
                f"{DEFAULT} is for every tensor, but other entries name tensors too",
                f"either {DEFAULT} alone, or an entry for each tensor",
            )


def _check_npu_mode(config: BuildConfig, report: Report) -> None:
    from pulsar2.targets import load_target, target_names

    if config.target_hardware not in target_names():
        return
    modes = load_target(config.target_hardware).modes
    if config.npu_mode not in modes:
        report.error(
            ("npu_mode",),
            f"{config.target_hardware} has no {config.npu_mode}",
            f"it has {', '.join(modes)}",
        )


def _check_quant(quant: QuantConfig, report: Report) -> None:
    for index, entry in enumerate(quant.input_configs):
        here = ("quant", "input_configs", index)
        if entry.calibration_size == 0:
            report.error(
                (*here, "calibration_size"), "0 is not accepted", "-1 for all, or 1 and more"
            )
        if 0 in entry.calibration_std:
            report.error((*here, "calibration_std"), "0 is not accepted", "it divides")
        _check_dataset(entry.calibration_dataset, (*here, "calibration_dataset"), report)
    for index, layer in enumerate(quant.layer_configs):
        _check_layer(layer, ("quant", "layer_configs", index), report)
    threshold = quant.refine_weight_threshold
    if threshold != -1 and not 0 <= threshold < 1e-4:
        report.error(
            ("quant", "refine_weight_threshold"),
            f"{threshold:g} is not accepted",
            "-1, 0, or less than 0.0001",
        )
    if not _DEVICE.fullmatch(quant.device):
        report.error(
            ("quant", "device"), f"'{quant.device}' is not accepted", "cpu, cuda:0 to cuda:7"
        )


def _check_finetune(config: BuildConfig, report: Report) -> None:
    """At most one strategy, of a float model, and torch with the device to run it."""
    quant = config.quant
    enabled = [key for key in FINETUNE_STRATEGIES if getattr(quant, key)]
    for key in enabled[1:]:
        report.error(
            ("quant", key),
            f"{enabled[0]} is another strategy of fine-tuning",
            f"one of {', '.join(FINETUNE_STRATEGIES)}",
        )
    if not enabled:
        return
    here = ("quant", enabled[0])
    if config.model_type != "ONNX":
        report.error(
            here,
            f"the weights of a {config.model_type} are integers already",
            "model_type ONNX for fine-tuning",
        )
        return
    missing = missing_torch()
    if missing:
        report.error(here, f"fine-tuning needs torch, and {missing}")
    elif _DEVICE.fullmatch(quant.device) and (missing := missing_device(quant.device)):
        report.error(("quant", "device"), missing)


def _check_dataset(dataset: str, path: Path, report: Report) -> None:
    if not dataset:
        if not report.covers(path):
            report.error(path, "must not be empty", "an archive or a folder of calibration data")
    elif "://" in dataset:
        report.error(path, f"'{dataset}' is not on this machine", "a path of a file or folder")
    elif "." in PurePath(dataset).name.strip(".") and not dataset.lower().endswith(_ARCHIVES):
        suffix = PurePath(dataset).suffix
        if suffix.lower() in (".rar", ".7z", ".bz2", ".xz", ".gz", ".npy", ".bin", ".jpg", ".png"):
            report.error(path, f"'{suffix}' is not an archive", f"one of {', '.join(_ARCHIVES)}")


def _check_layer(layer: LayerConfig, path: Path, report: Report) -> None:
    selectors = [layer.layer_name, layer.layer_names, layer.op_type, layer.op_types]
    span = bool(layer.start_tensor_names) or bool(layer.end_tensor_names)
    accepted = (
        "one of layer_name, layer_names, op_type, op_types, "
        "or start_tensor_names with end_tensor_names"
    )
    if sum(map(bool, selectors)) + span != 1:
        report.error(path, "must choose operators in exactly one way", accepted)
    elif span and not (layer.start_tensor_names and layer.end_tensor_names):
        report.error(path, "has only one end of a subgraph", accepted)


def _check_input_processor(processor: InputProcessor, path: Path, report: Report) -> None:
    if processor.csc_mode == "Matrix" and len(processor.csc_mat) != 12:
        report.error(
            (*path, "csc_mat"),
            f"csc_mode Matrix has {len(processor.csc_mat)} numbers",
            "12 numbers",
        )
    yuv = processor.src_format in YUV_FORMATS
    if yuv and processor.csc_mode == "NoCSC":
        report.error(
            (*path, "csc_mode"),
            f"src_format {processor.src_format} with csc_mode NoCSC",
            "FullRange, LimitedRange or Matrix",
        )
    if yuv and processor.src_dtype != "U8":
        report.error(
            (*path, "src_dtype"),
            f"src_format {processor.src_format} with src_dtype {processor.src_dtype}",
            "U8",
        )
    if yuv and processor.tensor_format not in ("RGB", "BGR"):
        report.error(
            (*path, "tensor_format"),
            f"src_format {processor.src_format} with tensor_format {processor.tensor_format}",
            "RGB or BGR",
        )
    if 0 in processor.std:
        report.error((*path, "std"), "0 is not accepted", "it divides")
    for key in ("padding", "slicing"):
        numbers: list[int] = getattr(processor, key)
        if len(numbers) % 2 or any(n < 0 for n in numbers):
            report.error((*path, key), "needs a begin and an end for each axis", "0 and more")


def _check_sizes(config: BuildConfig, report: Report) -> None:
    """Other sizes than those of the model: they must be possible, and there must be a model."""
    accepted = "model_type ONNX or QuantONNX"
    sizes = "a QuantAxModel has the sizes that it was quantized with"
    if config.model_type == "QuantAxModel":
        if config.input_shapes:
            report.error(("input_shapes",), sizes, accepted)
        for key in ("static_batch_sizes", "max_dynamic_batch_size"):
            value: list[int] | int = getattr(config.compiler, key)
            if value not in ([], [1], 0, 1):
                report.error(("compiler", key), sizes, accepted)
    for index, processor in enumerate(config.input_processors):
        here = ("input_processors", index, "src_extra_shapes")
        if processor.src_extra_shapes and config.model_type == "QuantAxModel":
            report.error(here, sizes, accepted)
        for number, extra in enumerate(processor.src_extra_shapes):
            if any(d < 1 for d in extra.shape) or not extra.shape:
                report.error(
                    (*here, number, "shape"), f"{extra.shape} is not a shape", "1 and more each"
                )


def _check_compiler(config: BuildConfig, report: Report) -> None:
    scopes: list[tuple[Path, CompilerOptions]] = [(("compiler",), config.compiler)]
    for index, sub in enumerate(config.compiler.sub_configs):
        scopes.append((("compiler", "sub_configs", index), sub))
        for key in _WHOLE_MODEL:
            if key in sub.model_fields_set and getattr(sub, key) != getattr(config.compiler, key):
                report.error(
                    ("compiler", "sub_configs", index, key),
                    "it is the same in the whole model",
                    f"what compiler.{key} says",
                )
        for key in ("start_tensor_names", "end_tensor_names"):
            here = ("compiler", "sub_configs", index, key)
            if not getattr(sub, key) and not report.covers(here) and key in sub.model_fields_set:
                report.error(here, "names no tensor", "names of tensors")
    for path, scope in scopes:
        if 0 < scope.ddr_bw_limit < 0.001:
            report.error(
                (*path, "ddr_bw_limit"),
                f"{scope.ddr_bw_limit:g} GB/s is too little to plan with",
                "0, or at least 0.001",
            )
        sizes = scope.static_batch_sizes
        if sizes and scope.max_dynamic_batch_size:
            report.error(
                (*path, "max_dynamic_batch_size"),
                "dynamic batches contradict static_batch_sizes",
                "one of the two",
            )
        if len(set(sizes)) != len(sizes):
            report.error((*path, "static_batch_sizes"), "names a batch size twice", "each once")
        for index, pattern in enumerate(scope.check_tensor_black_list):
            try:
                re.compile(pattern)
            except re.error as error:
                report.error(
                    (*path, "check_tensor_black_list", index),
                    f"'{pattern}' is not a regular expression: {error}",
                )
