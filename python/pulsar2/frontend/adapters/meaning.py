"""Operators whose meaning, default or name changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from xdsl.dialects.builtin import StringAttr

from pulsar2.dialects.onnx.attributes import to_attribute
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.types import shape_of, static_shape_of
from pulsar2.frontend.node import Node

Adapter = Callable[[Node, OpBuilder], None]


def _softmax(node: Node, builder: OpBuilder) -> None:
    """Before opset 13 the axes from `axis` (default 1) on were normalized together."""
    x = node.operands[0]
    assert x is not None
    axis: Any = node.take("axis", 1)
    shape = shape_of(x.type)
    if shape is not None and axis % max(len(shape), 1) == len(shape) - 1:
        node.attributes["axis"] = to_attribute(-1)
        return
    flat = builder.op("Flatten", [x], {"axis": axis})
    soft = builder.op(node.op_type, [flat.result], {"axis": -1})
    extent = static_shape_of(x.type)
    if extent is not None:
        target = builder.constant(np.array(extent, dtype=np.int64))
    else:
        target = builder.op("Shape", [x]).result
    node.op_type = "Reshape"
    node.operands = [soft.result, target]
    node.attributes.clear()


def _scatter(node: Node, builder: OpBuilder) -> None:
    node.op_type = "ScatterElements"


def _upsample(node: Node, builder: OpBuilder) -> None:
    """Upsample is Resize with scales, asymmetric coordinates and (nearest) floor."""
    node.op_type = "Resize"
    node.operands = [node.operands[0], None, node.operands[1]]
    mode: Any = node.take("mode", "nearest")
    node.attributes["mode"] = to_attribute("linear" if "linear" in mode else "nearest")
    node.attributes["coordinate_transformation_mode"] = StringAttr("asymmetric")
    node.attributes["nearest_mode"] = StringAttr("floor")


def _resize(node: Node, builder: OpBuilder) -> None:
    """Up to opset 12 an empty tensor stood for an input that is left out."""
    mode = node.attributes.get("coordinate_transformation_mode")
    if mode == StringAttr("tf_half_pixel_for_nn"):
        raise ValueError(
            "its coordinate_transformation_mode 'tf_half_pixel_for_nn' is of old opsets"
        )
    for index in (1, 2):
        value = node.operand(index)
        given_up = index == 1 and mode != StringAttr("tf_crop_and_resize")
        if value is not None and (given_up or static_shape_of(value.type) == (0,)):
            node.operands[index] = None


def _roi_align(node: Node, builder: OpBuilder) -> None:
    """Opset 16 moved the coordinates by half a pixel."""
    node.attributes.setdefault("coordinate_transformation_mode", StringAttr("output_half_pixel"))


def _grid_sample(node: Node, builder: OpBuilder) -> None:
    """Opset 20 renamed the modes for any number of spatial axes."""
    mode: Any = node.take("mode", "bilinear")
    names = {"bilinear": "linear", "bicubic": "cubic"}
    node.attributes["mode"] = to_attribute(names.get(mode, mode))


def _group_normalization(node: Node, builder: OpBuilder) -> None:
    """Before opset 21 scale and bias had one element per group, not per channel."""
    x, groups = node.operands[0], node.attributes.get("num_groups")
    shape = None if x is None else shape_of(x.type)
    if groups is None or shape is None or len(shape) < 2 or shape[1] < 0:
        raise ValueError("its number of channels must be known to raise it to opset 21")
    count: Any = to_attribute(groups)
    per_group = shape[1] // count.value.data
    for index in (1, 2):
        value = node.operands[index]
        assert value is not None
        column = builder.constant(np.array([-1, 1], dtype=np.int64))
        row = builder.constant(np.array([-1], dtype=np.int64))
        repeats = builder.constant(np.array([1, per_group], dtype=np.int64))
        stacked = builder.op("Reshape", [value, column])
        tiled = builder.op("Tile", [stacked.result, repeats])
        node.operands[index] = builder.op("Reshape", [tiled.result, row]).result


def _batch_normalization(node: Node, builder: OpBuilder) -> None:
    """Before opset 14 further outputs meant training."""
    if any(node.outputs[1:]):
        raise ValueError("it has outputs for training, which opset 14 redefined")


ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    "Softmax": ((13, _softmax),),
    "LogSoftmax": ((13, _softmax),),
    "Hardmax": ((13, _softmax),),
    "Scatter": ((99, _scatter),),
    "Upsample": ((99, _upsample),),
    "Resize": ((13, _resize),),
    "RoiAlign": ((16, _roi_align),),
    "GridSample": ((20, _grid_sample),),
    "GroupNormalization": ((21, _group_normalization),),
    "BatchNormalization": ((14, _batch_normalization),),
}
