"""Elements of an image at computed places: `quant.grid_sample` and `quant.roi_align`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import UnitAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from pulsar2.dialects.quant.base import (
    FloatConstr,
    IntArrayConstr,
    IntConstr,
    Tensor,
    float_number,
    int_array,
    integer,
    ints,
    verify_activation,
    verify_length,
    verify_shape,
)
from pulsar2.dialects.quant.types import shape_of

MOST_SAMPLES = 128
"""Samples that a bin of `quant.roi_align` may have along one axis."""


class SampleMode(StrEnum):
    """How an element between others is made."""

    NEAREST = "nearest"
    LINEAR = "linear"


class SamplePadding(StrEnum):
    """What lies outside the image: ONNX's padding_mode."""

    ZEROS = "zeros"
    BORDER = "border"
    REFLECTION = "reflection"


@irdl_attr_definition
class SampleModeAttr(EnumAttribute[SampleMode], SpacedOpaqueSyntaxAttribute):
    """The mode of a `quant.grid_sample`."""

    name = "quant.sample_mode"


@irdl_attr_definition
class SamplePaddingAttr(EnumAttribute[SamplePadding], SpacedOpaqueSyntaxAttribute):
    """The padding of a `quant.grid_sample`."""

    name = "quant.sample_padding"


class RoiMode(StrEnum):
    """What a bin of a region becomes of its samples."""

    AVG = "avg"
    MAX = "max"


@irdl_attr_definition
class RoiModeAttr(EnumAttribute[RoiMode], SpacedOpaqueSyntaxAttribute):
    """The mode of a `quant.roi_align`."""

    name = "quant.roi_mode"


@irdl_op_definition
class GridSampleOp(IRDLOperation):
    """The elements of x [N, C, H, W] at the places of grid [N, OH, OW, 2]; [N, C, OH, OW].

    The last axis of grid holds the horizontal and the vertical coordinate, -1 and 1 being the ends
    of the image: the middles of the outer elements with `align_corners`, else their edges.

    ```
    %y = quant.grid_sample %x, %grid mode linear padding zeros align_corners
           : (tensor<1x8x4x4x..>, tensor<1x5x5x2x..>) -> tensor<1x8x5x5x..>
    ```
    """

    name = "quant.grid_sample"

    x = operand_def(Tensor)
    grid = operand_def(Tensor)
    mode_attr = prop_def(SampleModeAttr, prop_name="mode")
    padding_attr = prop_def(SamplePaddingAttr, prop_name="padding")
    align_attr = opt_prop_def(UnitAttr, prop_name="align_corners")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "operands `mode` $mode `padding` $padding (`align_corners` $align_corners^)? attr-dict `:` "
        "functional-type(operands, results)"
    )

    def __init__(
        self,
        x: SSAValue,
        grid: SSAValue,
        mode: SampleMode,
        padding: SamplePadding,
        align_corners: bool,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x, grid],
            properties={
                "mode": SampleModeAttr(mode),
                "padding": SamplePaddingAttr(padding),
                "align_corners": UnitAttr() if align_corners else None,
            },
            result_types=[result_type],
        )

    @property
    def mode(self) -> SampleMode:
        return self.mode_attr.data

    @property
    def padding(self) -> SamplePadding:
        return self.padding_attr.data

    @property
    def align_corners(self) -> bool:
        return self.align_attr is not None

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.grid, "the grid")
        verify_activation(self.y, "the result")
        x, grid = shape_of(self.x), shape_of(self.grid)
        if len(x) != 4 or len(grid) != 4:
            raise VerifyException(f"x and grid have 4 dimensions, got {len(x)} and {len(grid)}")
        if grid[0] != x[0] or grid[3] != 2:
            raise VerifyException(f"the grid has shape [{x[0]}, OH, OW, 2], got {list(grid)}")
        verify_shape(self.y, (*x[:2], *grid[1:3]))


@irdl_op_definition
class RoiAlignOp(IRDLOperation):
    """Regions of x [N, C, H, W], each as bins [C, OH, OW]: rois [R, 4] to [R, C, OH, OW].

    A region is (left, top, right, bottom), which `scale` turns into elements of x; with
    `half_pixel` these are half an element less. A bin has `samples` x `samples` of them. `batch`
    tells the image of each region; without it all are of image 0.

    ```
    %y = quant.roi_align avg %x, %rois samples 2 scale 0.25 half_pixel batch [0, 1]
           : (tensor<2x8x4x4x..>, tensor<2x4xf32>) -> tensor<2x8x7x7x..>
    ```
    """

    name = "quant.roi_align"

    mode_attr = prop_def(RoiModeAttr, prop_name="roi_mode")
    x = operand_def(Tensor)
    rois = operand_def(Tensor)
    samples_attr = prop_def(IntConstr, prop_name="samples")
    scale_attr = prop_def(FloatConstr, prop_name="scale")
    half_pixel_attr = opt_prop_def(UnitAttr, prop_name="half_pixel")
    batch_attr = opt_prop_def(IntArrayConstr, prop_name="batch")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$roi_mode operands `samples` $samples `scale` $scale (`half_pixel` $half_pixel^)? "
        "(`batch` $batch^)? attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self,
        mode: RoiMode,
        x: SSAValue,
        rois: SSAValue,
        samples: int,
        scale: float,
        half_pixel: bool,
        batch: Sequence[int] | None,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x, rois],
            properties={
                "roi_mode": RoiModeAttr(mode),
                "samples": integer(samples),
                "scale": float_number(scale),
                "half_pixel": UnitAttr() if half_pixel else None,
                "batch": None if batch is None else int_array(batch),
            },
            result_types=[result_type],
        )

    @property
    def mode(self) -> RoiMode:
        return self.mode_attr.data

    @property
    def samples(self) -> int:
        """Samples of a bin along each axis."""
        return self.samples_attr.value.data

    @property
    def scale(self) -> float:
        """From the units of rois to elements of x."""
        return float(self.scale_attr.value.data)

    @property
    def half_pixel(self) -> bool:
        return self.half_pixel_attr is not None

    @property
    def batch(self) -> tuple[int, ...]:
        """The image of each region."""
        if self.batch_attr is None:
            return (0,) * shape_of(self.rois)[0]
        return ints(self.batch_attr)

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.rois, "rois")
        verify_activation(self.y, "the result")
        x, rois, y = shape_of(self.x), shape_of(self.rois), shape_of(self.y)
        if len(x) != 4 or len(y) != 4:
            raise VerifyException(f"x and the result have 4 dimensions, got {len(x)} and {len(y)}")
        if len(rois) != 2 or rois[1] != 4:
            raise VerifyException(f"rois have shape [R, 4], got {list(rois)}")
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise VerifyException(f"samples are 1 to {MOST_SAMPLES}, got {self.samples}")
        if not math.isfinite(self.scale):
            raise VerifyException(f"the scale is finite, got {self.scale}")
        verify_length(self.batch, rois[0], "batch")
        if not all(0 <= image < x[0] for image in self.batch):
            raise VerifyException(f"batch names images 0 to {x[0] - 1}")
        verify_shape(self.y, (rois[0], x[1], *y[2:]))
