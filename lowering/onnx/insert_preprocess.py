"""The pass `onnx-insert-preprocess`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import FunctionType, LocationAttr, ModuleOp, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, SSAValue, TypeAttribute
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx.attributes import AttributeValue
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.preprocess import Normalize
from pulsar2.dialects.onnx.types import (
    element_of,
    element_type_of_dtype,
    static_shape_of,
    tensor_type,
)
from pulsar2.locations import location_name, name_location
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.ranges import Range, range_of, write_ranges
from pulsar2.weights import AnyArray

_DTYPES = {"U8": np.uint8, "S8": np.int8, "U16": np.uint16, "S16": np.int16, "FP32": np.float32}
_OPTION = re.compile(r"\s+(dtype|layout|model-layout|mean|std|slice|pad|pad-value)=(\S*)$")
_LAYOUTS = ("NCHW", "NHWC")


@dataclass(frozen=True)
class _Input:
    """What is said of one runtime input."""

    name: str
    dtype: str = "FP32"
    layout: str = "NCHW"
    model_layout: str = "NCHW"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    cuts: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    pad_value: float = 0.0


@dataclass(frozen=True)
class InsertPreprocessPass(AxPass):
    """Makes the graph's inputs the runtime's: what a camera or decoder delivers.

    Each input that is named gets the runtime's element type, extent and layout, and before the
    model are inserted, where there is something to do, DequantizeLinear (of scale 1), Slice, Pad,
    Normalize, and Transpose. They are named `<input>_DequantizeLinear` and so on. Where the input
    has an observed range (`quant.range`), the inserted operations get theirs: of an integer input
    the range that its type can reach (from normalization on only where that has 8 bits), of a
    float one what the observed range was before normalization.

    Options:
    - `inputs`: one text per input, the name and then any of ` dtype=U8|S8|U16|S16|FP32`,
      ` layout=NCHW|NHWC` (at run time), ` model-layout=NCHW|NHWC`, ` mean=a,b,c` and ` std=a,b,c`
      (one number, or one per channel), ` slice=b,e,b,e,..` (how much is cut off at the begin and
      end of each axis of the runtime's layout), then ` pad=b,e,b,e,..` (how much is put there, of
      the value ` pad-value=v` before normalization). The defaults are FP32, NCHW, NCHW, nothing
      subtracted, divided, cut or put.

    Precondition: `@main` is a float graph, calibrated or not. Postcondition: its arguments have the
    runtime's types; the names of its inputs are the same.

    ```
    func.func @main(%input: tensor<1x3x8x8xf32>) { %0 = onnx.Relu(%input) ..
    ```
    becomes with `inputs="input dtype=U8 layout=NHWC mean=127 std=128"`
    ```
    func.func @main(%input: tensor<1x8x8x3xui8>) {
      %1 = onnx.DequantizeLinear(%input, %one, %zero) : (..) -> tensor<1x8x8x3xf32>
      %2 = onnx.Normalize(%1) {axis = 3, mean = [127.0, ..], std = [128.0, ..]} : ..
      %3 = onnx.Transpose(%2) {perm = array<i64: 0, 3, 1, 2>} : (..) -> tensor<1x3x8x8xf32>
      %0 = onnx.Relu(%3) ..
    ```
    """

    name = "onnx-insert-preprocess"

    inputs: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        diagnostics = Diagnostics()
        described = [_parse(text, diagnostics) for text in self.inputs if text]
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                names = {location_name(a.location): a for a in op.body.block.args}
                for item in described:
                    if item.name not in names:
                        diagnostics.error(
                            f"'{item.name}' is not an input of the graph",
                            self.name,
                            nearest(item.name, names) or f"its inputs are {', '.join(names)}",
                        )
                    else:
                        _check(item, names[item.name], diagnostics)
                diagnostics.raise_if_any()
                for item in described:
                    _Preprocess(ctx, op, item).insert(names[item.name])
        diagnostics.raise_if_any()


def _parse(text: str, diagnostics: Diagnostics) -> _Input:
    values: dict[str, str] = {}
    rest = text
    while (match := _OPTION.search(rest)) is not None:
        values[match.group(1)] = match.group(2)
        rest = rest[: match.start()]
    where = f"input '{rest}'"
    dtype = values.get("dtype", "FP32")
    if dtype not in _DTYPES:
        diagnostics.error(
            f"dtype '{dtype}' is not supported", where, f"one of {', '.join(_DTYPES)}"
        )
        dtype = "FP32"
    layouts = [values.get(key, "NCHW") for key in ("layout", "model-layout")]
    for layout in layouts:
        if layout not in _LAYOUTS:
            diagnostics.error(f"layout '{layout}' is not known", where, "NCHW or NHWC")
    numbers: list[tuple[float, ...]] = []
    for key in ("mean", "std"):
        try:
            numbers.append(tuple(float(v) for v in values.get(key, "").split(",") if v))
        except ValueError:
            diagnostics.error(f"{key}={values[key]} is not a list of numbers", where)
            numbers.append(())
    if 0 in numbers[1]:
        diagnostics.error("a standard deviation is 0", where)
    cuts, pads = (_edges(k, values.get(k, ""), where, diagnostics) for k in ("slice", "pad"))
    try:
        value = float(values.get("pad-value", 0))
    except ValueError:
        diagnostics.error(f"pad-value={values['pad-value']} is not a number", where)
        value = 0.0
    return _Input(rest, dtype, layouts[0], layouts[1], numbers[0], numbers[1], cuts, pads, value)


def _edges(key: str, text: str, where: str, diagnostics: Diagnostics) -> tuple[int, ...]:
    words = [v for v in text.split(",") if v]
    if any(not v.isdecimal() for v in words) or len(words) % 2:
        diagnostics.error(f"{key}={text} is not a begin and an end for each axis", where)
        return ()
    return tuple(int(v) for v in words)


def _check(item: _Input, argument: BlockArgument, diagnostics: Diagnostics) -> None:
    where = f"input '{item.name}'"
    shape = static_shape_of(argument.type)
    if shape is None or element_of(argument.type) != f32:
        diagnostics.error(f"it is a {argument.type}, not a tensor of f32 of known shape", where)
        return
    if item.layout != item.model_layout and len(shape) != 4:
        diagnostics.error(f"it has {len(shape)} axes; another layout needs four", where)
        return
    channels = shape[_channel_axis(item.model_layout, len(shape))] if shape else 0
    for key, values in (("mean", item.mean), ("std", item.std)):
        if len(values) not in (0, 1, channels):
            diagnostics.error(
                f"it has {channels} channels, but {key} has {len(values)} numbers", where
            )
    fits = True
    for key, edges in (("slice", item.cuts), ("pad", item.pads)):
        if len(edges) not in (0, 2 * len(shape)):
            fits = False
            diagnostics.error(
                f"it has {len(shape)} axes, but {key} has {len(edges)} numbers",
                where,
                f"a begin and an end for each axis: {2 * len(shape)} numbers",
            )
    if fits and min(_extent(item, shape)[1], default=1) < 1:
        diagnostics.error(
            f"of its {list(_extent(item, shape)[0])} elements padding leaves none", where
        )


def _extent(
    item: _Input, shape: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The model's shape in the runtime's layout, that before padding, that before slicing too."""
    perm = _permutation(item)
    model = tuple(shape if perm is None else (shape[perm.index(i)] for i in range(len(perm))))
    inner = _widened(model, [-n for n in item.pads])
    return model, inner, _widened(inner, item.cuts)


