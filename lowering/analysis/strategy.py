"""What a run of layers takes under each strategy: a layer at a time, or slice by slice.

IR-free. A plan holds the time of each layer by itself. Run in slices, the layers of a group
overlap: while one unit computes a slice of a layer, others compute earlier slices of the layers
behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pulsar2.lowering.analysis.plan import HIDDEN, ON_PARAM, Layer, Machine, Plan


def sliced_time(
    layers: Sequence[Layer],
    inner: Collection[int],
    spilled: Collection[int],
    tiles: int,
    machine: Machine,
) -> float:
    """Cycles of a group of layers in `tiles` slices, its `inner` tensors handed on in OCM.

    The busiest class of units sets the pace, behind the first slice's way through all layers.
    Tensors in `spilled` that are not inner cross DDR once, constants too.
    """
    busy: dict[str, float] = {}
    moved, transfers, first_slice = 0.0, 0, 0.0
    for layer in layers:
        touched = 0
        for index, operand in enumerate(layer.operands):
            nbytes = operand.nbytes(operand.shape)
            touched += nbytes
            if operand.tensor == ON_PARAM:
                moved += nbytes
            elif operand.tensor in inner:
                if index == layer.output:
                    # Rows that neighbouring slices share are copied into the next window.
                    busy["cv"] = busy.get("cv", 0.0) + tiles * machine.launch
            elif operand.tensor in spilled:
                moved += nbytes
                transfers += tiles
        transfers += 1
        work = max(layer.compute, touched / machine.port_rate)
        busy[layer.unit] = busy.get(layer.unit, 0.0) + (work + tiles * machine.launch) / layer.units
        first_slice += work / tiles + machine.launch
    compute = max(busy.values()) + first_slice
    move = moved / machine.ddr_rate + transfers * machine.launch
    return max(compute, move) + HIDDEN * min(compute, move)


def layered_time(plan: Plan, first: int, last: int) -> float:
    """Cycles of layers first..last one after the other, as the plan has them."""
    return sum(each.time for each in plan.layers[first : last + 1])
