"""Random operators on images, as steps of `random_graphs`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from random_graphs import Sketch

_COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
_ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


def _nearly_whole(size: int, out: int) -> bool:
    """Whether rounding alone keeps a place of an axis resized to `out` from being whole.

    `onnx.reference` (1.23) decides in two ways whether a place is whole, before and after adding
    the width of its padding, and takes the wrong neighbour where the addition has rounded.
    """
    centres = (np.arange(out) + 0.5) / (out / size) - 0.5
    distances = np.abs(centres - np.rint(centres))
    return bool(np.any((distances > 0) & (distances < 1e-9)))


def resize(sketch: Sketch) -> None:
    """Resize by scales or to sizes, of the last axes of an image or of a tensor of rank 3."""
    x = sketch.pick(sketch.live)
    shape = sketch.live[x]
    if len(shape) not in (3, 4):
        return
    spatial = shape[2:]
    attributes = {
        "mode": sketch.pick({"nearest", "linear"}),
        "coordinate_transformation_mode": sketch.pick(_COORDINATES),
        "nearest_mode": sketch.pick(_ROUNDINGS),
    }
    if sketch.flag():
        scales = [sketch.pick({0.5, 1.0, 1.5, 2.0, 2.7, 4.0}) for _ in spatial]
        sizes = [int(n * np.float32(s)) for n, s in zip(spatial, scales, strict=True)]
        if min(sizes) < 1:
            return
        given = sketch.constant(np.array([1.0, 1.0, *scales], np.float32))
        operands = [x, "", given]
    else:
        if sketch.flag():
            attributes["coordinate_transformation_mode"] = "half_pixel_symmetric"
        sizes = [sketch.integer(1, 2 * n + 3) for n in spatial]
        operands = [x, "", "", sketch.constant(np.array([*shape[:2], *sizes], np.int64))]
    if max(sizes) <= 40 and not any(map(_nearly_whole, spatial, sizes)):
        sketch.node("Resize", operands, (*shape[:2], *sizes), **attributes)


def _transposed_axis(sketch: Sketch, size: int) -> tuple[int, int, int, int, int, int, int]:
    """kernel, stride, dilation, begin and end padding, output padding, output size of one axis."""
    kernel, stride, dilation = sketch.integer(1, 4), sketch.integer(1, 4), sketch.integer(1, 2)
    added = sketch.integer(0, stride - 1)
    full = (size - 1) * stride + (kernel - 1) * dilation + 1 + added
    begin, end = (sketch.integer(0, min(3, (full - 1) // 2)) for _ in range(2))
    return kernel, stride, dilation, begin, end, added, full - begin - end


def conv_transpose(sketch: Sketch) -> None:
    """ConvTranspose of any group, stride, dilation and padding, maybe with a Relu."""
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    group = sketch.pick({g for g in range(1, channels + 1) if channels % g == 0})
    outputs = sketch.integer(1, max(1, 24 // group))
    kh, sh, dh, top, bottom, added_h, oh = _transposed_axis(sketch, height)
    kw, sw, dw, left, right, added_w, ow = _transposed_axis(sketch, width)
    if max(oh, ow) > 40:
        return
    deviation = (channels // group * kh * kw / (sh * sw)) ** -0.5
    operands = [x, sketch.weight(channels, outputs, kh, kw, deviation=deviation)]
    if sketch.flag():
        operands.append(sketch.weight(group * outputs, deviation=0.3))
    y = sketch.node(
        "ConvTranspose",
        operands,
        (batch, group * outputs, oh, ow),
        kernel_shape=[kh, kw],
        strides=[sh, sw],
        dilations=[dh, dw],
        pads=[top, left, bottom, right],
        output_padding=[added_h, added_w],
        group=group,
    )
    if sketch.flag():
        sketch.node("Relu", [y], sketch.live.pop(y))


def grid_sample(sketch: Sketch) -> None:
    """GridSample at constant places, inside and outside the image."""
    x = sketch.image()
    if x is None:
        return
    batch, channels = sketch.live[x][:2]
    size = (batch, sketch.integer(1, 9), sketch.integer(1, 9), 2)
    # ONNX's reference divides by 0 where it reflects between the centres of a single row or column.
    corners = 0 if min(sketch.live[x][2:]) == 1 else sketch.integer(0, 1)
    grid = sketch.constant(sketch.rng.uniform(-1.6, 1.6, size).astype(np.float32))
    sketch.node(
        "GridSample",
        [x, grid],
        (batch, channels, *size[1:3]),
        mode=sketch.pick({"nearest", "bilinear"}),
        padding_mode=sketch.pick({"zeros", "border", "reflection"}),
        align_corners=corners,
    )


def depth_space(sketch: Sketch) -> None:
    """DepthToSpace of either mode, or SpaceToDepth."""
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    block = sketch.integer(1, 3)
    if sketch.flag() and channels % block**2 == 0:
        shape = (batch, channels // block**2, height * block, width * block)
        mode = sketch.pick({"CRD", "DCR"})
        sketch.node("DepthToSpace", [x], shape, blocksize=block, mode=mode)
    elif height % block == width % block == 0:
        shape = (batch, channels * block**2, height // block, width // block)
        sketch.node("SpaceToDepth", [x], shape, blocksize=block)


def roi_align(sketch: Sketch) -> None:
    """RoiAlign of constant regions, some of them over the edge."""
    x = sketch.image()
    if x is None:
        return
    batch, channels, height, width = sketch.live[x]
    count, scale = sketch.integer(1, 4), sketch.pick({0.5, 1.0})
    corners = sketch.rng.uniform(-1, 1.2, (count, 2)) * (width, height)
    extents = sketch.rng.uniform(1.5, 12, (count, 2))
    rois = np.concatenate([corners, corners + extents], 1) / scale
    images = sketch.constant(sketch.rng.integers(0, batch, count))
    bins = (sketch.integer(1, 5), sketch.integer(1, 5))
    sketch.node(
        "RoiAlign",
        [x, sketch.constant(rois.astype(np.float32)), images],
        (count, channels, *bins),
        mode=sketch.pick({"avg", "max"}),
        output_height=bins[0],
        output_width=bins[1],
        sampling_ratio=sketch.integer(1, 3),
        spatial_scale=scale,
        coordinate_transformation_mode=sketch.pick({"half_pixel", "output_half_pixel"}),
    )


IMAGES: tuple[Callable[[Sketch], None], ...] = (
    resize, conv_transpose, grid_sample, depth_space, roi_align,
)  # fmt: skip
