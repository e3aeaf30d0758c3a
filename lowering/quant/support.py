"""Whether an operation runs on the NPU of a chip, and if not, why.

It does when the quantizer has a rule for it (`rules.RULES`, which grows), the rule takes it as it
is, and the chip's file neither lacks the operator nor limits it further. There is no second list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import UnrankedTensorType, bf16, f16, f64
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.types import element_of, is_tensor, static_shape_of, type_string
from pulsar2.dialects.sched.attrs import MAX_DIMS
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.attributes import WEIGHT_DATA_TYPE, text_attribute
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import constant_of, is_constant, kind_of
from pulsar2.targets import Target
from pulsar2.targets.operators import Limit
from pulsar2.weights import WeightStore

INFINITY = 1e9
"""Numbers of this size and more stand for infinity, as masks have them: no quantization holds them
beside others."""


@dataclass(frozen=True)
class Refusal:
    """Why the NPU does not run an operation.

    `kind` is `operator`, `attribute`, `type`, `shape`, `value` (a number that is not finite),
    `weights` (they are to stay FP32), or `rule` where the quantizer says it in its own words.
    `attribute`, `value` and `limit` are given where a limit of the chip is not kept.
    """

    kind: str
    message: str
    attribute: str = ""
    value: str = ""
    limit: str = ""


def refusal(op: OnnxOp, target: Target | None, weights: WeightStore) -> Refusal | None:
    """Why `op` does not run on the NPU, or None where it does. Without a target: on any chip."""
    kind = kind_of(op)
    rule = RULES.get(kind)
    if rule is None:
        return Refusal("operator", "the operator is not supported on the NPU")
    if target is not None and target.lacks(kind):
        return Refusal("operator", f"{target.name} has no such operator")
    unfit = _unfit_type(op)
    if unfit is not None:
        return unfit
    beyond = None if target is None else _beyond_limits(op, target, weights)
    if beyond is not None:
        return beyond
    table = "" if target is None else _large_table(op, target)
    if table:
        return Refusal("shape", table)
    if rule.has_weights and _keeps_weights(op):
        message = "its weights are to stay FP32, and no unit of the NPU multiplies by them"
        return Refusal("weights", message)
    infinite = "" if rule.has_weights or not rule.needs_finite else _infinite_constant(op, weights)
    if infinite:
        return Refusal("value", infinite)
    reason = rule.refuse(op, weights)
    if reason:
        is_type = "is supported" in reason and reason.startswith("only ")
        return Refusal("type" if is_type else "rule", reason + (_types(op) if is_type else ""))
    return None


def _keeps_weights(op: OnnxOp) -> bool:
    """Whether a layer configuration keeps the constant weights of `op` as they are."""
    return text_attribute(op, WEIGHT_DATA_TYPE) == "FP32" and is_constant(op.operands[1])


def _large_table(op: OnnxOp, target: Target) -> str:
    """Why a table of constants (of words, say) is not looked up on the NPU, or ''.

    All of it would have to be loaded for the few rows that are wanted.
    """
    if op.op_type != "Gather" or not is_constant(op.operands[0]):
        return ""
    shape = static_shape_of(op.operands[0].type) or ()
    room = min(mode.ocm_bytes for mode in target.modes.values())
    if int(np.prod(shape, dtype=np.int64)) <= room:
        return ""
    return f"the table {list(shape)} does not fit into the {room:,} bytes of OCM of {target.name}"


def _infinite_constant(op: OnnxOp, weights: WeightStore) -> str:
    """Which constant operand holds infinities (and no NaN, which is a mistake of the model)."""
    for value in op.operands:
        array = constant_of(value, weights)
        if array is not None and array.dtype.kind == "f":
            wide = np.abs(array.astype(np.float64, copy=False))
            infinite = int(np.count_nonzero(wide >= INFINITY))
            if infinite and not np.isnan(wide).any():
                name = tensor_name(value)
                return f"the constant '{name}' holds {infinite} number(s) that stand for infinity"
    return ""


def _beyond_limits(op: OnnxOp, target: Target, weights: WeightStore) -> Refusal | None:
    found = [
        (limit.attribute or f"operand {limit.operand}", value, limit.text)
        for limit in target.limits_of(kind_of(op))
        if not limit.ours and (value := violation(op, limit, weights)) is not None
    ]
    if not found:
        return None
    words = [
        f"{what} is {value}, but {target.name} has the limit: {text}" for what, value, text in found
    ]
    what, value, text = ("; ".join(column) for column in zip(*found, strict=True))
    return Refusal("attribute", "; ".join(words), what, value, text)


def limits_passed(op: OnnxOp, target: Target, weights: WeightStore) -> Iterator[str]:
    """The limits of a chip's list that an operation on the NPU does not keep, as ours does more.

    What an attribute is by default says nothing of the model, and is passed over.
    """
    for limit in target.limits_of(kind_of(op)):
        if limit.ours and (not limit.attribute or limit.attribute in op.attributes):
            value = violation(op, limit, weights)
            if value is not None:
                what = limit.attribute or f"operand {limit.operand}"
                yield f"{what} is {value}, the limit: {limit.text}"


_WIDE = (f16, f64, bf16)


def _unfit_type(op: OnnxOp) -> Refusal | None:
    for value in (*op.operands, *op.results):
        if element_of(value.type) in _WIDE:
            return Refusal("type", f"only f32 is supported{_types(op)}")
        if 0 in (static_shape_of(value.type) or ()) and not is_constant(value):
            return Refusal("shape", f"tensor '{tensor_name(value)}' has no elements")
        if len(static_shape_of(value.type) or ()) > MAX_DIMS:
            message = f"tensor '{tensor_name(value)}' has more than {MAX_DIMS} dimensions"
            return Refusal("shape", message)
        if is_tensor(value.type) and static_shape_of(value.type) is None:
            rank = "rank" if isinstance(value.type, UnrankedTensorType) else "shape"
            name = tensor_name(value)
            return Refusal("shape", f"tensor '{name}' has no fixed {rank}")
    return None


def _types(op: OnnxOp) -> str:
    """The element types of an operation's tensors, in brackets."""
    values = [v for v in (*op.operands, *op.results) if element_of(v.type) is not None]
    return f" (it has {', '.join(dict.fromkeys(type_string(v.type) for v in values))})"


