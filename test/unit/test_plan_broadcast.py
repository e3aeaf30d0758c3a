"""What a layer needs at least: broadcast constants once, no second tile where there is no room."""

from __future__ import annotations

import pytest

from pulsar2.lowering.analysis.grids import ON_PARAM, Layer, Machine, Operand
from pulsar2.lowering.analysis.plan import OutOfMemory, Tensor, plan_layers

_OUT = (1, 56, 56, 96)


def test_broadcast_constants_need_no_memory_for_each_repetition() -> None:
    factors = Operand(ON_PARAM, _OUT, 4, broadcast=(0, 1, 2))
    layer = Layer(
        "norm",
        (Operand(0, _OUT, 1), Operand(1, _OUT, 1), factors, factors),
        {"axes_mask": 8},
        output=1,
        memory_order=(0, 1, 2, 3),
        compute=1000.0,
        unit="teng",
        units=1,
        writes_ddr=True,
    )
    machine = Machine(
        ocm_bytes=4096, launch=10, ddr_rate=8, port_rate=64, lanes_in=32, lanes_out=32
    )
    tensors = [Tensor(56 * 56 * 96, external=True)] * 2
    plan = plan_layers([layer], tensors, machine)
    assert plan.layers[0].working_set <= machine.ocm_bytes
    assert plan.layers[0].working_set >= 2 * 96 * 4


def test_tiles_come_one_by_one_where_there_is_no_room_for_two() -> None:
    rows = Operand(0, (8, 1000), 1)
    layer = Layer(
        "softmax",
        (rows, Operand(1, (8, 1000), 1)),
        {"axis": 1},
        output=1,
        memory_order=(0, 1),
        compute=1000.0,
        unit="teng",
        units=1,
        writes_ddr=False,
    )
    tensors = [Tensor(8000, external=True)] * 2

    def machine(ocm_bytes: int) -> Machine:
        return Machine(ocm_bytes, launch=10, ddr_rate=8, port_rate=64, lanes_in=32, lanes_out=32)

    plan = plan_layers([layer], tensors, machine(2048))
    assert plan.layers[0].grid == (8, 1)
    assert plan.layers[0].working_set > 2048 >= plan.layers[0].smallest
    with pytest.raises(OutOfMemory) as caught:
        plan_layers([layer], tensors, machine(2047))
    assert (caught.value.need, caught.value.have) == (2048, 2047)
