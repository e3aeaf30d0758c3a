"""What the options of `onnx-insert-preprocess` say of one runtime input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import BlockArgument

from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx.types import element_of, static_shape_of

DTYPES = {
    "U8": np.uint8, "S8": np.int8, "U16": np.uint16, "S16": np.int16,
    "U32": np.uint32, "S32": np.int32, "FP16": np.float16, "FP32": np.float32,
}  # fmt: skip
LAYOUTS = ("NCHW", "NHWC")
YUV420 = ("YUV420SP", "YVU420SP")
YUV422 = ("YUYV422", "UYVY422")

_KEYS = "dtype|layout|model-layout|mean|std|slice|pad|pad-value|format|color|pixels"
_OPTION = re.compile(rf"\s+({_KEYS})=(\S*)$")


@dataclass(frozen=True)
class RuntimeInput:
    """One runtime input; `InsertPreprocessPass` says what the fields mean."""

    name: str
    dtype: str = "FP32"
    layout: str = "NCHW"
    model_layout: str = "NCHW"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    cuts: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    pad_value: float = 0.0
    format: str = ""
    color: tuple[float, ...] = ()
    pixels: str = ""

    @property
    def permutation(self) -> tuple[int, ...] | None:
        """What a Transpose from the runtime's layout to the model's permutes."""
        if self.layout == self.model_layout:
            return None
        return (0, 3, 1, 2) if self.layout == "NHWC" else (0, 2, 3, 1)

    def model_extent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The model's `shape` in the runtime's layout."""
        perm = self.permutation
        return tuple(shape if perm is None else (shape[perm.index(i)] for i in range(len(perm))))

    def inner_extent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """What padding surrounds."""
        return _widened(self.model_extent(shape), [-n for n in self.pads])

    def outer_extent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """What slicing is done to."""
        return _widened(self.inner_extent(shape), self.cuts)

    def stored_extent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """What comes in at run time."""
        outer = self.outer_extent(shape)
        if self.format in YUV420:
            return (outer[0], outer[1] * 3 // 2, outer[2], 1)
        return (*outer[:3], 2) if self.format in YUV422 else outer

    def channel_axis(self, rank: int) -> int:
        """The axis of the channels in the runtime's layout."""
        return channel_axis(self.layout, rank)


def channel_axis(layout: str, rank: int) -> int:
    return rank - 1 if layout == "NHWC" else min(1, rank - 1)


def _widened(shape: Sequence[int], edges: Sequence[int]) -> tuple[int, ...]:
    return tuple(n + sum(edges[2 * axis : 2 * axis + 2]) for axis, n in enumerate(shape))


def parse_runtime_input(text: str, diagnostics: Diagnostics) -> RuntimeInput:
    """The input that a text describes; what is wrong with it goes to `diagnostics`."""
    values: dict[str, str] = {}
    rest = text
    while (match := _OPTION.search(rest)) is not None:
        values[match.group(1)] = match.group(2)
        rest = rest[: match.start()]
    where = f"input '{rest}'"

    def choice(key: str, default: str, accepted: Sequence[str]) -> str:
        value = values.get(key, default)
        if value in accepted:
            return value
        diagnostics.error(f"{key} '{value}' is not known", where, f"one of {', '.join(accepted)}")
        return default

    def numbers(key: str) -> tuple[float, ...]:
        try:
            return tuple(float(v) for v in values.get(key, "").split(",") if v)
        except ValueError:
            diagnostics.error(f"{key}={values[key]} is not a list of numbers", where)
            return ()

    def edges(key: str) -> tuple[int, ...]:
        words = [v for v in values.get(key, "").split(",") if v]
        if any(not v.isdecimal() for v in words) or len(words) % 2:
            diagnostics.error(f"{key}={values[key]} is not a begin and an end for each axis", where)
            return ()
        return tuple(int(v) for v in words)

    made = RuntimeInput(
        rest,
        choice("dtype", "FP32", tuple(DTYPES)),
        choice("layout", "NCHW", LAYOUTS),
        choice("model-layout", "NCHW", LAYOUTS),
        numbers("mean"),
        numbers("std"),
        edges("slice"),
        edges("pad"),
        (numbers("pad-value") or (0.0,))[0],
        choice("format", "", ("", *YUV420, *YUV422)),
        numbers("color"),
        choice("pixels", "", ("", "U8")),
    )
    if 0 in made.std:
        diagnostics.error("a standard deviation is 0", where)
    if made.format and (len(made.color), made.dtype, made.layout) != (12, "U8", "NHWC"):
        diagnostics.error(
            f"format={made.format} needs dtype=U8, layout=NHWC and color= with 12 numbers", where
        )
    return made


def check_runtime_input(
    item: RuntimeInput, argument: BlockArgument, diagnostics: Diagnostics
) -> None:
    """Reports what of `item` does not fit the model's input."""
    where = f"input '{item.name}'"
    shape = static_shape_of(argument.type)
    if shape is None or element_of(argument.type) != f32:
        diagnostics.error(f"it is a {argument.type}, not a tensor of f32 of known shape", where)
        return
    if (item.layout != item.model_layout or item.format) and len(shape) != 4:
        diagnostics.error(f"it has {len(shape)} axes; another layout needs four", where)
        return
    channels = shape[channel_axis(item.model_layout, len(shape))] if shape else 0
    for key, values in (("mean", item.mean), ("std", item.std)):
        if len(values) not in (0, 1, channels):
            diagnostics.error(
                f"it has {channels} channels, but {key} has {len(values)} numbers", where
            )
    fits = True
    for key, edges in (("slice", item.cuts), ("pad", item.pads)):
        if len(edges) not in (0, 2 * len(shape)):
            fits = False
            diagnostics.error(
                f"it has {len(shape)} axes, but {key} has {len(edges)} numbers",
                where,
                f"a begin and an end for each axis: {2 * len(shape)} numbers",
            )
    if not fits:
        return
    if min(item.inner_extent(shape), default=1) < 1:
        diagnostics.error(f"padding leaves nothing of its {list(item.model_extent(shape))}", where)
    elif item.format:
        _check_yuv(item, item.outer_extent(shape), where, diagnostics)


def _check_yuv(
    item: RuntimeInput, picture: Sequence[int], where: str, diagnostics: Diagnostics
) -> None:
    if picture[3] != 3:
        diagnostics.error(f"{item.format} makes 3 colours, the model takes {picture[3]}", where)
    halved = {"width": picture[2]}
    if item.format in YUV420:
        halved["height"] = picture[1]
    for what, size in halved.items():
        if size % 2:
            diagnostics.error(f"{item.format} needs an even {what}, not {size}", where)
