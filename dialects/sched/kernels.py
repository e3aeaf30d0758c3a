"""The kernels that layers and jobs call: operands, parameters, units, and what must agree.

Names and order of operands and parameters are the job table's (`pulsar2.program`); this adds what
the verifier and the scheduler need: which operand is the output, which units run the kernel, and
the constraints between shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.sched.attrs import MAX_DIMS, ElementType, EuKind, Params, View
from pulsar2.program import OPCODES, Opcode

_NEAREST = 0
"""The `kind` of a resize that repeats elements."""


@dataclass(frozen=True)
class Kernel:
    """What a layer or job may call.

    `operands` are the names of the required operands, then of the optional ones; `output` is the
    index of the one written. `eus` are the classes of units that run it, the preferred one first.
    """

    name: str
    opcode: int
    operands: tuple[str, ...]
    required: int
    params: tuple[str, ...]
    output: int
    eus: tuple[EuKind, ...]
    check: Callable[[Sequence[View], dict[str, int | float]], None]

    def units(self, params: Params) -> tuple[EuKind, ...]:
        """Those of `eus` that run it with these parameters: what interpolates is not for the cv."""
        if self.name == "resize" and dict(params).get("kind") != _NEAREST:
            return tuple(kind for kind in self.eus if kind is not EuKind.CV)
        return self.eus


def _fail(message: str) -> None:
    raise VerifyException(message)


def _same_shape(views: Sequence[View], params: dict[str, int | float]) -> None:
    shapes = {v.shape for v in views}
    if len(shapes) != 1:
        _fail(f"operands have one shape, got {' and '.join(str(list(v.shape)) for v in views)}")


def _copy(views: Sequence[View], params: dict[str, int | float]) -> None:
    _same_shape(views, params)
    if views[0].element is not views[1].element:
        _fail("a copy keeps the element type")


def _fill(views: Sequence[View], params: dict[str, int | float]) -> None:
    return


_SUM_TYPES = (ElementType.S32, ElementType.S64)


def _check_count(
    views: Sequence[View], params: dict[str, int | float], always: int, *flags: str
) -> None:
    """There are the operands that are always there, and one for each flag that is set."""
    expected = always + sum(int(params[flag]) != 0 for flag in flags)
    if len(views) != expected:
        *first, last = flags
        names = f"{', '.join(first)} and {last} ask" if first else f"{last} asks"
        _fail(f"{names} for {expected} operands, got {len(views)}")


def _check_sum_type(y: View) -> None:
    if y.element not in _SUM_TYPES:
        _fail("the sums of a part are i32 or i64")


def _sums(views: Sequence[View], params: dict[str, int | float]) -> None:
    """Takes the sums of earlier parts, the last operand where there are any, in y's shape."""
    sums, y = views[-1], views[2]
    if int(params["has_sums"]) and (sums.shape != y.shape or sums.element not in _SUM_TYPES):
        _fail(f"sums of earlier parts are i32 or i64 in the shape of the output, {list(y.shape)}")


def _windows(views: Sequence[View], params: dict[str, int | float]) -> None:
    """What `conv` and `conv_sums` have in common."""
    x, w, y = views[:3]
    if not len(x.shape) == len(w.shape) == len(y.shape) == 4:
        _fail("conv works on x[N,C,H,W], w[O,C/g,KH,KW] and y[N,O,OH,OW]")
    group = int(params["group"])
    if group < 1 or x.shape[1] != w.shape[1] * group or w.shape[0] % group:
        _fail(f"{x.shape[1]} channels, weights of {list(w.shape)} and {group} groups do not fit")
    if (y.shape[0], y.shape[1]) != (x.shape[0], w.shape[0]):
        _fail(f"output {list(y.shape)} does not fit input {list(x.shape)}, weights {list(w.shape)}")
    _sums(views, params)


def _conv(views: Sequence[View], params: dict[str, int | float]) -> None:
    _check_count(views, params, 4, "bias_mode", "has_wzp", "has_sums")
    _windows(views, params)
    per_channel = views[3 : len(views) - bool(params["has_sums"])]
    if any(v.shape != (views[1].shape[0],) for v in per_channel):
        _fail("multipliers, bias and weight zero points have one element per output channel")
    if views[3].element is not ElementType.F32:
        _fail("multipliers are f32")


def _conv_sums(views: Sequence[View], params: dict[str, int | float]) -> None:
    _check_count(views, params, 3, "has_wzp", "has_sums")
    _windows(views, params)
    if int(params["has_wzp"]) and views[3].shape != (views[1].shape[0],):
        _fail("weight zero points have one element per output channel")
    _check_sum_type(views[2])


