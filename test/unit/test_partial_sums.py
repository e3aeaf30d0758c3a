"""Sums in parts: where they are chosen, what they need, and which type holds them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr, TensorType, i8

from pulsar2.context import make_context
from pulsar2.dialects.ax import WeightAttr
from pulsar2.dialects.sched.attrs import ElementType, Space, View, dense_strides
from pulsar2.dialects.sched.job import LayerOp
from pulsar2.dialects.sched.program import BufferOp
from pulsar2.lowering.analysis.grids import ON_PARAM, Layer, Machine, Operand
from pulsar2.lowering.analysis.partial_sums import part_options
from pulsar2.lowering.analysis.plan import OutOfMemory, Plan, Tensor, plan_layers
from pulsar2.lowering.sched.partial_sums import sum_type

_PARAMS = {
    "stride_h": 1, "stride_w": 1, "pad_top": 1, "pad_left": 1, "dil_h": 1, "dil_w": 1, "group": 1,
    "bias_mode": 1, "has_wzp": 0, "has_sums": 0, "clamp_lo": 0, "clamp_hi": 255,
}  # fmt: skip


def _machine(ocm_bytes: int) -> Machine:
    return Machine(ocm_bytes, launch=100, ddr_rate=8, port_rate=64, lanes_in=32, lanes_out=64)


def _conv(channels: int, outputs: int, size: int) -> Layer:
    return Layer(
        "conv",
        (
            Operand(0, (1, channels, size, size), 1),
            Operand(ON_PARAM, (outputs, channels, 3, 3), 1),
            Operand(1, (1, outputs, size, size), 1),
            Operand(ON_PARAM, (outputs,), 4),
            Operand(ON_PARAM, (outputs,), 4),
        ),
        dict(_PARAMS),
        output=2,
        memory_order=(0, 2, 3, 1),
        compute=size * size * 9 * channels * outputs / 2048,
        unit="conv",
        units=1,
        writes_ddr=False,
        sum_bytes=4,
    )


def _plan(layer: Layer, ocm_bytes: int) -> Plan:
    x, y = (Tensor(np.prod(layer.operands[i].shape), external=True) for i in (0, 2))
    return plan_layers([layer], [x, y], _machine(ocm_bytes))


def test_parts_are_chosen_where_whole_sums_would_leave_lanes_idle() -> None:
    layer = _conv(512, 512, 7)
    short = _plan(layer, 256 << 10).layers[0]
    assert short.part
    whole = _plan(replace(layer, sum_bytes=0), 256 << 10).layers[0]
    assert not whole.part
    assert short.time < 0.9 * whole.time
    assert short.working_set <= 256 << 10


def test_nothing_is_cut_where_there_is_room() -> None:
    layer = _conv(512, 512, 7)
    assert _plan(layer, 8 << 20) == _plan(replace(layer, sum_bytes=0), 8 << 20)


def test_what_only_parts_make_fit() -> None:
    layer = _conv(4096, 64, 7)
    with pytest.raises(OutOfMemory):
        _plan(replace(layer, sum_bytes=0), 32 << 10)
    chosen = _plan(layer, 32 << 10).layers[0]
    assert chosen.part
    assert chosen.working_set <= 32 << 10


def test_parts_are_whole_steps_of_the_lanes_and_fewer_need_more() -> None:
    random = Random(0)
    for _ in range(20):
        layer = _conv(random.randint(33, 700), random.randint(1, 300), random.randint(1, 20))
        plans = part_options(layer, _machine(64 << 10))
        assert all(p.part and p.part % 32 == 0 for p in plans)
        assert all(p.smallest <= p.working_set for p in plans)
        by_grid: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for p in plans:
            by_grid.setdefault(p.grid, []).append((p.part, p.working_set))
        for found in by_grid.values():
            assert [w for _, w in sorted(found)] == sorted(w for _, w in found)
    assert not part_options(_conv(32, 64, 7), _machine(64 << 10))


def _layer(x: ElementType, weights: np.ndarray, x_zero: int = 0, w_zero: int = 0) -> tuple:
    """A 1x1 convolution of one pixel with constant weights [O, C], and the store of these."""
    store = make_context().weights
    outputs, channels = weights.shape
    data = WeightAttr(StringAttr(store.add(weights)), TensorType(i8, list(weights.shape)))
    buffers = [
        BufferOp(Space.OCM, channels * x.itemsize),
        BufferOp(Space.PARAM, weights.nbytes, data=data),
        BufferOp(Space.OCM, outputs),
        BufferOp(Space.OCM, 4 * outputs),
    ]

    def view(shape: tuple[int, ...], element: ElementType, zero_point: int = 0) -> View:
        strides = dense_strides(shape, range(len(shape)), element.itemsize)
        return View(0, shape, strides, element, 1.0, zero_point)

    views = [
        view((1, channels, 1, 1), x, x_zero),
        view((outputs, channels, 1, 1), ElementType.S8, w_zero),
        view((1, outputs, 1, 1), ElementType.U8),
        view((outputs,), ElementType.F32),
    ]
    params = tuple({**_PARAMS, "bias_mode": 0, "pad_top": 0, "pad_left": 0}.items())
    return LayerOp("conv", buffers, views, params), store


def test_the_type_of_sums() -> None:
    s32, s64 = ElementType.S32, ElementType.S64
    ones = np.ones((3, 40_000), np.int8)
    fewer = ones[:, :30_000].copy()
    assert sum_type(*_layer(ElementType.U8, np.full((3, 40_000), -128, np.int8))) is s32
    # 65535 x 40,000 is more than S32 holds, 65535 x 30,000 is not.
    assert sum_type(*_layer(ElementType.U16, ones)) is s64
    assert sum_type(*_layer(ElementType.U16, fewer)) is s32
    assert sum_type(*_layer(ElementType.U16, ones, x_zero=32768)) is s32
    # The zero point of the weights counts.
    assert sum_type(*_layer(ElementType.U16, fewer, w_zero=3)) is s64
    # One channel of many is enough.
    ones[1:] = 0
    assert sum_type(*_layer(ElementType.U16, ones)) is s64
