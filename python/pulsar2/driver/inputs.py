"""What the configuration says of the model's inputs and outputs, held against the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import InputData
from pulsar2.config.build import BuildConfig
from pulsar2.config.load import Where
from pulsar2.config.processors import YUV_FORMATS, InputProcessor, OutputProcessor
from pulsar2.config.quant import FINETUNE_STRATEGIES, InputQuantConfig
from pulsar2.config.tree import Path as KeyPath
from pulsar2.config.tree import path_text
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.onnx.types import (
    dtype_of,
    element_of,
    form_of,
    is_tensor,
    static_shape_of,
)
from pulsar2.driver.color import color_option
from pulsar2.frontend.batch import BatchRepairs
from pulsar2.frontend.patch import ModelPatch
from pulsar2.lowering.onnx.runtime_input import DTYPES
from pulsar2.onnx_export import main_function, tensor_names
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.values import Form, Value
from pulsar2.weights import AnyArray

DEFAULT = "DEFAULT"
E = TypeVar("E", InputProcessor, OutputProcessor, InputQuantConfig)


@dataclass(frozen=True)
class ModelInput:
    """An input of the model as it is before pre-processing."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    form: Form = "tensor"


@dataclass(frozen=True)
class Interface:
    """The model's inputs and the names of its outputs, and of those of them that are tensors."""

    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    tensors: tuple[str, ...]

    @staticmethod
    def of(module: ModuleOp) -> Interface:
        function = main_function(module)
        arguments = function.body.block.args
        names = tensor_names(function, INPUT_NAMES, "input", len(arguments))
        inputs: list[ModelInput] = []
        for name, argument in zip(names, arguments, strict=True):
            form, type_ = form_of(argument.type) or ("tensor", argument.type)
            element = element_of(type_)
            if element is None:
                raise UserError.of(
                    "it is a map, or a sequence of sequences",
                    f"input '{name}'",
                    "a tensor, a sequence of tensors, or one of them as an optional value",
                )
            shape = static_shape_of(argument.type) or ()
            inputs.append(ModelInput(name, shape, dtype_of(element), form))
        types = list(function.function_type.outputs)
        outputs = tensor_names(function, OUTPUT_NAMES, "output", len(types))
        tensors = [n for n, t in zip(outputs, types, strict=True) if is_tensor(t)]
        return Interface(tuple(inputs), tuple(outputs), tuple(tensors))


@dataclass(frozen=True)
class InputPlan:
    """One input: where its calibration data come from, and what runs before the model.

    `processor` is what the configuration says or the default; `mean` and `std` those at run time.
    """

    model: ModelInput
    data: InputData
    processor: InputProcessor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def invertible(self) -> bool:
        """Whether `runtime_array` applies."""
        return self.processor.src_format not in YUV_FORMATS

    def runtime_value(self, value: Value, dtype: np.dtype[Any]) -> Value:
        """As `runtime_array`, in the element type that comes in; what is no tensor stays."""
        if isinstance(value, np.ndarray) and self.model.form == "tensor":
            return self.runtime_array(value).astype(dtype)
        return value

    def runtime_array(self, array: AnyArray) -> AnyArray:
        """What has to come in at run time for the model to see `array`; 0 in what is cut off."""
        said = self.processor
        if said.src_dtype == "FP32" and array.dtype != np.float32:
            return array
        wide = array.astype(np.float64)
        if said.src_layout != said.tensor_layout:
            wide = wide.transpose((0, 2, 3, 1) if said.src_layout == "NHWC" else (0, 3, 1, 2))
        channel = -1 if said.src_layout == "NHWC" else min(1, wide.ndim - 1)
        extent = [1] * wide.ndim
        if wide.ndim:
            extent[channel] = -1
        wide = wide * np.reshape(self.std or 1.0, extent if len(self.std) > 1 else ())
        wide = wide + np.reshape(self.mean or 0.0, extent if len(self.mean) > 1 else ())
        if any(said.padding):
            pairs = zip(said.padding[::2], said.padding[1::2], strict=True)
            wide = wide[tuple(slice(b, n - e) for n, (b, e) in zip(wide.shape, pairs, strict=True))]
        if any(said.slicing):
            wide = np.pad(wide, np.reshape(said.slicing, (-1, 2)))
        dtype: np.dtype[Any] = np.dtype(DTYPES[said.src_dtype])
        if dtype.kind == "f":
            return wide.astype(dtype)
        info = np.iinfo(dtype)
        return np.clip(np.rint(wide), info.min, info.max).astype(dtype)

    def preprocess_option(self) -> str:
        """What `onnx-insert-preprocess` is told, '' when there is nothing to insert."""
        said = self.processor
        mean = any(self.mean)
        std = any(s != 1 for s in self.std)
        edges = any(said.padding) or any(said.slicing)
        yuv = said.src_format in YUV_FORMATS
        layout = "NHWC" if yuv else said.src_layout
        given = np.dtype(DTYPES[said.src_dtype])
        same = given in (self.model.dtype, np.float32) and layout == said.tensor_layout
        if same and not (mean or std or edges):
            return ""
        words = [
            self.model.name,
            f"dtype={said.src_dtype}",
            f"layout={layout}",
            f"model-layout={said.tensor_layout}",
            f"mean={_numbers(self.mean)}" if mean else "",
            f"std={_numbers(self.std)}" if std else "",
            "pixels=U8" if given.kind == "f" and self.data.format == "Image" else "",
            f"slice={_numbers(said.slicing)}" if any(said.slicing) else "",
            f"pad={_numbers(said.padding)}" if any(said.padding) else "",
            f"pad-value={said.padding_constant_value}" if any(said.padding) else "",
        ]
        if yuv:
            words += color_option(said.src_format, said.csc_mode, said.tensor_format, said.csc_mat)
        return " ".join(w for w in words if w)


