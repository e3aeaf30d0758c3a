"""The pass `onnx-insert-preprocess`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from loguru import logger
from xdsl.dialects.builtin import LocationAttr, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, SSAValue, TypeAttribute
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx.attributes import AttributeValue
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.control_flow import user_in
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.preprocess import ColorMatrix, Normalize
from pulsar2.dialects.onnx.types import element_type_of_dtype, static_shape_of, tensor_type
from pulsar2.locations import location_name, name_location
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.onnx.runtime_input import (
    DTYPES,
    YUV420,
    RuntimeInput,
    check_runtime_input,
    parse_runtime_input,
)
from pulsar2.lowering.quant.placement import mark_along, mark_cpu
from pulsar2.lowering.quant.ranges import Range, range_of, write_ranges
from pulsar2.lowering.quant.support import refusal
from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class InsertPreprocessPass(AxPass):
    """Makes the graph's inputs the runtime's: what a camera or decoder delivers.

    Each input that is named gets the runtime's element type, extent and layout, and before the
    model are inserted, where there is something to do, DequantizeLinear (of scale 1; for types
    that the NPU does not quantize a Cast, marked for the CPU where the NPU has none), what turns
    YUV into RGB or BGR (ending in ColorMatrix), Slice, Pad, Normalize, and Transpose. They are
    named `<input>_DequantizeLinear` and so on. Where the input has an observed range
    (`quant.range`), the inserted operations get theirs: of an integer input the range that its type
    can reach (from normalization on only where that has 8 bits; a little more for a mean such as
    127.5), of a float one what the observed range was before normalization, or that of the pixels
    that it is said to hold.

    Options:
    - `inputs`: one text per input, the name and then any of
      ` dtype=U8|S8|U16|S16|U32|S32|FP16|FP32`, ` layout=NCHW|NHWC` (at run time),
      ` model-layout=NCHW|NHWC`, ` mean=a,b,c` and ` std=a,b,c` (one number, or one per channel),
      ` slice=b,e,b,e,..` (how much is cut off at the begin and end of each axis of the runtime's
      layout), then ` pad=b,e,b,e,..` (how much is put there, of the value ` pad-value=v` before
      normalization), ` format=YUV420SP|YVU420SP|YUYV422|UYVY422` with ` color=` and 12 numbers (for
      each colour of the model what Y, U and V are multiplied by, and what is added), ` pixels=U8`
      (a float input holds the whole numbers of that type). The defaults are FP32, NCHW, NCHW,
      nothing subtracted, divided, cut or put, the model's colours, and any numbers.

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
        described = [parse_runtime_input(text, diagnostics) for text in self.inputs if text]
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
                        check_runtime_input(item, names[item.name], diagnostics)
                diagnostics.raise_if_any()
                for item in described:
                    _Preprocess(ctx, op, item).insert(names[item.name])
        diagnostics.raise_if_any()


