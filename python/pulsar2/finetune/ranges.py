"""Quantizations of activations while they are learned: by what factor each range has changed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from math import exp
from typing import Any

import numpy as np
from xdsl.ir import Attribute, OpResult, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.types import UniformType, storage_name
from pulsar2.finetune.rounding import rounded
from pulsar2.lowering.quant.parameters import activation_type
from pulsar2.lowering.quant.plan import Group, QuantPlan
from pulsar2.lowering.quant.ranges import Range, range_of, write_ranges
from pulsar2.lowering.quant.rules.base import is_constant

torch: Any = import_module("torch")


class Ranges:
    """The quantization of every tensor of a plan.

    A group of tensors with one quantization has one range. It is learned as the logarithm of a
    factor, which leaves the zero point as it is.
    """

    def __init__(self, plan: QuantPlan):
        self._plan = plan
        self._factors: dict[int, float] = {}
        self._learning: dict[int, Any] = {}
        self._changed: dict[int, Group] = {}

    def quantized(self, value: SSAValue, x: Any) -> Any:
        """`x`, the numbers of `value`, as the quantized graph has them."""
        return self._rounded(value, self._plan.element_type(value), x)

    def read_type(self, value: SSAValue, op: OnnxOp) -> Attribute:
        """The element type in which the sum of products `op` reads a tensor, as it is now."""
        return self._present(value, self._plan.factor_type(value, op))

    def read_scale(self, value: SSAValue, op: OnnxOp) -> float:
        """The scale in which `op` reads a tensor of integers, as it is learned so far."""
        type_ = self.read_type(value, op)
        assert isinstance(type_, UniformType)
        stretch = self._learning.get(id(self._plan.group(value)))
        return float(type_.scale) * (1.0 if stretch is None else exp(stretch.item()))

    def read(self, value: SSAValue, op: OnnxOp, x: Any) -> Any:
        """Quantized numbers of `value` as the sum of products `op` reads them."""
        type_ = self._plan.factor_type(value, op)
        return x if type_ == self._plan.element_type(value) else self._rounded(value, type_, x)

    def trainable(self, computed: Sequence[SSAValue]) -> list[Group]:
        """The groups whose range is decided by nothing but these tensors."""
        inside = set(computed)
        groups = {id(g): g for g in map(self._plan.group, computed)}
        return [
            group
            for group in groups.values()
            if group.fixed is None
            and not group.held
            and not any(is_constant(v) for v in group.members)
            and all(v in inside for v in group.sources)
            and self._plan.bits(group.members[0]) < 32
        ]

    def learn(self, groups: Sequence[Group], device: str) -> list[Any]:
        """Begins to learn the ranges of `groups`: what an optimizer changes."""
        self._learning = {id(g): torch.zeros((), device=device, requires_grad=True) for g in groups}
        self._changed |= {id(g): g for g in groups}
        return list(self._learning.values())

    def settle(self) -> dict[int, float]:
        """Ends learning, with the ranges as they are now; what `restore` takes to undo that."""
        before = dict(self._factors)
        for key, stretch in self._learning.items():
            self._factors[key] = self._factors.get(key, 1.0) * exp(stretch.item())
        self._learning = {}
        return before

    def restore(self, before: dict[int, float]) -> None:
        """Gives the ranges the factors that they had."""
        self._factors = before

    def write(self) -> None:
        """Writes the ranges that have changed into the IR, as calibration would."""
        made: dict[SSAValue, Range] = {}
        for key, group in self._changed.items():
            if key in self._factors:
                made |= dict.fromkeys(group.observed, self._range(group))
        for value in list(made):
            if isinstance(value, OpResult):
                # The ranges of an operation are written all at once.
                for other in value.op.results:
                    found = range_of(other)
                    if other not in made and found is not None:
                        made[other] = found
        write_ranges(self._plan.func, made)

    def _range(self, group: Group) -> Range:
        factor = self._factors.get(id(group), 1.0)
        low, high = self._plan.limits(group)
        # In the IR a range is a pair of f32.
        return float(np.float32(low * factor)), float(np.float32(high * factor))

    def _present(self, value: SSAValue, type_: Attribute) -> Attribute:
        """What a type of `value` that the plan gives is with the range as it is now."""
        if isinstance(type_, UniformType):
            group = self._plan.group(value)
            if id(group) in self._factors:
                return activation_type(*self._range(group), storage_name(type_.storage))
        return type_

    def _rounded(self, value: SSAValue, type_: Attribute, x: Any) -> Any:
        type_ = self._present(value, type_)
        if not isinstance(type_, UniformType):
            return x
        group = self._plan.group(value)
        low, high = (bound - type_.zero_point for bound in type_.bounds)
        scale = torch.tensor(float(type_.scale), device=x.device)
        stretch = self._learning.get(id(group))
        return rounded(x, scale if stretch is None else scale * torch.exp(stretch), low, high)
