"""What one operator of a quantized graph carries out besides itself: a bias, and a clamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.elementwise import Add, Clip, Relu
from pulsar2.dialects.onnx.matmul import MatMul
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.quant.attributes import DATA_TYPE
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import constant_of, is_constant, is_float, kind_of
from pulsar2.weights import WeightStore


@dataclass
class Fusion:
    """What one operator carries out besides itself. `tail` gives the result."""

    bias: Add | None = None
    activation: Relu | Clip | None = None

    @property
    def absorbed(self) -> list[OnnxOp]:
        """The operators that it carries out, in order."""
        return [op for op in (self.bias, self.activation) if op is not None]

    def tail(self, op: OnnxOp) -> OnnxOp:
        return self.activation or self.bias or op


def fusion_of(op: OnnxOp, weights: WeightStore) -> Fusion:
    """What `op` carries out besides itself, when the NPU runs it."""
    fusion = Fusion()
    if is_on_cpu(op) or not RULES[kind_of(op)].fuses_activation or not is_float(op.results[0]):
        return fusion
    last: OnnxOp = op
    follower = _only_user(last)
    if isinstance(op, MatMul) and isinstance(follower, Add) and _is_bias(follower, op, weights):
        fusion.bias = last = follower
        follower = _only_user(last)
    if isinstance(follower, Relu | Clip) and is_activation(follower, weights):
        asked = follower.attributes.get(DATA_TYPE)
        if asked in (None, op.attributes.get(DATA_TYPE)) or _is_quantized(follower):
            fusion.activation = follower
    return fusion


def _is_quantized(op: OnnxOp) -> bool:
    """Whether the graph itself quantizes the result of `op`, and nothing else reads it."""
    readers = [use.operation for use in op.results[0].uses]
    return bool(readers) and all(
        isinstance(r, OnnxOp) and r.op_type == "QuantizeLinear" for r in readers
    )


def _is_bias(add: Add, product: MatMul, weights: WeightStore) -> bool:
    """Whether `add` adds a constant row to a product with constant weights."""
    if not is_constant(product.b):
        return False
    other = add.b if add.a is product.result else add.a
    row = constant_of(other, weights)
    columns = static_shape_of(product.result.type)
    return (
        row is not None
        and columns is not None
        and row.ndim <= len(columns)
        and row.size == columns[-1]
        and (row.ndim == 0 or row.shape[-1] == columns[-1])
    )


def _only_user(op: OnnxOp) -> OnnxOp | None:
    """The operator that alone uses the single result of `op`, or None."""
    if len(op.results) != 1 or not op.results[0].has_one_use():
        return None
    user = next(iter(op.results[0].uses)).operation
    if not isinstance(user, OnnxOp) or user.parent is not op.parent or is_on_cpu(user):
        return None
    return user


def is_activation(op: Relu | Clip, weights: WeightStore) -> bool:
    """Whether `op` is a Relu, or a Clip between constants, so that it can be a clamp."""
    if isinstance(op, Relu):
        return True
    low, high = clip_bounds(op, weights)
    return low is not None and high is not None and low < high


def clip_bounds(op: Clip, weights: WeightStore) -> tuple[float | None, float | None]:
    """Bounds of a Clip, infinite where left out, None where they are not constants."""
    bounds: list[float | None] = []
    for value, default in ((op.min, -np.inf), (op.max, np.inf)):
        array = constant_of(value, weights)
        if value is None:
            bounds.append(float(default))
        else:
            bounds.append(None if array is None else float(array.reshape(-1)[0]))
    return bounds[0], bounds[1]
