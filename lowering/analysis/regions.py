"""Which part of each operand a tile of the output needs.

IR-free. A region is a half-open range per dimension. Each kernel has one rule; the tiling pass, the
job builder and the cost of halos all go by these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pulsar2.lowering.analysis.resample import source_range

Range = tuple[int, int]
Region = tuple[Range, ...]
Shape = tuple[int, ...]
ParamDict = dict[str, int | float]


@dataclass(frozen=True)
class Tile:
    """One tile: the region of every operand, and the kernel's parameters for it."""

    regions: tuple[Region, ...]
    params: ParamDict


def whole(shape: Sequence[int]) -> Region:
    """The region that covers a tensor of `shape`."""
    return tuple((0, n) for n in shape)


def region_shape(region: Region) -> Shape:
    return tuple(end - begin for begin, end in region)


def _window(
    out: Range, size: int, kernel: int, stride: int, dilation: int, pad: int
) -> tuple[Range, int, int]:
    """Input rows that output rows `out` of a sliding window read: (range, pad before, pad after).

    The range is clipped to the tensor, and never empty: a window that lies in the padding
    altogether gets the nearest row, and a padding that skips it.
    """
    first = out[0] * stride - pad
    last = (out[1] - 1) * stride - pad + (kernel - 1) * dilation + 1
    begin = min(max(first, 0), size - 1)
    end = max(min(last, size), begin + 1)
    return (begin, end), begin - first, last - end


