"""Operations on images as layers: resizing, sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from xdsl.ir import Operation

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import shape_of
from pulsar2.lowering.analysis import resample
from pulsar2.lowering.sched.operands import param_of
from pulsar2.lowering.sched.tensors import ProgramBuilder

RESIZE_COORDINATES: Mapping[quant.Coordinates, int] = {
    quant.Coordinates.ASYMMETRIC: resample.ASYMMETRIC,
    quant.Coordinates.HALF_PIXEL: resample.HALF_PIXEL,
    quant.Coordinates.PYTORCH_HALF_PIXEL: resample.PYTORCH_HALF_PIXEL,
    quant.Coordinates.ALIGN_CORNERS: resample.ALIGN_CORNERS,
    quant.Coordinates.HALF_PIXEL_SYMMETRIC: resample.HALF_PIXEL_SYMMETRIC,
}
RESIZE_ROUNDINGS: Mapping[quant.Rounding, int] = {
    quant.Rounding.FLOOR: resample.FLOOR,
    quant.Rounding.CEIL: resample.CEIL,
    quant.Rounding.ROUND_PREFER_FLOOR: resample.ROUND_PREFER_FLOOR,
    quant.Rounding.ROUND_PREFER_CEIL: resample.ROUND_PREFER_CEIL,
}
SAMPLE_MODES = tuple(quant.SampleMode)
SAMPLE_PADDINGS = tuple(quant.SamplePadding)
ROI_MODES = tuple(quant.RoiMode)


def _lower_resize(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.ResizeNearestOp | quant.ResizeLinearOp)
    scales = op.scales or (0.0, 0.0)
    nearest = isinstance(op, quant.ResizeNearestOp)
    builder.layer(
        "resize",
        [builder.channels_last(op.x), builder.result(op.y)],
        kind=resample.NEAREST if nearest else resample.LINEAR,
        coordinates=RESIZE_COORDINATES[op.coordinates],
        rounding=RESIZE_ROUNDINGS[op.rounding] if nearest else resample.FLOOR,
        in_h=shape_of(op.x)[2],
        in_w=shape_of(op.x)[3],
        out_h=shape_of(op.y)[2],
        out_w=shape_of(op.y)[3],
        scale_h=float(scales[0]),
        scale_w=float(scales[1]),
        in_row=0,
        in_column=0,
        out_row=0,
        out_column=0,
    )


def _lower_grid_sample(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.GridSampleOp)
    grid = builder.refs[op.grid] if op.grid in builder.refs else param_of(op.grid, builder)
    builder.layer(
        "grid_sample",
        [builder.channels_last(op.x), grid, builder.result(op.y)],
        kind=SAMPLE_MODES.index(op.mode),
        padding=SAMPLE_PADDINGS.index(op.padding),
        align_corners=int(op.align_corners),
    )


def _lower_roi_align(op: Operation, builder: ProgramBuilder) -> None:
    assert isinstance(op, quant.RoiAlignOp)
    rois = builder.refs[op.rois] if op.rois in builder.refs else param_of(op.rois, builder)
    batch = builder.param(np.asarray(op.batch, np.int32))
    builder.layer(
        "roi_align",
        [builder.channels_last(op.x), rois, batch, builder.result(op.y)],
        kind=ROI_MODES.index(op.mode),
        half_pixel=int(op.half_pixel),
        samples=op.samples,
        scale=op.scale,
    )


IMAGES: Mapping[type[Operation], Callable[[Operation, ProgramBuilder], None]] = {
    quant.ResizeNearestOp: _lower_resize,
    quant.ResizeLinearOp: _lower_resize,
    quant.GridSampleOp: _lower_grid_sample,
    quant.RoiAlignOp: _lower_roi_align,
}
"""How each operation on images becomes layers."""
