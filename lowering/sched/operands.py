"""What the lowerings of operations to layers share: bounds of results, constants as operands."""

from __future__ import annotations

from xdsl.ir import SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import uniform_of
from pulsar2.lowering.sched.tensors import ProgramBuilder, Ref, element_of
from pulsar2.tables import NO_CLAMP
from pulsar2.weights import AnyArray


def clamp_bounds(value: SSAValue, fused: tuple[int, int] | None = None) -> dict[str, int]:
    """The bounds of a result's stored integers: those of a fused activation, or of its type."""
    if fused is not None:
        return {"clamp_lo": fused[0], "clamp_hi": fused[1]}
    type_ = uniform_of(value)
    low, high = type_.bounds if type_ is not None else NO_CLAMP
    return {"clamp_lo": low, "clamp_hi": high}


def constant_array(value: SSAValue, builder: ProgramBuilder) -> AnyArray | None:
    """The stored elements of a constant value; None for an activation."""
    owner = value.owner
    return owner.array(builder.weights) if isinstance(owner, quant.ConstantOp) else None


def param_of(value: SSAValue, builder: ProgramBuilder) -> Ref:
    """A constant value in the parameter segment."""
    array = constant_array(value, builder)
    assert array is not None
    _, scale, zero_point = element_of(value)
    return builder.param(array, scale, zero_point)