def _factors(views: Sequence[View], params: dict[str, int | float]) -> None:
    """What `matmul` and `matmul_sums` have in common."""
    a, b, y = views[:3]
    if not len(a.shape) == len(b.shape) == len(y.shape) >= 2:
        _fail("matmul works on a[..,M,K], b[..,K,N] and y[..,M,N] of one rank")
    if a.shape[-1] != b.shape[-2] or y.shape[-2:] != (a.shape[-2], b.shape[-1]):
        _fail(f"{list(a.shape)} x {list(b.shape)} is not {list(y.shape)}")
    if not a.shape[:-2] == b.shape[:-2] == y.shape[:-2]:
        _fail("batch dimensions agree (broadcast ones by stride 0)")
    _sums(views, params)


def _matmul(views: Sequence[View], params: dict[str, int | float]) -> None:
    _check_count(views, params, 4, "bias_mode", "has_sums")
    _factors(views, params)


def _matmul_sums(views: Sequence[View], params: dict[str, int | float]) -> None:
    _check_count(views, params, 3, "has_sums")
    _factors(views, params)
    _check_sum_type(views[2])


def _lut(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, table, y = views
    axis = int(params["axis"])
    if x.shape != y.shape:
        _fail("input and output of a table look-up have one shape")
    if x.element.itemsize != 1:
        _fail("a table look-up reads 8-bit elements")
    expected = (256,) if axis < 0 else (x.shape[axis], 256)
    if table.shape != expected or table.element is not y.element:
        _fail(f"the table has shape {list(expected)} and the output's element type")


def _pool(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, y = views
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[:2] != y.shape[:2]:
        _fail("pooling works on x[N,C,H,W] and y[N,C,OH,OW]")


def _resize(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, y = views
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[:2] != y.shape[:2]:
        _fail("resizing works on x[N,C,H,W] and y[N,C,OH,OW]")
    for view, first, whole in ((x, "in_{}", "in_{}"), (y, "out_{}", "out_{}")):
        for dim, (name, size) in enumerate((("row", "h"), ("column", "w")), start=2):
            begin, total = int(params[first.format(name)]), int(params[whole.format(size)])
            if begin < 0 or begin + view.shape[dim] > total:
                _fail(f"{name}s {begin} to {begin + view.shape[dim]} are outside the {total}")


def _grid_sample(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, grid, y = views
    if not len(x.shape) == len(grid.shape) == len(y.shape) == 4 or x.shape[:2] != y.shape[:2]:
        _fail("sampling works on x[N,C,H,W], grid[N,OH,OW,2] and y[N,C,OH,OW]")
    if grid.shape != (y.shape[0], *y.shape[2:], 2):
        _fail(f"the grid has shape {[y.shape[0], *y.shape[2:], 2]}, got {list(grid.shape)}")


def _roi_align(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, rois, batch, y = views
    if len(x.shape) != 4 or len(y.shape) != 4 or x.shape[1] != y.shape[1]:
        _fail("regions are cut from x[N,C,H,W] to y[R,C,OH,OW]")
    if rois.shape != (y.shape[0], 4) or batch.shape != (y.shape[0],):
        _fail(f"{y.shape[0]} regions, rois {list(rois.shape)}, batch {list(batch.shape)}")
    if batch.element is not ElementType.S32:
        _fail("the images of regions are s32")


def _reduce(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, y = views
    mask = int(params["axes_mask"])
    expected = tuple(1 if mask >> d & 1 else n for d, n in enumerate(x.shape))
    if y.shape != expected:
        _fail(f"reducing {list(x.shape)} along mask {mask} gives {list(expected)}")


def _softmax(views: Sequence[View], params: dict[str, int | float]) -> None:
    _same_shape(views, params)
    if not 0 <= int(params["axis"]) < len(views[0].shape):
        _fail("the axis is one of the dimensions")


def _norm(views: Sequence[View], params: dict[str, int | float]) -> None:
    _same_shape(views, params)
    scaled = int(params["has_scale"]) != 0
    for number, view in enumerate(views[2:]):
        fixed = scaled and not number and view.element in (ElementType.S32, ElementType.U32)
        if view.element is not ElementType.F32 and not fixed:
            _fail("scale and bias are f32, the scale also i32 or ui32")
    _check_count(views, params, 2, "has_scale", "has_bias")


def _integer(views: Sequence[View], params: dict[str, int | float]) -> None:
    _same_shape(views, params)
    a, b, y = views
    if a.element is not b.element or a.element.is_float:
        _fail("a and b are integers of one type")
    if y.element is not a.element and y.element is not ElementType.BOOL:
        _fail("the result has the operands' type, or is BOOL")


def _where(views: Sequence[View], params: dict[str, int | float]) -> None:
    _same_shape(views, params)
    c, a, b, y = views
    if c.element is not ElementType.BOOL:
        _fail("the condition is BOOL")
    if not a.element is b.element is y.element:
        _fail("a, b and the result have one element type")


def _gather(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, indices, y = views
    axis = int(params["axis"])
    if indices.element is not ElementType.S32 or x.element is not y.element:
        _fail("indices are S32, and x and y have one element type")
    if indices.shape != y.shape or len(x.shape) != len(y.shape) or not 0 <= axis < len(y.shape):
        _fail("indices have the shape of y, x its rank, and axis is one of its dimensions")
    if any(m < n for d, (n, m) in enumerate(zip(y.shape, x.shape, strict=True)) if d != axis):
        _fail("x is smaller than y")


def _scatter(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, indices, updates, y = views
    axis = int(params["axis"])
    if indices.element is not ElementType.S32:
        _fail("indices are S32")
    if not x.element is updates.element is y.element:
        _fail("x, updates and y have one element type")
    if x.shape != y.shape or indices.shape != updates.shape or len(x.shape) != len(indices.shape):
        _fail("x has the shape of y, updates that of the indices, and all one rank")
    if not 0 <= axis < len(y.shape):
        _fail(f"axis {axis} of a rank {len(y.shape)} tensor")
    if any(m < n for d, (n, m) in enumerate(zip(indices.shape, y.shape, strict=True)) if d != axis):
        _fail("y is smaller than the updates")


def _ranked(views: Sequence[View], params: dict[str, int | float]) -> None:
    x, y = views
    axis = int(params["axis"])
    if y.element is not ElementType.S32:
        _fail("y is S32")
    if len(x.shape) != len(y.shape) or not 0 <= axis < len(x.shape):
        _fail("x and y have one rank, and axis is one of their dimensions")
    pairs = enumerate(zip(x.shape, y.shape, strict=True))
    if any(m > n if d == axis else m != n for d, (n, m) in pairs):
        _fail("y has the shape of x, but for fewer elements along the axis")


_CHECKS: dict[str, Callable[[Sequence[View], dict[str, int | float]], None]] = {
    "copy": _copy,
    "fill": _fill,
    "conv": _conv,
    "matmul": _matmul,
    "conv_sums": _conv_sums,
    "matmul_sums": _matmul_sums,
    "eltwise": _same_shape,
    "lut": _lut,
    "unary": _same_shape,
    "pool": _pool,
    "resize": _resize,
    "grid_sample": _grid_sample,
    "roi_align": _roi_align,
    "reduce": _reduce,
    "softmax": _softmax,
    "convert": _same_shape,
    "norm": _norm,
    "log_softmax": _softmax,
    "cum_sum": _softmax,
    "integer": _integer,
    "where": _where,
    "cast": _same_shape,
    "gather_elements": _gather,
    "scatter_elements": _scatter,
    "arg": _ranked,
    "top_k": _ranked,
}


def _units(opcode: Opcode) -> tuple[EuKind, ...]:
    """Classes that run the operation; rearranging within OCM is best left to the cv units."""
    kinds = [EuKind[kind.name] for kind in opcode.eus]
    return tuple(sorted(kinds, key=lambda kind: kind is not EuKind.CV))


KERNELS: dict[str, Kernel] = {
    name: Kernel(
        name,
        OPCODES[name].code,
        OPCODES[name].operands + OPCODES[name].optional,
        len(OPCODES[name].operands),
        tuple(p.name for p in OPCODES[name].params),
        OPCODES[name].output,
        _units(OPCODES[name]),
        check,
    )
    for name, check in _CHECKS.items()
}


def sums_kernel(kernel: Kernel, views: Sequence[View], params: Params) -> Kernel | None:
    """What computes the sums of a part of the reduction; None where it is not cut into parts.

    It is where the sums are of integers, and each goes over all input channels: sums of f32 have an
    order, and groups have few channels each.
    """
    if views[0].element.is_float or dict(params).get("group", 1) != 1:
        return None
    return KERNELS.get(f"{kernel.name}_sums")


def check_call(kernel: Kernel, views: Sequence[View], params: Params) -> None:
    """Verifies a call: number of operands, names of parameters, shapes. Raises VerifyException."""
    if not kernel.required <= len(views) <= len(kernel.operands):
        _fail(
            f"'{kernel.name}' takes {kernel.required} to {len(kernel.operands)} operands "
            f"({', '.join(kernel.operands)}), got {len(views)}"
        )
    names = tuple(name for name, _ in params)
    if names != kernel.params:
        _fail(f"'{kernel.name}' takes parameters ({', '.join(kernel.params)}), got {names}")
    for view in views:
        if len(view.shape) > MAX_DIMS:
            _fail(f"a view has at most {MAX_DIMS} dimensions, got {len(view.shape)}")
    kernel.check(views, dict(params))
