"""Export of `quant.grid_sample` and `quant.roi_align`."""

from __future__ import annotations

import numpy as np

from pulsar2.dialects.quant import GridSampleOp, RoiAlignOp
from pulsar2.dialects.quant.types import shape_of
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _export_grid_sample(op: GridSampleOp, builder: ModelBuilder) -> None:
    x, grid = builder.real(op.x), builder.real(op.grid)
    real = builder.node(
        "GridSample",
        [x, grid],
        builder.unique(f"{x}/grid_sample"),
        mode=op.mode.value,
        padding_mode=op.padding.value,
        align_corners=int(op.align_corners),
    )
    builder.finish_real(op.y, real)


def _export_roi_align(op: RoiAlignOp, builder: ModelBuilder) -> None:
    x, rois = builder.real(op.x), builder.real(op.rois)
    base = builder.unique(f"{x}/roi_align")
    batch = builder.constant(np.asarray(op.batch, np.int64), f"{base}/batch")
    real = builder.node(
        "RoiAlign",
        [x, rois, batch],
        base,
        mode=op.mode.value,
        output_height=shape_of(op.y)[2],
        output_width=shape_of(op.y)[3],
        sampling_ratio=op.samples,
        spatial_scale=op.scale,
        coordinate_transformation_mode="half_pixel" if op.half_pixel else "output_half_pixel",
    )
    builder.finish_real(op.y, real)


SAMPLINGS: Emit = {GridSampleOp: _export_grid_sample, RoiAlignOp: _export_roi_align}