def _conv(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    x, w = shapes[0], shapes[1]
    n, o, oh, ow = out
    group = int(params["group"])
    rows, pad_top, _ = _window(
        oh, x[2], w[2], int(params["stride_h"]), int(params["dil_h"]), int(params["pad_top"])
    )
    columns, pad_left, _ = _window(
        ow, x[3], w[3], int(params["stride_w"]), int(params["dil_w"]), int(params["pad_left"])
    )
    if group == 1:
        channels = (0, x[1])
    else:
        per_group = w[0] // group
        channels = (o[0] // per_group * w[1], o[1] // per_group * w[1])
        group = (o[1] - o[0]) // per_group
    tile = dict(params, pad_top=pad_top, pad_left=pad_left, group=group)
    regions: list[Region] = [(n, channels, rows, columns), (o, *whole(w[1:])), out]
    regions += [(o,)] * (len(shapes) - 3)
    return Tile(tuple(regions), tile)


def _matmul(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    a, b = shapes[0], shapes[1]
    batch, rows, columns = out[:-2], out[-2], out[-1]
    regions: list[Region] = [(*batch, rows, (0, a[-1])), (*batch, (0, b[-2]), columns), out]
    regions += [(columns,) if s[0] == b[-1] else whole(s) for s in shapes[3:]]
    return Tile(tuple(regions), params)


def _pointwise(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    return Tile(tuple(out for _ in shapes), params)


def _lut(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    axis = int(params["axis"])
    table = ((0, shapes[1][0]),) if axis < 0 else (out[axis], (0, 256))
    return Tile((out, table, out), params)


def _pool(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    x = shapes[0]
    n, c, oh, ow = out
    rows, top, bottom = _window(
        oh,
        x[2],
        int(params["kh"]),
        int(params["stride_h"]),
        int(params["dil_h"]),
        int(params["pad_top"]),
    )
    columns, left, right = _window(
        ow,
        x[3],
        int(params["kw"]),
        int(params["stride_w"]),
        int(params["dil_w"]),
        int(params["pad_left"]),
    )
    # Padding counts in an average (count_include_pad) only as far as the tensor's own padding
    # goes: a window that overhangs it further, in ceil mode, does not count the overhang.
    far_h = int(params["pad_bottom"]) if rows[1] == x[2] else 0
    far_w = int(params["pad_right"]) if columns[1] == x[3] else 0
    tile = dict(
        params,
        pad_top=top,
        pad_left=left,
        pad_bottom=min(max(bottom, 0), far_h),
        pad_right=min(max(right, 0), far_w),
    )
    return Tile(((n, c, rows, columns), out), tile)


def _resize(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    n, c, rows, columns = out
    in_rows = source_range(params, "h", "row", rows)
    in_columns = source_range(params, "w", "column", columns)
    tile = dict(params)
    for name, begin in (
        ("in_row", in_rows[0]),
        ("in_column", in_columns[0]),
        ("out_row", rows[0]),
        ("out_column", columns[0]),
    ):
        tile[name] = int(params[name]) + begin
    return Tile(((n, c, in_rows, in_columns), out), tile)


def _grid_sample(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    # The grid may point anywhere in the image.
    n, c, rows, columns = out
    x = (n, c, *whole(shapes[0][2:]))
    return Tile((x, (n, rows, columns, (0, 2)), out), params)


def _roi_align(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    # A region may lie anywhere in any image.
    regions, channels = out[:2]
    images, _, rows, columns = whole(shapes[0])
    x = (images, channels, rows, columns)
    return Tile((x, (regions, (0, 4)), (regions,), out), params)


def _reduce(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    mask = int(params["axes_mask"])
    x = tuple((0, n) if mask >> d & 1 else out[d] for d, n in enumerate(shapes[0]))
    return Tile((x, out), params)


def _whole_along(axis: int, shape: Shape, region: Region) -> Region:
    """The region, but all of a tensor of `shape` along one axis."""
    return tuple((0, shape[axis]) if d == axis else r for d, r in enumerate(region))


def _gather(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    x = _whole_along(int(params["axis"]), shapes[0], out)
    return Tile((x, out, out), params)


def _scatter(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    # Only dimensions along which the updates are as many as the elements are cut.
    places = tuple(
        r if n == m else (0, m) for n, m, r in zip(shapes[0], shapes[1], out, strict=True)
    )
    return Tile((out, places, places, out), params)


def _ranked(shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    x = _whole_along(int(params["axis"]), shapes[0], out)
    return Tile((x, out), params)


_RULES: Mapping[str, Callable[[Sequence[Shape], ParamDict, Region], Tile]] = {
    "conv": _conv,
    "matmul": _matmul,
    "lut": _lut,
    "pool": _pool,
    "resize": _resize,
    "grid_sample": _grid_sample,
    "roi_align": _roi_align,
    "reduce": _reduce,
    "copy": _pointwise,
    "fill": _pointwise,
    "eltwise": _pointwise,
    "unary": _pointwise,
    "softmax": _pointwise,
    "convert": _pointwise,
    "norm": _pointwise,
    "log_softmax": _pointwise,
    "cum_sum": _pointwise,
    "integer": _pointwise,
    "where": _pointwise,
    "cast": _pointwise,
    "gather_elements": _gather,
    "scatter_elements": _scatter,
    "arg": _ranked,
    "top_k": _ranked,
}


def tile_of(kernel: str, shapes: Sequence[Shape], params: ParamDict, out: Region) -> Tile:
    """What each operand of `kernel` contributes to the region `out` of its output."""
    return _RULES[kernel](shapes, params, out)


_REDUCED: Mapping[str, tuple[int, int]] = {"conv": (1, 1), "matmul": (-1, -2)}
"""Of contractions, the dimensions of the first two operands that are summed over, whole."""


def reduction(kernel: str, shapes: Sequence[Shape]) -> int:
    """Input channels, or K, that a contraction's sums go over."""
    return shapes[0][_REDUCED[kernel][0]]


def parts_of(size: int, part: int) -> list[Range]:
    """Cuts [0, size) into ranges of `part`, the last of which may be shorter."""
    return [(begin, min(begin + part, size)) for begin in range(0, size, part)]


def part_of(kernel: str, tile: Tile, part: Range) -> Tile:
    """A tile of a contraction over a part of what its sums go over."""
    regions = list(tile.regions)
    for operand, dim in enumerate(_REDUCED[kernel]):
        region = list(regions[operand])
        region[dim] = part
        regions[operand] = tuple(region)
    return Tile(tuple(regions), tile.params)


def cut_steps(kernel: str, shapes: Sequence[Shape], params: ParamDict, output: int) -> Shape:
    """For each output dimension, the granularity at which it may be cut; 0 where it may not be."""
    out = shapes[output]
    steps = [1] * len(out)
    if kernel == "conv" and int(params["group"]) > 1:
        steps[1] = shapes[1][0] // int(params["group"])
    elif kernel in ("softmax", "log_softmax", "cum_sum") or kernel == "top_k":
        steps[int(params["axis"])] = 0
    elif kernel == "scatter_elements":
        axis = int(params["axis"])
        same = zip(shapes[0], shapes[1], strict=True)
        steps = [int(n == m and d != axis) for d, (n, m) in enumerate(same)]
    elif kernel == "roi_align":
        steps[2:] = [0, 0]
    elif kernel in ("reduce", "norm"):
        mask = int(params["axes_mask"])
        steps = [0 if mask >> d & 1 else 1 for d in range(len(out))]
    return tuple(0 if n <= 1 else s for n, s in zip(out, steps, strict=True))


def split(size: int, parts: int, step: int = 1) -> list[Range]:
    """Cuts [0, size) into `parts` nearly equal ranges at multiples of `step`, fewer if too many."""
    units = -(-size // step)
    parts = min(parts, units)
    edges = [min(units * i // parts * step, size) for i in range(parts + 1)]
    return [(edges[i], edges[i + 1]) for i in range(parts)]


def pieces(region: Region, steps: Shape, order: Sequence[int], count: int) -> list[Region]:
    """Cuts a region into about `count` pieces at multiples of `steps`, along few dimensions.

    Dimensions are cut in `order`, those of step 0 not at all; fewer pieces if that is not enough.
    """
    choices = [[span] for span in region]
    for dim in order:
        begin, end = region[dim]
        if count > 1 and steps[dim]:
            ranges = split(end - begin, count, steps[dim])
            choices[dim] = [(begin + low, begin + high) for low, high in ranges]
            count = -(-count // len(ranges))
    return list(in_order(choices, order))


def in_order(ranges: Sequence[Sequence[Range]], order: Sequence[int]) -> Iterator[Region]:
    """The regions of all choices of a range in each dimension, the first of `order` outermost."""
    for spans in itertools.product(*(ranges[d] for d in order)):
        chosen = dict(zip(order, spans, strict=True))
        yield tuple(chosen[d] for d in range(len(ranges)))