def _widened(shape: Sequence[int], edges: Sequence[int]) -> tuple[int, ...]:
    return tuple(n + sum(edges[2 * axis : 2 * axis + 2], start=0) for axis, n in enumerate(shape))


def _channel_axis(layout: str, rank: int) -> int:
    return rank - 1 if layout == "NHWC" else min(1, rank - 1)


class _Preprocess:
    """Inserts the operations of one input at the begin of a function."""

    def __init__(self, ctx: AxContext, function: FuncOp, item: _Input):
        self._function = function
        self._item = item
        self._made: list[Operation] = []
        self._builder = OpBuilder(ctx.weights, self._made.append)
        self._ranges: dict[SSAValue, Range] = {}

    def insert(self, argument: BlockArgument) -> None:
        item, observed = self._item, range_of(argument)
        perm = _permutation(item)
        shape = static_shape_of(argument.type)
        assert shape is not None
        extent, _, outer = _extent(item, shape)
        dtype = np.dtype(_DTYPES[item.dtype])
        source = self._retype(argument, tensor_type(element_type_of_dtype(dtype), outer))
        users = [(use.operation, use.index) for use in source.uses]

        axis = _channel_axis(item.layout, len(extent))
        mean, std = (_spread(v, extent[axis]) for v in (item.mean or (0.0,), item.std or (1.0,)))
        before = _range_before(dtype, observed, mean, std)
        ends = [(v - m) / s for m, s in zip(mean, std, strict=True) for v in before or ()]
        after = (min(ends), max(ends)) if ends else None
        if dtype.itemsize == 2 and dtype.kind in "iu" and observed is not None:
            after = observed  # data rarely fill 16 bits
        if before is not None:
            self._ranges[source] = before
        logger.info("preprocess tensor [{}]", item.name)
        value: SSAValue = source
        if dtype.kind in "iu":
            one = self._constant(np.array(1, np.float32), "scale")
            zero = self._constant(np.array(0, dtype), "zero_point")
            value = self._put("DequantizeLinear", before, [value, one, zero])
        value = self._cut_and_pad(value, outer, before)
        if any(mean) or any(s != 1 for s in std):
            value = self._normalize(value, axis, mean, std, after)
        if perm is not None:
            value = self._put("Transpose", after, [value], {"perm": perm})
        self._finish(users, value, annotate=observed is not None)

    def _cut_and_pad(self, value: SSAValue, outer: Sequence[int], range_: Range | None) -> SSAValue:
        item = self._item
        if any(item.cuts):
            starts = item.cuts[::2]
            ends = [n - cut for n, cut in zip(outer, item.cuts[1::2], strict=True)]
            bounds = [np.array(v, np.int64) for v in (starts, ends, range(len(outer)))]
            names = ("starts", "ends", "axes")
            constants = [self._constant(v, n) for v, n in zip(bounds, names, strict=True)]
            value = self._put("Slice", range_, [value, *constants])
        if any(item.pads):
            pads = self._constant(np.array(item.pads[::2] + item.pads[1::2], np.int64), "pads")
            filler = self._constant(np.array(item.pad_value, np.float32), "pad_value")
            if range_ is not None:
                range_ = min(range_[0], item.pad_value), max(range_[1], item.pad_value)
            value = self._put("Pad", range_, [value, pads, filler])
        return value

    def _retype(self, argument: BlockArgument, type_: TypeAttribute) -> BlockArgument:
        location, hint = argument.location, argument.name_hint
        changed = Rewriter.replace_value_with_new_type(argument, type_)
        assert isinstance(changed, BlockArgument)
        changed.location, changed.name_hint = location, hint
        return changed

    def _constant(self, array: AnyArray, part: str) -> SSAValue:
        label = f"{self._item.name}_{part}"
        return self._builder.constant(array, name_location(label, [label]))

    def _put(
        self,
        op_type: str,
        range_: Range | None,
        operands: Sequence[SSAValue],
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> SSAValue:
        made = self._builder.op(
            op_type, operands, attributes, location=self._named(op_type, operands[0])
        )
        if range_ is not None:
            self._ranges[made.result] = range_
        return made.result

    def _normalize(
        self,
        value: SSAValue,
        axis: int,
        mean: Sequence[float],
        std: Sequence[float],
        range_: Range | None,
    ) -> SSAValue:
        location = self._named("Normalize", value)
        made = self._builder.add(Normalize(value, axis, mean, std, location=location))
        if range_ is not None:
            self._ranges[made.result] = range_
        return made.result

    def _named(self, op_type: str, value: SSAValue) -> LocationAttr:
        logger.info("op: Ax{}, {}", op_type, value.type)
        label = f"{self._item.name}_{op_type}"
        return name_location(label, [label])

    def _finish(
        self, users: Sequence[tuple[Operation, int]], value: SSAValue, *, annotate: bool
    ) -> None:
        """Puts the operations into the function and hands their result to the old users."""
        block = self._function.body.block
        first = block.first_op
        assert first is not None
        if self._made:
            Rewriter.insert_op(self._made, InsertPoint.before(first))
            for user, index in users:
                user.operands[index] = value
        last = block.last_op
        assert last is not None
        self._function.function_type = FunctionType.from_lists(block.arg_types, last.operand_types)
        if annotate:
            write_ranges(self._function, self._ranges)


def _permutation(item: _Input) -> tuple[int, ...] | None:
    """What a Transpose from the runtime's layout to the model's permutes."""
    if item.layout == item.model_layout:
        return None
    return (0, 3, 1, 2) if item.layout == "NHWC" else (0, 2, 3, 1)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


def _range_before(
    dtype: np.dtype[Any], observed: Range | None, mean: Sequence[float], std: Sequence[float]
) -> Range | None:
    """The range of the runtime input: its type's, or what the observed one was made of."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    if observed is None:
        return None
    ends = [v * s + m for m, s in zip(mean, std, strict=True) for v in observed]
    return min(ends), max(ends)
