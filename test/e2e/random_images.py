"""Random operators on images, as steps of `random_graphs`: resizing, transposed convolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from random_graphs import Sketch

_COORDINATES = ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
_ROUNDINGS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


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
        # onnx.reference decides in two ways whether a place is whole, where scales are not exact.
        if sketch.flag():
            attributes["coordinate_transformation_mode"] = "half_pixel_symmetric"
        sizes = [sketch.integer(1, 2 * n + 3) for n in spatial]
        operands = [x, "", "", sketch.constant(np.array([*shape[:2], *sizes], np.int64))]
    if max(sizes) <= 40:
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


IMAGES: tuple[Callable[[Sketch], None], ...] = (resize, conv_transpose)
