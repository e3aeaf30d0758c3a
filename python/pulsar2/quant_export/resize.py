"""Export of resizings: ONNX's Resize, of stored elements (nearest) or of numbers (linear)."""

from __future__ import annotations

import numpy as np

from pulsar2.dialects.quant import ResizeLinearOp, ResizeNearestOp, ResizeOp
from pulsar2.dialects.quant.types import shape_of, storage_dtype
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _inputs(op: ResizeOp, x: str, base: str, builder: ModelBuilder) -> list[str]:
    """The operands of a Resize of `x`: its scales, or its sizes."""
    if op.scales is None:
        sizes = np.asarray(shape_of(op.y), np.int64)
        return [x, "", "", builder.constant(sizes, f"{base}/sizes")]
    scales = np.asarray((1.0, 1.0, *op.scales), np.float32)
    return [x, "", builder.constant(scales, f"{base}/scales")]


def _export_nearest(op: ResizeNearestOp, builder: ModelBuilder) -> None:
    x = builder.stored(op.x)
    base = builder.unique(f"{x}/resize")
    dtype = storage_dtype(op.x.type)
    attributes = {
        "mode": "nearest",
        "coordinate_transformation_mode": op.coordinates.value,
        "nearest_mode": op.rounding.value,
    }
    wide = dtype.itemsize == 2
    # Runtimes resize f32 and bytes; 16-bit integers are f32 without loss.
    source = builder.cast(x, np.float32, f"{base}/f32") if wide else x
    inputs = _inputs(op, source, base, builder)
    output = builder.result_name(op.y)
    if wide:
        builder.cast(builder.node("Resize", inputs, base, **attributes), dtype, output)
    else:
        builder.node("Resize", inputs, output, **attributes)


def _export_linear(op: ResizeLinearOp, builder: ModelBuilder) -> None:
    x = builder.real(op.x)
    base = builder.unique(f"{x}/resize")
    real = builder.node(
        "Resize",
        _inputs(op, x, base, builder),
        base,
        mode="linear",
        coordinate_transformation_mode=op.coordinates.value,
    )
    builder.finish_real(op.y, real)


RESIZINGS: Emit = {ResizeNearestOp: _export_nearest, ResizeLinearOp: _export_linear}
