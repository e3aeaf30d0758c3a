"""For which sizes a model is compiled: batches, and groups of other input sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.dataset import Sample
from pulsar2.config.build import BuildConfig
from pulsar2.config.load import Where
from pulsar2.console.log import silent
from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, first_line
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.driver.inputs import InputPlan, place
from pulsar2.frontend.batch import BatchRepairs, batch_repairs, check_reshapes
from pulsar2.onnx_export import main_function
from pulsar2.weights import AnyArray

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Variant:
    """A group of input sizes in a batch size; (0, 1) is the model as it was quantized."""

    group: int
    batch: int

    @property
    def label(self) -> str:
        """A name for messages and folders."""
        return f"g{self.group}_b{self.batch}" if self.group else f"b{self.batch}"


def largest_batch(config: BuildConfig) -> int:
    """How many samples the inputs of the compiled model hold."""
    options = config.compiler
    return max(options.static_batch_sizes, default=max(options.max_dynamic_batch_size, 1))


def first_batches(config: BuildConfig) -> list[int]:
    """The batch sizes to compile for, ascending; of dynamic ones those to try."""
    options = config.compiler
    if options.static_batch_sizes:
        return sorted(options.static_batch_sizes)
    sizes = [1]
    while sizes[-1] * 2 <= options.max_dynamic_batch_size:
        sizes.append(sizes[-1] * 2)
    return sizes


def group_shapes(plans: Sequence[InputPlan], where: Where | None) -> list[Shapes]:
    """The shapes of the model's inputs in each group, the model's own first.

    Raises `UserError` where an extra shape does not fit its input.
    """
    own = {p.model.name: p.model.shape for p in plans}
    count = max((len(p.processor.src_extra_shapes) for p in plans), default=0)
    problems = Diagnostics()
    groups: list[Shapes] = [own]
    for index in range(count):
        shapes = dict(own)
        for number, plan in enumerate(plans):
            extra = plan.processor.src_extra_shapes
            if index >= len(extra):
                continue
            shape = tuple(extra[index].shape)
            if len(shape) != len(plan.model.shape):
                problems.error(
                    f"the input '{plan.model.name}' has {len(plan.model.shape)} dimensions, "
                    f"its extra shape {len(shape)}",
                    place(("input_processors", number, "src_extra_shapes", index), where),
                    f"such as {list(plan.model.shape)}",
                )
            shapes[plan.model.name] = shape
        groups.append(shapes)
    problems.raise_if_any()
    for index, shapes in enumerate(groups[1:], 1):
        logger.info("extra input shape, index: {}, shape: {}", index, shapes)
    return groups


Import = Callable[[Shapes, BatchRepairs], ModuleOp]
"""Imports the model for given shapes of its inputs, changed so that its batch may differ."""


class Sources:
    """The model, imported for other sizes than those that it was calibrated for."""

    def __init__(
        self,
        config: BuildConfig,
        ctx: AxContext,
        plans: Sequence[InputPlan],
        load: Import,
        where: Where | None,
    ):
        self.groups = group_shapes(plans, where)
        self._config = config
        self._ctx = ctx
        self._load = load
        self._repairs: dict[int, BatchRepairs] = {}
        self._floats: dict[int, FloatModel] = {}

    def keep(self, group: int, module: ModuleOp) -> None:
        """Remembers what there is to know of a group before its batch is changed.

        `module` is the group's model for one sample, as it was imported.
        """
        if first_batches(self._config) == [1] or group in self._floats:
            return
        self._repairs[group] = BatchRepairs()
        if not self._config.compiler.disable_ir_fix:
            kept = {o.op_name for o in self._config.op_processors}
            kept |= {c.name for c in self._config.const_processors}
            function = main_function(module)
            self._repairs[group] = batch_repairs(function, self._ctx.weights, kept)
        self._floats[group] = FloatModel.of(module, self._ctx)

    def load(self, variant: Variant, samples: Sequence[Sample]) -> ModuleOp:
        """The float module for a variant.

        Raises `UserError` when the model cannot have that size, or does not treat samples apart.
        """
        if variant.batch == 1:
            module = self._imported(variant, self.groups[variant.group], BatchRepairs())
            self.keep(variant.group, module)
            return module
        if variant.group not in self._floats:
            self.load(Variant(variant.group, 1), samples)
        shapes = for_samples(self.groups[variant.group], variant.batch)
        repairs = replace(self._repairs[variant.group], factor=variant.batch)
        module = self._imported(variant, shapes, repairs)
        if not self._config.onnx_opt.disable_transformation_check:
            self._prove(variant, FloatModel.of(module, self._ctx), samples)
        return module

    def _imported(self, variant: Variant, shapes: Shapes, repairs: BatchRepairs) -> ModuleOp:
        with silent("pulsar2"):
            try:
                module = self._load(shapes, repairs)
                check_reshapes(main_function(module))
                return module
            except UserError as error:
                raise in_variant(error, variant) from None

    def _prove(self, variant: Variant, model: FloatModel, samples: Sequence[Sample]) -> None:
        """Compares with what the model computes for each sample by itself.

        A Reshape may mix samples; the shapes alone do not show it.
        """
        if variant.group or not len(samples):
            logger.info("no data to compare batch {} with single samples", variant.batch)
            return
        feeds = [dict(samples[i % len(samples)].inputs) for i in range(variant.batch)]
        for name, array in feeds[0].items():
            if not array.ndim:
                feeds = [f | {name: array} for f in feeds]
        apart = [self._floats[variant.group].run(feed) for feed in feeds]
        problems = Diagnostics()
        try:
            together = model.run({n: _joined([f[n] for f in feeds]) for n in feeds[0]})
        except Exception as error:
            problems.error(f"ONNX Runtime cannot run it: {first_line(error)}")
            together = {}
        for name, got in together.items():
            # Sequences are refused where there is more than one sample.
            each = cast("Sequence[AnyArray]", [a[name] for a in apart])
            fault = difference(got, _joined(each))
            if fault:
                problems.error(
                    f"the output '{name}' is not what the model computes for each sample by "
                    f"itself: {fault}",
                    accepted="a model in which the first dimension is the batch everywhere; "
                    "const_processors changes the shape of a Reshape",
                )
        if problems.errors:
            raise in_variant(UserError(problems.errors), variant)


def _joined(arrays: Sequence[AnyArray]) -> AnyArray:
    return np.concatenate(arrays) if arrays[0].ndim else arrays[0]


def in_variant(error: UserError, variant: Variant) -> UserError:
    """`error`, which says for which sizes it is."""
    sizes = f"batch {variant.batch}" + (f" of group {variant.group}" if variant.group else "")
    return UserError(
        [replace(d, where=f"{sizes}: {d.where}" if d.where else sizes) for d in error.diagnostics]
    )


def for_samples(shapes: Shapes, batch: int) -> Shapes:
    """The shapes for `batch` times as many samples."""
    return {n: (s[0] * batch, *s[1:]) if s else s for n, s in shapes.items()}
