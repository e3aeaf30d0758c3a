"""Tensors as buffers: how the values of a quantized graph lie in memory.

Images lie channels-last, other tensors as `orders.py` decides. A value is a strided view of a
buffer, so transposition, slicing and most reshapes are only other views; a copy is made where a
kernel cannot take the view it would get, or where the bytes have to be in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import StringAttr, TensorType
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects.ax import WeightAttr, element_type_of
from pulsar2.dialects.quant.types import UniformType, element_type, shape_of, stored_type
from pulsar2.dialects.sched.attrs import ElementType, Params, Space, View, ViewAttr, dense_strides
from pulsar2.dialects.sched.attrs import element_type as job_element_type
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.kernels import KERNELS
from pulsar2.dialects.sched.program import BufferOp
from pulsar2.locations import name_location, tensor_name
from pulsar2.lowering.analysis.layouts import CHANNELS_LAST, Order
from pulsar2.weights import AnyArray, WeightStore


@dataclass(frozen=True)
class Ref:
    """A tensor in memory: a buffer and the view of it."""

    buffer: BufferOp
    view: View

    def reshaped(self, shape: Sequence[int], strides: Sequence[int]) -> Ref:
        return Ref(self.buffer, self.view._replace(shape=tuple(shape), strides=tuple(strides)))


@dataclass(frozen=True)
class Squares:
    """An image in squares: the pixels of each, one behind the other, are channels of one pixel.

    `places` are the row and column of each pixel in its square, which is of `size`. `source` is the
    operation that computes them.
    """

    source: Operation
    ref: Ref
    places: tuple[tuple[int, int], ...]
    size: tuple[int, int]

    @staticmethod
    def of(ref: Ref, source: Operation) -> Squares:
        """An image as squares of one pixel."""
        return Squares(source, ref, ((0, 0),), (1, 1))

    def refined(
        self, source: Operation, ref: Ref, within: Sequence[tuple[int, int]], size: tuple[int, int]
    ) -> Squares:
        """The squares where each pixel became one of its own, of `size`."""
        places = [
            (row * size[0] + r, column * size[1] + c)
            for row, column in self.places
            for r, c in within
        ]
        whole = self.size[0] * size[0], self.size[1] * size[1]
        return Squares(source, ref, tuple(places), whole)

    def runs(self) -> list[list[int]]:
        """The pixels that lie side by side both in a square and as channels."""
        runs: list[list[int]] = []
        for index, (row, column) in enumerate(self.places):
            if runs and self.places[runs[-1][-1]] == (row, column - 1):
                runs[-1].append(index)
            else:
                runs.append([index])
        return runs


class _Refs(dict[SSAValue, Ref]):
    """Where values lie; an image in squares is brought into rows when it is first asked for."""

    def __init__(self, builder: ProgramBuilder):
        super().__init__()
        self._builder = builder

    def __missing__(self, value: SSAValue) -> Ref:
        return self._builder.spread(value, self._builder.squares[value])

    def __contains__(self, value: object) -> bool:
        return super().__contains__(value) or value in self._builder.squares


def element_of(value: SSAValue) -> tuple[ElementType, float, int]:
    """Job element type, scale and zero point of a tensor value; 1.0 and 0 unless per tensor."""
    type_ = element_type(value)
    element = job_element_type(stored_type(type_))
    if isinstance(type_, UniformType):
        return element, float(type_.scale), type_.zero_point
    return element, 1.0, 0


def is_row_packed(ref: Ref) -> bool:
    """Whether the pixels of a row follow one another, channel by channel."""
    channels, item = ref.view.shape[1], ref.view.element.itemsize
    return (channels == 1 or ref.view.strides[1] == item) and ref.view.strides[3] == channels * item


def slice_ref(
    ref: Ref, starts: tuple[int, ...], sizes: tuple[int, ...], steps: tuple[int, ...]
) -> Ref:
    """The elements `starts + steps * i` of a tensor, i below `sizes`."""
    view = ref.view
    offset = view.offset + sum(s * b for s, b in zip(starts, view.strides, strict=True))
    strides = tuple(s * b for s, b in zip(steps, view.strides, strict=True))
    return Ref(ref.buffer, view._replace(offset=offset, shape=sizes, strides=strides))


def broadcast_view(view: View, shape: Sequence[int]) -> View:
    """The view with the given shape, by strides of 0 (numpy's rules)."""
    pad = len(shape) - len(view.shape)
    own = (1,) * pad + view.shape
    strides = (0,) * pad + view.strides
    spread = tuple(
        0 if n == 1 and m != 1 else s for n, m, s in zip(own, shape, strides, strict=True)
    )
    return view._replace(shape=tuple(shape), strides=spread)


def reshape_strides(view: View, shape: Sequence[int]) -> tuple[int, ...] | None:
    """Strides that give the view's elements, in row-major order, another shape; None if none do."""
    groups = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    joined: list[tuple[int, int]] = []
    for size, stride in groups:
        if joined and joined[-1][1] == size * stride:
            joined[-1] = (joined[-1][0] * size, stride)
        else:
            joined.append((size, stride))
    strides = [0] * len(shape)
    # Split the joined runs again, from the innermost dimension outwards.
    left, step = joined.pop() if joined else (1, view.element.itemsize)
    for dim in range(len(shape) - 1, -1, -1):
        size = shape[dim]
        strides[dim] = step
        if size == 1:
            continue
        if left == 1:
            if not joined:
                return None
            left, step = joined.pop()
            strides[dim] = step
        if left % size:
            return None
        left //= size
        step *= size
    return tuple(strides) if left == 1 and not joined else None


@dataclass
class ProgramBuilder:
    """Collects the buffers and layers of one subgraph."""

    weights: WeightStore
    orders: Mapping[SSAValue, Order]
    """The memory order of every value that is computed into a place of its own."""
    lanes_out: int
    """Output channels that a conv unit computes side by side."""
    buffers: list[BufferOp] = field(default_factory=list[BufferOp])
    layers: list[LayerOp] = field(default_factory=list[LayerOp])
    refs: dict[SSAValue, Ref] = field(init=False)
    squares: dict[SSAValue, Squares] = field(default_factory=dict[SSAValue, Squares])
    """Images that are computed in squares."""
    placed: dict[SSAValue, Ref] = field(default_factory=dict[SSAValue, Ref])
    """Where values that are not computed yet are to lie: outputs, and parts of concatenations."""
    source: Operation | None = None
    """The operation being lowered: its location goes to the layers it becomes."""

    def __post_init__(self) -> None:
        self.refs = _Refs(self)

    def add_buffer(self, buffer: BufferOp, name: str) -> BufferOp:
        buffer.location = name_location(name or "buffer")
        self.buffers.append(buffer)
        return buffer

    def allocate(
        self,
        name: str,
        shape: Sequence[int],
        element: ElementType,
        scale: float,
        zero_point: int,
        order: Sequence[int],
        space: Space = Space.ANY,
    ) -> Ref:
        """A new packed tensor whose dimensions lie in `order`."""
        strides = dense_strides(shape, order, element.itemsize)
        view = View(0, tuple(shape), strides, element, scale, zero_point)
        external = space in (Space.INPUT, Space.OUTPUT)
        buffer = BufferOp(
            space,
            view.nbytes,
            name=name if external else None,
            type=ViewAttr(view) if external else None,
        )
        return Ref(self.add_buffer(buffer, name), view)

    def place(self, value: SSAValue) -> Ref:
        """Where the value of a computing operation is to lie."""
        if value not in self.placed:
            shape = shape_of(value)
            self.placed[value] = self.allocate(
                tensor_name(value), shape, *element_of(value), self.orders[value]
            )
        return self.placed[value]

    def result(self, value: SSAValue) -> Ref:
        """Where the value of the operation that is being lowered goes."""
        self.refs[value] = self.place(value)
        return self.refs[value]

    def spread(self, value: SSAValue, squares: Squares) -> Ref:
        """Copies an image in squares to its place."""
        target, consumer = self.result(value), self.source
        n, channels = target.view.shape[:2]
        height, width = squares.ref.view.shape[2:]
        count = len(squares.places)
        self.source = squares.source
        for run in squares.runs() if is_row_packed(target) else [[i] for i in range(count)]:
            row, column = squares.places[run[0]]
            part = (n, channels, height, width)
            to = slice_ref(target, (0, 0, row, column), part, (1, 1, *squares.size))
            shape, strides = (n, len(run) * channels, height, width), to.view.strides
            if len(run) > 1:
                strides = (strides[0], target.view.element.itemsize, *strides[2:])
            starts = (0, run[0] * channels, 0, 0)
            source = slice_ref(squares.ref, starts, shape, (1, 1, 1, 1))
            self.copy(source, to.reshaped(shape, strides))
        self.source = consumer
        return target

    def define(self, value: SSAValue, ref: Ref) -> None:
        """Makes what lies in `ref` the value; copies it where the value has a place of its own."""
        target = self.placed.get(value)
        self.refs[value] = ref if target is None else self.copy(ref, target)

    def param(self, array: AnyArray, scale: float = 1.0, zero_point: int = 0) -> Ref:
        """A constant of row-major bytes in the parameter segment."""
        packed = np.ascontiguousarray(array).reshape(array.shape)  # it makes scalars a list of one
        element = job_element_type(element_type_of(packed.dtype))
        handle = WeightAttr(
            StringAttr(self.weights.add(packed)),
            TensorType(element_type_of(packed.dtype), list(packed.shape)),
        )
        strides = dense_strides(packed.shape, range(packed.ndim), element.itemsize)
        view = View(0, packed.shape, strides, element, scale, zero_point)
        assert self.source is not None
        buffer = BufferOp(Space.PARAM, packed.nbytes, data=handle)
        buffer.location = self.source.location
        self.buffers.append(buffer)
        return Ref(buffer, view)

    def param_as(self, array: AnyArray, order: Sequence[int], scale: float, zero: int) -> Ref:
        """A constant seen in `array`'s shape, whose bytes lie in the dimension order `order`."""
        ref = self.param(np.ascontiguousarray(array.transpose(order)), scale, zero)
        strides = [0] * array.ndim
        for position, dim in enumerate(order):
            strides[dim] = ref.view.strides[position]
        return ref.reshaped(array.shape, strides)

    def layer(self, kernel: str, refs: Sequence[Ref], **params: int | float) -> None:
        """Appends a layer; `params` are those of the kernel's table, by name."""
        names = KERNELS[kernel].params
        assert set(params) == set(names), (kernel, sorted(params), names)
        ordered: Params = tuple((name, params[name]) for name in names)
        layer = LayerOp(kernel, [r.buffer for r in refs], [r.view for r in refs], ordered)
        assert self.source is not None
        layer.location = self.source.location
        self.layers.append(layer)

    def copy(self, source: Ref, target: Ref) -> Ref:
        self.layer("copy", [source, target])
        return target

    def packed(self, ref: Ref, order: Sequence[int]) -> Ref:
        """The tensor with its dimensions packed in `order`: itself, or a copy."""
        view = ref.view
        wanted = dense_strides(view.shape, order, view.element.itemsize)
        if all(n == 1 or s == w for n, s, w in zip(view.shape, view.strides, wanted, strict=True)):
            return ref
        assert self.source is not None
        name = tensor_name(self.source.results[0]) if self.source.results else ""
        target = self.allocate(name, view.shape, view.element, view.scale, view.zero_point, order)
        return self.copy(ref, target)

    def channels_last(self, value: SSAValue) -> Ref:
        """The value with its channels next to each other, as conv and pooling units read them."""
        ref = self.refs[value]
        view = ref.view
        if view.shape[1] != 1 and view.strides[1] != view.element.itemsize:
            self.refs[value] = ref = self.packed(ref, CHANNELS_LAST)
        return ref
