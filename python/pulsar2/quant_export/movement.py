"""Export of data movement: the stored elements move as they are."""

from __future__ import annotations

import numpy as np

from pulsar2.dialects.quant import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from pulsar2.dialects.quant.types import shape_of, storage_dtype
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _export_reshape(op: ReshapeOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    output = builder.result_name(op.y)
    shape = builder.constant(np.asarray(shape_of(op.y), np.int64), f"{output}/shape")
    builder.node("Reshape", [x, shape], output)


def _export_transpose(op: TransposeOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    builder.node("Transpose", [x], builder.result_name(op.y), perm=list(op.perm))


def _export_concat(op: ConcatOp, builder: ModelBuilder) -> None:
    inputs = [builder.stored(v) for v in op.inputs]
    builder.node("Concat", inputs, builder.result_name(op.y), axis=op.axis)


def _export_pad(op: PadOp, builder: ModelBuilder) -> None:
    x = builder.runnable(op.x)
    output = builder.result_name(op.y)
    pads = builder.constant(np.asarray(op.pads, np.int64), f"{output}/pads")
    dtype = storage_dtype(op.y.type)
    value = np.asarray(op.value, np.int32 if dtype == np.float32 else dtype)
    value = value.view(np.float32) if dtype == np.float32 else value
    if x == builder.stored(op.x):
        builder.node("Pad", [x, pads, builder.constant(value, f"{output}/value")], output)
        return
    filler = builder.constant(value.astype(np.float32), f"{output}/value")
    builder.cast(builder.node("Pad", [x, pads, filler], f"{output}/padded"), dtype, output)


def _export_slice(op: SliceOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    output = builder.result_name(op.y)
    ends: list[int] = []
    for start, size, step in zip(op.starts, op.sizes, op.steps, strict=True):
        end = start + size * step
        # A negative end would count from the back, so "before the first" is far below.
        ends.append(end if end >= 0 else -(2**62))
    lists = (("starts", op.starts), ("ends", ends), ("axes", range(len(ends))), ("steps", op.steps))
    inputs = [builder.constant(np.asarray(v, np.int64), f"{output}/{what}") for what, v in lists]
    builder.node("Slice", [x, *inputs], output)


MOVEMENTS: Emit = {
    ReshapeOp: _export_reshape,
    TransposeOp: _export_transpose,
    ConcatOp: _export_concat,
    PadOp: _export_pad,
    SliceOp: _export_slice,
}
