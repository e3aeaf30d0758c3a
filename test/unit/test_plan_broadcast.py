"""Constants that are broadcast count once in the plan of tiles."""

from __future__ import annotations

from pulsar2.lowering.analysis.grids import ON_PARAM, Layer, Machine, Operand
from pulsar2.lowering.analysis.plan import Tensor, plan_layers

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
    machine = Machine(ocm_bytes=4096, launch=10, ddr_rate=8, port_rate=64, lanes_out=32)
    tensors = [Tensor(56 * 56 * 96, external=True)] * 2
    plan = plan_layers([layer], tensors, machine)
    assert plan.layers[0].working_set <= machine.ocm_bytes
    assert plan.layers[0].working_set >= 2 * 96 * 4
