"""GridSample, SpatialTransformer and RoiAlign: elements of an image at computed places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.domain import base_grid
from pulsar2.dialects.quant.sampling import MOST_SAMPLES
from pulsar2.locations import node_name
from pulsar2.lowering.quant.rules.base import Rule, int_list, is_constant, is_float, shape_of
from pulsar2.weights import WeightStore

if TYPE_CHECKING:
    from pulsar2.lowering.quant.conversion import Conversion

_MODES = tuple(mode.value for mode in quant.SampleMode)


class GridSampleRule(Rule):
    """A constant grid stays f32; a computed one has its tensor's type."""

    op_types = ("GridSample",)
    selects = True

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not all(is_float(v) for v in op.operands):
            return "only f32 is supported"
        if op.value_of("mode") not in _MODES:
            return f"mode is '{op.value_of('mode')}', but only {' and '.join(_MODES)} are supported"
        axes = len(shape_of(op.operands[0])) - 2
        return "" if axes == 2 else f"{axes} spatial axes, but 2 are supported"

    def shared(self, op: OnnxOp) -> Sequence[SSAValue]:
        return op.operands[:1] if op.value_of("mode") == "nearest" else ()

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        image, places = op.operands
        if op.value_of("mode") == "nearest":
            x = to.operand_as(image, to.plan.element_type(op.result))
        else:
            x = to.operand(image)
        grid = to.operand_as(places, f32) if is_constant(places) else to.operand(places)
        made = quant.GridSampleOp(
            x,
            grid,
            quant.SampleMode(op.value_of("mode")),
            quant.SamplePadding(op.value_of("padding_mode")),
            bool(op.value_of("align_corners")),
            to.type_of(op.result),
        )
        to.finish(op, made)


class RoiAlignRule(Rule):
    """Constant regions stay f32; computed ones have their tensor's type."""

    op_types = ("RoiAlign",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not all(is_float(v) for v in op.operands[:2]):
            return "only f32 is supported"
        samples = int(op.value_of("sampling_ratio"))
        if not 1 <= samples <= MOST_SAMPLES:
            return f"sampling_ratio is {samples}, but only 1 to {MOST_SAMPLES} are supported"
        images = shape_of(op.operands[0])[0]
        batch = int_list(op.operands[2], weights)
        if batch is None and images > 1:
            return "the batch_indices of several images are computed, not constant"
        if batch is not None and not all(0 <= image < images for image in batch):
            return f"batch_indices are not all 0 to {images - 1}"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        image, regions, indices = op.operands
        rois = to.operand_as(regions, f32) if is_constant(regions) else to.operand(regions)
        batch = int_list(indices, to.weights) if shape_of(image)[0] > 1 else None
        made = quant.RoiAlignOp(
            quant.RoiMode(op.value_of("mode")),
            to.operand(image),
            rois,
            int(op.value_of("sampling_ratio")),
            float(op.value_of("spatial_scale")),
            op.value_of("coordinate_transformation_mode") == "half_pixel",
            batch,
            to.type_of(op.result),
        )
        to.finish(op, made)


class SpatialTransformerRule(Rule):
    """A linear sampling on a grid that stays f32: the product of theta and the output's places."""

    op_types = ("SpatialTransformer",)

    def refuse(self, op: OnnxOp, weights: WeightStore) -> str:
        if not all(is_float(v) for v in op.operands):
            return "only f32 is supported"
        if op.value_of("border_value") or op.value_of("interpolation") != "bilinear":
            return "only bilinear interpolation with 0 outside of the picture is supported"
        return ""

    def convert(self, op: OnnxOp, to: Conversion) -> None:
        image, theta = to.operand(op.operands[0]), to.operand_as(op.operands[1], f32)
        height, width = op.value_of("output_size")
        corners, batch = bool(op.value_of("align_corners")), shape_of(theta)[0]
        places = base_grid(height, width, corners).reshape(1, -1, 3)
        base = to.constant(places, f32, f"{node_name(op)}/places")

        def part(made: Operation, what: str) -> SSAValue:
            return to.emit(made, to.part_location(op, what))

        turned = quant.TransposeOp(theta, (0, 2, 1), TensorType(f32, (batch, 3, 2)))
        mapped = TensorType(f32, (batch, height * width, 2))
        grid = quant.MatMulOp(base, part(turned, "theta"), None, mapped)
        shaped = TensorType(f32, (batch, height, width, 2))
        made = quant.GridSampleOp(
            image,
            part(quant.ReshapeOp(part(grid, "mapped"), shaped), "grid"),
            quant.SampleMode.LINEAR,
            quant.SamplePadding.ZEROS,
            corners,
            to.type_of(op.result),
        )
        to.finish(op, made)


SAMPLING_RULES: tuple[Rule, ...] = (GridSampleRule(), RoiAlignRule(), SpatialTransformerRule())
