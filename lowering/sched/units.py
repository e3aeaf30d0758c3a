"""Which class of units runs what, and what it can reach."""

from __future__ import annotations

from pulsar2.dialects.sched.attrs import EuKind
from pulsar2.dialects.sched.job import LayerOp


def preferred_unit(layer: LayerOp) -> EuKind:
    """The class of units that runs a layer: for a copy or fill in memory, the rearranging one."""
    return layer.spec.units(layer.params.data)[0]


def writes_to_ddr(unit: EuKind) -> bool:
    """Whether units of the class can write to DDR (docs/npu.md: teng and cv can)."""
    return unit in (EuKind.TENG, EuKind.CV)


def stores_itself(layer: LayerOp, unit: EuKind) -> bool:
    """Whether units of class `unit` that compute the layer write its result in DDR as well."""
    return writes_to_ddr(unit) and (layer.store is None or layer.store.data is unit)
