"""Random comparison, logic, selection and whole numbers, as steps of `random_graphs`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto
from random_graphs import Sketch

_COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def _inner(
    sketch: Sketch, op: str, inputs: list[str], shape: tuple[int, ...], **attributes: object
) -> str:
    """A node whose result is no f32 tensor, so that no other step may take it."""
    name = sketch.node(op, inputs, shape, **attributes)
    del sketch.live[name]
    sketch.integers.add(name)
    return name


def _condition(sketch: Sketch, x: str, shape: tuple[int, ...]) -> str:
    partners = [name for name, other in sketch.live.items() if other == shape]
    small = tuple(n if sketch.flag() else 1 for n in shape)
    other = sketch.pick(partners) if sketch.flag() else sketch.weight(*small)
    return _inner(sketch, sketch.pick(_COMPARISONS), [x, other], shape)


def where(sketch: Sketch) -> None:
    """Selection between two tensors, or a tensor and a constant, by what comparisons say."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    condition = _condition(sketch, x, shape)
    for _ in range(sketch.integer(0, 2)):
        if sketch.flag():
            condition = _inner(sketch, "Not", [condition], shape)
        else:
            other = _condition(sketch, x, shape)
            op = sketch.pick(("And", "Or", "Xor"))
            condition = _inner(sketch, op, [condition, other], shape)
    branches = [x, sketch.weight(*(n if sketch.flag() else 1 for n in shape))]
    sketch.node("Where", [condition, *(branches if sketch.flag() else branches[::-1])], shape)


def whole_numbers(sketch: Sketch) -> None:
    """Arithmetic on truncated numbers of some integer type, and back to f32."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    wide = sketch.flag()
    dtype = sketch.pick(("int32", "int64") if wide else ("int8", "int16", "uint8"))
    scaled = sketch.node("Mul", [x, sketch.constant(np.array(7, np.float32))], shape)
    if dtype == "uint8":
        scaled = sketch.node("Abs", [scaled], shape)
    kind = TensorProto.DataType.Value(dtype.upper())
    value = _inner(sketch, "Cast", [scaled], shape, to=kind)
    for _ in range(sketch.integer(1, 3)):
        size = tuple(n if sketch.flag() else 1 for n in shape)
        other = sketch.constant(sketch.rng.integers(1, 5, size).astype(dtype))
        # ONNX Runtime, which calibrates, has no Min and Max of the narrow types.
        op = sketch.pick(("Add", "Mul", "Sub", "Div", "Mod", *(("Min", "Max") if wide else ())))
        value = _inner(sketch, op, [value, other], shape)
    sketch.node("Cast", [value], shape, to=TensorProto.FLOAT)


def expand(sketch: Sketch) -> None:
    """Expand of new or single dimensions, or Tile."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    if sketch.flag():
        rest = [sketch.integer(1, 3) if n == 1 else n for n in shape[1:]]
        target = sketch.constant(np.array([1, *rest], np.int64))
        sketch.node("Expand", [x, target], (shape[0], *rest))
        return
    repeats = (1, *(sketch.integer(1, 2) for _ in shape[1:]))
    target = tuple(n * r for n, r in zip(shape, repeats, strict=True))
    sketch.node("Tile", [x, sketch.constant(np.array(repeats, np.int64))], target)


INTEGERS: tuple[Callable[[Sketch], None], ...] = (where, whole_numbers, expand)