def stays_float(config: BuildConfig) -> bool:
    """Whether tensors without a quantization of their own stay FP32.

    That is so in a model that is quantized already when there are no data to calibrate them.
    """
    return config.model_type == "QuantONNX" and not config.quant.input_configs


def plan_inputs(config: BuildConfig, interface: Interface, where: Where | None) -> list[InputPlan]:
    """The plan of every input. `where` names the place of a key path, when that is known.

    Raises `UserError` with every tensor name that the model lacks, and every input without
    calibration data. A model that is quantized already needs none.
    """
    problems = Diagnostics()
    names = [i.name for i in interface.inputs]
    entries = config.quant.input_configs
    _check_names("input", names, [e.tensor_name for e in entries], _INPUT_CONFIGS, where, problems)
    said = config.input_processors
    _check_names("input", names, [e.tensor_name for e in said], _PROCESSORS, where, problems)
    outputs = [e.tensor_name for e in config.output_processors]
    _check_names("output", interface.outputs, outputs, _OUTPUTS, where, problems)
    plans: list[InputPlan] = []
    for model in interface.inputs:
        entry = _entry(entries, model.name)
        if stays_float(config):
            entry = InputQuantConfig(tensor_name=model.name, calibration_dataset="")
        if entry is None:
            if not any(e.tensor_name not in (*names, DEFAULT) for e in entries):
                problems.error(
                    f"no calibration data for the input '{model.name}'",
                    place(_INPUT_CONFIGS, where),
                    f"an entry with tensor_name '{model.name}' or {DEFAULT}",
                )
            continue
        plans.append(_plan(model, entry, _entry(said, model.name)))
    _check_forms(config, interface, where, problems)
    problems.raise_if_any()
    _tell(config, plans, interface)
    return plans


def _check_forms(
    config: BuildConfig, interface: Interface, where: Where | None, problems: Diagnostics
) -> None:
    """Reports what is said of inputs and outputs that are no tensors, and is for tensors alone."""
    inputs = {i.name: i for i in interface.inputs if i.form != "tensor"}
    outputs = set(interface.outputs) - set(interface.tensors)
    for index, entry in enumerate(config.quant.input_configs):
        model = inputs.get(entry.tensor_name)
        if model is not None and (entry.calibration_mean or entry.calibration_std):
            at = place((*_INPUT_CONFIGS, index), where)
            problems.error(f"{model.name} is no tensor: mean and std do not apply", at)
    for model in inputs.values():
        entry = _entry(config.quant.input_configs, model.name)
        if entry is not None and entry.calibration_format != "NumpyObject":
            problems.error(
                f"the input '{model.name}' is no tensor (but of the form {model.form}), which "
                f"calibration_format {entry.calibration_format} cannot hold",
                place(_INPUT_CONFIGS, where),
                "NumpyObject: lists of arrays, and None for an optional value that is not there",
            )
    named = [(_PROCESSORS, e.tensor_name, inputs) for e in config.input_processors]
    named += [(_OUTPUTS, e.tensor_name, outputs) for e in config.output_processors]
    for path, name, others in named:
        if name in others or (name == DEFAULT and others):
            which = ", ".join(sorted(others)) if name == DEFAULT else name
            problems.error(f"it is for tensors, which {which} is not", place(path, where))
    quant = config.quant
    for key in ("precision_analysis", "transformer_opt_level", *FINETUNE_STRATEGIES):
        if getattr(quant, key) and (inputs or outputs):
            problems.error(
                f"{', '.join(sorted((*inputs, *outputs)))}: it is for models whose inputs and "
                "outputs are all tensors",
                place(("quant", key), where),
                "leaving it out",
            )
    options = config.compiler
    batches = max(options.static_batch_sizes, default=options.max_dynamic_batch_size)
    if batches > 1 and (inputs or outputs):
        key = "static_batch_sizes" if options.static_batch_sizes else "max_dynamic_batch_size"
        problems.error(
            f"{', '.join(sorted((*inputs, *outputs)))}: what is not a tensor has no batch",
            place(("compiler", key), where),
            "a batch of 1",
        )