class _Preprocess:
    """Inserts the operations of one input at the begin of a function."""

    def __init__(self, ctx: AxContext, function: FuncOp, item: RuntimeInput):
        self._function = function
        self._item = item
        self._made: list[Operation] = []
        self._weights = ctx.weights
        self._builder = OpBuilder(ctx.weights, self._made.append)
        self._ranges: dict[SSAValue, Range] = {}
        self._labels: set[str] = set()

    def insert(self, argument: BlockArgument) -> None:
        item, observed = self._item, range_of(argument)
        shape = static_shape_of(argument.type)
        assert shape is not None
        extent, outer = item.model_extent(shape), item.outer_extent(shape)
        dtype = np.dtype(DTYPES[item.dtype])
        stored = tensor_type(element_type_of_dtype(dtype), item.stored_extent(shape))
        source = self._retype(argument, stored)
        users = [(use.operation, use.index) for use in source.uses]

        axis = item.channel_axis(len(extent))
        mean, std = (_spread(v, extent[axis]) for v in (item.mean or (0.0,), item.std or (1.0,)))
        held = np.dtype(DTYPES[item.pixels]) if item.pixels else dtype
        before = _range_before(held, observed, mean, std)
        after = None if before is None else normalized_range(held, before, mean, std)
        if is_quantized(dtype) and dtype.itemsize == 2 and observed is not None:
            after = observed  # data rarely fill 16 bits
        if before is not None:
            self._ranges[source] = before
        logger.info("preprocess tensor [{}]", item.name)
        value: SSAValue = source
        if not is_quantized(dtype) and dtype != np.float32:
            value = self._cast(value, before)
        elif is_quantized(dtype):
            one = self._constant(np.array(1, np.float32), "scale")
            zero = self._constant(np.array(0, dtype), "zero_point")
            value = self._put("DequantizeLinear", before, [value, one, zero])
        if item.format:
            value = self._convert_colors(value, outer, before)
        value = self._cut_and_pad(value, outer, before)
        if any(mean) or any(s != 1 for s in std):
            location = self._named("Normalize", value)
            normalize = Normalize(value, axis, mean, std, location=location)
            value = self._ranged(self._builder.add(normalize), after)
        if item.permutation is not None:
            value = self._put("Transpose", after, [value], {"perm": item.permutation})
        self._finish(users, value, annotate=observed is not None)

    def _cast(self, value: SSAValue, range_: Range | None) -> SSAValue:
        """The numbers of a type that is not quantized in f32, by the CPU if the NPU cannot."""
        made = self._put("Cast", range_, [value], {"to": onnx.TensorProto.FLOAT})
        assert isinstance(made.owner, OnnxOp)
        refused = refusal(made.owner, None, self._weights)
        if refused is not None:
            logger.warning("the CPU converts the input [{}] from {}", self._item.name, value.type)
            mark_cpu(made.owner, refused)
        return made

    def _convert_colors(
        self, value: SSAValue, picture: Sequence[int], range_: Range | None
    ) -> SSAValue:
        """RGB or BGR [N, H, W, 3] of semi-planar [N, 3H/2, W, 1] or packed [N, H, W, 2] YUV.

        Each pixel has the U and V of its pair or of its block of four.
        """
        item = self._item
        n, height, width, _ = picture
        color = np.array(item.color, np.float64).reshape(3, 4)
        if item.format in YUV420:
            y = self._slice(value, {1: slice(0, height)}, range_)
            rest = self._slice(value, {1: slice(height, height * 3 // 2)}, range_)
            pairs = self._reshape(rest, (n, height // 2, 1, width // 2, 1, 2), range_)
            for axis in (4, 2):
                pairs = self._put("Concat", range_, [pairs, pairs], {"axis": axis})
        else:
            first = 0 if item.format == "YUYV422" else 1
            y = self._slice(value, {3: slice(first, first + 1)}, range_)
            quads = self._reshape(value, (n, height, width // 2, 4), range_)
            pairs = self._slice(quads, {3: slice(1 - first, 4, 2)}, range_)
            pairs = self._reshape(pairs, (n, height, width // 2, 1, 2), range_)
            pairs = self._put("Concat", range_, [pairs, pairs], {"axis": 3})
        if item.format == "YVU420SP":
            color = color[:, [0, 2, 1, 3]]
        chroma = self._reshape(pairs, (n, height, width, 2), range_)
        pixels = self._put("Concat", range_, [y, chroma], {"axis": 3})
        matrix = ColorMatrix(
            pixels,
            color[:, :3].ravel().tolist(),
            color[:, 3].tolist(),
            location=self._named("ColorMatrix", pixels),
        )
        return self._ranged(self._builder.add(matrix), range_)

    def _cut_and_pad(self, value: SSAValue, outer: Sequence[int], range_: Range | None) -> SSAValue:
        item = self._item
        if any(item.cuts):
            ends = zip(outer, item.cuts[::2], item.cuts[1::2], strict=True)
            bounds = {axis: slice(b, size - e) for axis, (size, b, e) in enumerate(ends) if b or e}
            value = self._slice(value, bounds, range_)
        if any(item.pads):
            pads = self._constant(np.array(item.pads[::2] + item.pads[1::2], np.int64), "pads")
            filler = self._constant(np.array(item.pad_value, np.float32), "pad_value")
            if range_ is not None:
                range_ = min(range_[0], item.pad_value), max(range_[1], item.pad_value)
            value = self._put("Pad", range_, [value, pads, filler])
        return value

    def _slice(
        self, value: SSAValue, bounds: Mapping[int, slice], range_: Range | None
    ) -> SSAValue:
        """The parts of some axes."""
        rows = {
            "starts": [s.start for s in bounds.values()],
            "ends": [s.stop for s in bounds.values()],
            "axes": list(bounds),
            "steps": [s.step or 1 for s in bounds.values()],
        }
        constants = [self._constant(np.array(v, np.int64), k) for k, v in rows.items()]
        return self._put("Slice", range_, [value, *constants])

    def _reshape(self, value: SSAValue, shape: Sequence[int], range_: Range | None) -> SSAValue:
        constant = self._constant(np.array(shape, np.int64), "shape")
        return self._put("Reshape", range_, [value, constant])

    def _retype(self, argument: BlockArgument, type_: TypeAttribute) -> BlockArgument:
        location, hint = argument.location, argument.name_hint
        changed = Rewriter.replace_value_with_new_type(argument, type_)
        assert isinstance(changed, BlockArgument)
        changed.location, changed.name_hint = location, hint
        return changed

    def _constant(self, array: AnyArray, part: str) -> SSAValue:
        label = self._label(part)
        return self._builder.constant(array, name_location(label, [label]))

    def _put(
        self,
        op_type: str,
        range_: Range | None,
        operands: Sequence[SSAValue],
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> SSAValue:
        location = self._named(op_type, operands[0])
        return self._ranged(
            self._builder.op(op_type, operands, attributes, location=location), range_
        )

    def _ranged(self, made: OnnxOp, range_: Range | None) -> SSAValue:
        if range_ is not None:
            self._ranges[made.result] = range_
        return made.result

    def _named(self, op_type: str, value: SSAValue) -> LocationAttr:
        logger.info("op: Ax{}, {}", op_type, value.type)
        label = self._label(op_type)
        return name_location(label, [label])

    def _label(self, part: str) -> str:
        """A name that nothing else of this input has."""
        label = base = f"{self._item.name}_{part}"
        number = 1
        while label in self._labels:
            number += 1
            label = f"{base}_{number}"
        self._labels.add(label)
        return label

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
            mark_along(self._made, [user_in(block, user) for user, _ in users])
        update_signature(self._function)
        if annotate:
            write_ranges(self._function, self._ranges)


def is_quantized(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of a runtime type are taken as quantized ones of scale 1."""
    return dtype.kind in "iu" and dtype.itemsize <= 2


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


def _range_before(
    dtype: np.dtype[Any], observed: Range | None, mean: Sequence[float], std: Sequence[float]
) -> Range | None:
    """The range of the runtime input: its type's, or what the observed one was made of."""
    if is_quantized(dtype):
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    if observed is None:
        return None
    ends = [v * s + m for m, s in zip(mean, std, strict=True) for v in observed]
    return min(ends), max(ends)


def normalized_range(
    dtype: np.dtype[Any], before: Range, mean: Sequence[float], std: Sequence[float]
) -> Range:
    """The range behind normalization of numbers within `before`.

    Of 8 bits less a mean that ends in a half, each number would lie midway between two steps of its
    own size. So the steps are a little larger, such that the end farther from the mean is one.
    """
    ends = [(v - m) / s for m, s in zip(mean, std, strict=True) for v in before]
    halves = len({*zip(mean, std, strict=True)}) == 1 and mean[0] % 1 == 0.5 and std[0] > 0
    if is_quantized(dtype) and dtype.itemsize == 1 and halves and before[0] < mean[0] < before[1]:
        far = max(mean[0] - before[0], before[1] - mean[0])
        steps = int(before[1] - before[0])
        step = far / (far - 0.5) / std[0]
        above = int(before[1] - mean[0]) if before[1] - mean[0] == far else steps - int(far)
        return (above - steps) * step, above * step
    return min(ends), max(ends)
