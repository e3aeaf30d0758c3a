"""Resizing of images: `quant.resize_nearest` and `quant.resize_linear`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
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
    FloatArrayConstr,
    Tensor,
    float_array,
    verify_activation,
    verify_length,
    verify_same_elements,
    verify_shape,
)
from pulsar2.dialects.quant.types import shape_of


class Coordinates(StrEnum):
    """Where an output element lies among the input's: ONNX's coordinate_transformation_mode."""

    ASYMMETRIC = "asymmetric"
    HALF_PIXEL = "half_pixel"
    PYTORCH_HALF_PIXEL = "pytorch_half_pixel"
    ALIGN_CORNERS = "align_corners"
    HALF_PIXEL_SYMMETRIC = "half_pixel_symmetric"


class Rounding(StrEnum):
    """Which element is the nearest: ONNX's nearest_mode."""

    FLOOR = "floor"
    CEIL = "ceil"
    ROUND_PREFER_FLOOR = "round_prefer_floor"
    ROUND_PREFER_CEIL = "round_prefer_ceil"


@irdl_attr_definition
class CoordinatesAttr(EnumAttribute[Coordinates], SpacedOpaqueSyntaxAttribute):
    """The coordinates of a resizing."""

    name = "quant.coordinates"


@irdl_attr_definition
class RoundingAttr(EnumAttribute[Rounding], SpacedOpaqueSyntaxAttribute):
    """The rounding of a `quant.resize_nearest`."""

    name = "quant.rounding"


class ResizeOp(IRDLOperation):
    """What both resizings share: x [N, C, H, W] to y [N, C, OH, OW].

    `scales` are the vertical and the horizontal one; without them they are OH / H and OW / W.
    """

    x = operand_def(Tensor)
    coordinates_attr = prop_def(CoordinatesAttr, prop_name="coordinates")
    scales_attr = opt_prop_def(FloatArrayConstr, prop_name="scales")
    y = result_def(Tensor)

    traits = traits_def(Pure())

    @property
    def coordinates(self) -> Coordinates:
        return self.coordinates_attr.data

    @property
    def scales(self) -> tuple[float, ...] | None:
        """Vertical and horizontal scale; None where the sizes give them."""
        return None if self.scales_attr is None else self.scales_attr.get_values()

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        x, y = shape_of(self.x), shape_of(self.y)
        if len(x) != 4 or len(y) != 4:
            raise VerifyException(f"x and the result have 4 dimensions, got {len(x)} and {len(y)}")
        expected = list(x[:2] + y[2:])
        if self.scales is not None:
            verify_length(self.scales, 2, "scales")
            if not all(math.isfinite(s) and s > 0 for s in self.scales):
                raise VerifyException(f"scales are positive and finite, got {list(self.scales)}")
            # In f32, as ONNX infers shapes.
            products = np.asarray(x[2:], np.float32) * np.asarray(self.scales, np.float32)
            expected[2:] = [int(n) for n in products]
        verify_shape(self.y, expected)


@irdl_op_definition
class ResizeNearestOp(ResizeOp):
    """The element nearest to each place. Keeps x's quantization.

    ```
    %y = quant.resize_nearest %x coordinates asymmetric rounding floor scales [2.0, 2.0]
           : tensor<1x8x4x4x..> -> tensor<1x8x8x8x..>
    ```
    """

    name = "quant.resize_nearest"

    rounding_attr = prop_def(RoundingAttr, prop_name="rounding")

    assembly_format = (
        "$x `coordinates` $coordinates `rounding` $rounding (`scales` $scales^)? "
        "attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        coordinates: Coordinates,
        rounding: Rounding,
        scales: Sequence[float] | None,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x],
            properties={
                "coordinates": CoordinatesAttr(coordinates),
                "rounding": RoundingAttr(rounding),
                "scales": None if scales is None else float_array(scales),
            },
            result_types=[result_type],
        )

    @property
    def rounding(self) -> Rounding:
        return self.rounding_attr.data

    def verify_(self) -> None:
        super().verify_()
        verify_same_elements(self.x, self.y, "x")


@irdl_op_definition
class ResizeLinearOp(ResizeOp):
    """Linear interpolation between the neighbours of each place, rounded once.

    ```
    %y = quant.resize_linear %x coordinates half_pixel : tensor<1x8x4x4x..> -> tensor<1x8x7x9x..>
    ```
    """

    name = "quant.resize_linear"

    assembly_format = (
        "$x `coordinates` $coordinates (`scales` $scales^)? attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        coordinates: Coordinates,
        scales: Sequence[float] | None,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x],
            properties={
                "coordinates": CoordinatesAttr(coordinates),
                "scales": None if scales is None else float_array(scales),
            },
            result_types=[result_type],
        )