def model_patch(config: BuildConfig, repairs: BatchRepairs | None = None) -> ModelPatch:
    """What the configuration changes of the model's attributes and constants, and `repairs`."""
    attributes: dict[str, dict[str, Any]] = {}
    for operator in config.op_processors:
        attributes.setdefault(operator.op_name, {}).update(operator.attrs)
    constants = {
        c.name: Path(c.data_path) if c.data_path else c.data for c in config.const_processors
    }
    return ModelPatch(attributes, constants, repairs or BatchRepairs())


def output_options(config: BuildConfig, outputs: Sequence[str]) -> list[str]:
    """What `onnx-insert-postprocess` is told: a text for each output that changes."""
    perms = output_perms(config, outputs)
    return [f"{name} perm={','.join(map(str, perm))}" for name, perm in perms.items()]


def output_perms(config: BuildConfig, outputs: Sequence[str]) -> dict[str, Sequence[int]]:
    """The order of axes in which outputs leave the model, of those that change it."""
    perms = {name: _output_perm(_entry(config.output_processors, name)) for name in outputs}
    return {name: perm for name, perm in perms.items() if perm}


def stored_outputs(config: BuildConfig, outputs: Sequence[str]) -> list[str]:
    """The outputs that leave the model as integers."""
    said = {name: _entry(config.output_processors, name) for name in outputs}
    return [n for n, entry in said.items() if entry is not None and entry.output_dtype == "U8"]


def _output_perm(said: OutputProcessor | None) -> Sequence[int]:
    if said is None:
        return ()
    return said.dst_perm or ((0, 2, 3, 1) if said.tensor_layout == "NHWC" else ())


_INPUT_CONFIGS: KeyPath = ("quant", "input_configs")
_PROCESSORS: KeyPath = ("input_processors",)
_OUTPUTS: KeyPath = ("output_processors",)


def _check_names(
    kind: str,
    known: Sequence[str],
    given: Sequence[str],
    path: KeyPath,
    where: Where | None,
    problems: Diagnostics,
) -> None:
    for index, name in enumerate(given):
        if name not in known and name != DEFAULT:
            hint = nearest(name, known, 1)
            key: KeyPath = (*path, index, "tensor_name")
            problems.error(
                f"the model has no {kind} '{name}'",
                place(key, where),
                f"its {kind}s: {', '.join(known)}" + (f"; {hint}" if hint else ""),
            )


def place(path: KeyPath, where: Where | None) -> str:
    """The place of a key path, as messages show it."""
    return f"{where(path)}: {path_text(path)}" if where is not None else path_text(path)


def _entry(entries: Sequence[E], name: str) -> E | None:
    return next((e for e in entries if e.tensor_name in (name, DEFAULT)), None)


def _plan(model: ModelInput, entry: InputQuantConfig, said: InputProcessor | None) -> InputPlan:
    processor = said or InputProcessor(tensor_name=model.name)
    calibration = (
        tuple(map(float, entry.calibration_mean)),
        tuple(map(float, entry.calibration_std)),
    )
    data = InputData(
        name=model.name,
        shape=model.shape,
        dtype=model.dtype,
        dataset=Path(entry.calibration_dataset),
        format=entry.calibration_format,
        size=entry.calibration_size,
        tensor_format=processor.tensor_format,
        layout=processor.tensor_layout,
        mean=calibration[0],
        std=calibration[1],
        form=model.form,
    )
    mean = tuple(map(float, processor.mean)) or calibration[0]
    std = tuple(map(float, processor.std)) or calibration[1]
    return InputPlan(model, data, processor, mean, std)


def _tell(config: BuildConfig, plans: Sequence[InputPlan], interface: Interface) -> None:
    """Says which defaults apply and which settings have no effect."""
    inputs = {e.tensor_name for e in config.input_processors}
    plain = [p.model.name for p in plans if not inputs & {p.model.name, DEFAULT}]
    if plain:
        logger.info("apply default input processor configuration to {}", plain)
    outputs = {e.tensor_name for e in config.output_processors}
    plain = [n for n in interface.outputs if not outputs & {n, DEFAULT}]
    if plain:
        logger.info("apply default output processor configuration to {}", plain)
    for plan in plans:
        said = plan.processor
        if said.csc_mat and said.csc_mode == "NoCSC":
            logger.info(
                "ignore input csc config of [{}] because csc_mode is NoCSC", plan.model.name
            )
        formats = {said.src_format, said.tensor_format}
        if formats == {"RGB", "BGR"}:
            logger.warning(
                "input [{}] has src_format {} and tensor_format {}: the order of colours is not "
                "converted",
                plan.model.name,
                said.src_format,
                said.tensor_format,
            )


def _numbers(values: Sequence[float]) -> str:
    return ",".join(repr(v) for v in values)