def violation(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    """What an operation has where `limit` says otherwise, as text; None where it keeps it."""
    if limit.check:
        return _CHECKS[limit.check](op, limit, weights)
    value = _attribute(op, limit.attribute)
    if value is None:
        return None
    if limit.absent:
        return str(value) if limit.attribute in op.attributes else None
    elements = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
    allowed = not limit.allowed or all(e in limit.allowed for e in elements)
    forbidden = any(e in limit.forbidden for e in elements)
    return None if allowed and not forbidden else ", ".join(map(str, elements))


def _attribute(op: OnnxOp, name: str) -> Any:
    """The Python value of an attribute; an element type by its name in ONNX."""
    value = op.value_of(name)
    if name == "to" and value is not None:
        element = element_of(op.result.type)
        return type_string(op.result.type)[7:-1] if element is not None else str(value)
    return value


def _constant_scalar(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    value = op.operand(limit.operand)
    array = constant_of(value, weights)
    if array is None:
        return "computed"
    return None if array.size == 1 else f"of shape {list(array.shape)}"


def _default_activations(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    given = op.value_of("activations")
    if given is None:
        return None
    wanted = ("Sigmoid", "Tanh", "Tanh")
    directions = len(given) // len(wanted)
    return None if tuple(given) == wanted * directions else str(given)


def _last_axis(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    axis = op.value_of("axis")
    shape = static_shape_of(op.operands[0].type) or ()
    return None if axis in (-1, len(shape) - 1) else f"axis {axis} of {len(shape)}"


def _no_operand(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    value = op.operand(limit.operand)
    return None if value is None else f"'{tensor_name(value)}'"


def _one_per_channel(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    shape, slope = _shape(op.operands[0]), _shape(op.operand(limit.operand))
    if len(shape) != 4:
        return None
    channels = shape[1]
    same = (1,) * (4 - len(slope)) + slope
    listed = slope == (channels,) or same in ((1, channels, 1, 1), (1, 1, 1, 1))
    return None if listed else f"of shape {list(slope)}"


def _pads_hold_output_padding(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    added = tuple(op.value_of("output_padding") or ())
    pads = tuple(op.value_of("pads") or (0,) * (2 * len(added)))
    ends = pads[len(pads) // 2 :]
    if all(a <= e for a, e in zip(added, ends, strict=False)):
        return None
    return f"output_padding {list(added)} with pads {list(pads)}"


def _rank(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    rank = len(_shape(op.operand(limit.operand)))
    return None if rank == limit.number else f"of {rank} dimensions"


def _small(op: OnnxOp, limit: Limit, weights: WeightStore) -> str | None:
    shape = _shape(op.operands[0])
    last = op.op_type == "LpNormalization"
    count = int(np.prod(shape[-1:] if last else shape[2:], dtype=np.int64))
    return None if count <= limit.number else f"{count:,} elements"


def _shape(value: SSAValue | None) -> tuple[int, ...]:
    return () if value is None else static_shape_of(value.type) or ()


_Check = Callable[[OnnxOp, Limit, WeightStore], str | None]
_CHECKS: Mapping[str, _Check] = {
    "constant_scalar": _constant_scalar,
    "default_activations": _default_activations,
    "last_axis": _last_axis,
    "no_operand": _no_operand,
    "one_per_channel": _one_per_channel,
    "pads_hold_output_padding": _pads_hold_output_padding,
    "rank": _rank,
    "small": _small,
}
