"""Random operators on images, as steps of `random_graphs`: resizing."""

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


IMAGES: tuple[Callable[[Sketch], None], ...] = (resize,)
