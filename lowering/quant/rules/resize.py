"""Resize: nearest and linear, of the last two axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.types import element_type
from pulsar2.lowering.quant.rules.base import Rule, constant_of, is_float, shape_of
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

_MODES = ("nearest", "linear")
_COORDINATES = tuple(c.value for c in quant.Coordinates)


class ResizeRule(Rule):
    """A nearest Resize moves data; a linear one has a quantization of its own."""

    op_types = ("Resize",)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not is_float(op.operands[0]):
            return "only f32 is supported"
        mode, coordinates = op.value_of("mode"), op.value_of("coordinate_transformation_mode")
        if mode not in _MODES:
            return f"mode is '{mode}', but only {' and '.join(_MODES)} are supported"
        if coordinates not in _COORDINATES:
            return (
                f"coordinate_transformation_mode is '{coordinates}', but only "
                f"{', '.join(_COORDINATES)} are supported"
            )
        for name in ("antialias", "exclude_outside"):
            if op.value_of(name):
                return f"{name} is set"
        policy = op.value_of("keep_aspect_ratio_policy")
        if op.operand(3) is not None and policy != "stretch":
            return f"keep_aspect_ratio_policy is '{policy}', but only stretch is supported"
        if op.operand(2) is not None and constant_of(op.operand(2), weights) is None:
            return "the scales are computed, but only constant scales are supported"
        if _scales(op, weights) is None:
            return "it resizes other axes than the last two"
        return ""

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[:1] if op.value_of("mode") == "nearest" else ()

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        found = _scales(op, to.weights)
        assert found is not None
        element = to.plan.element_type(op.result)
        nearest = op.value_of("mode") == "nearest"
        value = op.operands[0]
        x = to.operand_as(value, element) if nearest else to.operand(value)
        given = shape_of(value)
        shape, size = _image(given, found[-2:]), _image(shape_of(op.result), found[-2:])
        if shape != given:
            wide = TensorType(element_type(x), shape)
            x = to.emit(quant.ReshapeOp(x, wide), to.part_location(op, "image"))
        scales: Sequence[float] | None = None
        if op.operand(2) is not None:
            scales = found[-2:] if shape[2:] == given[-2:] else (1.0, found[-1])
        coordinates = quant.Coordinates(op.value_of("coordinate_transformation_mode"))
        y_type = TensorType(element, size)
        made = (
            quant.ResizeNearestOp(
                x, coordinates, quant.Rounding(op.value_of("nearest_mode")), scales, y_type
            )
            if nearest
            else quant.ResizeLinearOp(x, coordinates, scales, y_type)
        )
        if shape == given:
            to.finish(op, made)
            return
        y = to.emit(made, to.part_location(op, "resize"))
        to.finish(op, quant.ReshapeOp(y, to.type_of(op.result)))


def _image(shape: Sequence[int], scales: Sequence[float]) -> tuple[int, ...]:
    """`shape` as [N, C, H, W], W the last axis, and H the one before it if it is resized at all."""
    if len(shape) == 4:
        return tuple(shape)
    if len(shape) == 3 and scales[0] == 1.0:
        return (*shape[:2], 1, shape[2])
    lead = shape[:-2] if len(shape) > 2 else (1,)
    return (lead[0], prod(lead[1:]), *shape[-2:])


def _scales(op: OnnxOp, weights: WeightStore) -> tuple[float, ...] | None:
    """The scale of every axis; None where one before the last two is resized.

    Where the operator gives sizes they are the quotients of the sizes, up to rounding.
    """
    x, y = shape_of(op.operands[0]), shape_of(op.result)
    array = constant_of(op.operand(2), weights)
    scales = [n / m for n, m in zip(y, x, strict=True)]
    if array is not None:
        axes: Sequence[int] = op.value_of("axes") or range(len(x))
        scales = [1.0] * len(x)
        for axis, scale in zip(axes, array.astype(np.float64), strict=True):
            scales[axis] = float(scale)
    if len(x) < 2 or any(s != 1.0 for s in scales[:-2]):
        return None
    return tuple(scales)


RESIZE_RULES: tuple[Rule, ...] = (ResizeRule(),)
