"""Blocks of a planned model as torch computes them: in f32, or with the roundings of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from xdsl.ir import Block as IrBlock
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.elementwise import Clip, Relu
from pulsar2.dialects.onnx.matmul import Gemm
from pulsar2.dialects.quant.types import F32Array, UniformType
from pulsar2.finetune.blocks import Block
from pulsar2.finetune.operators import Call, compute
from pulsar2.finetune.ranges import Ranges
from pulsar2.finetune.sites import WEIGHT, Integers, as_operand
from pulsar2.lowering.quant.fusions import clip_bounds
from pulsar2.lowering.quant.parameters import SLOPE_STORAGES, STORAGES, constant_type, quantize
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import constant_of, is_constant, is_float
from pulsar2.weights import AnyArray

torch: Any = import_module("torch")

Tensors = Mapping[SSAValue, Any]
Weights = Mapping[OnnxOp, tuple[Any, Any]]
"""Weights [channels, ..] and their scales, one per channel in any shape, by operator."""

_ROUNDED_CONSTANTS = frozenset(("Add", "Sub", "Mul", "Max", "Min", "Concat"))
"""Operators whose constants are quantized as they are."""


class Network:
    """The operators of a plan in torch."""

    def __init__(
        self, plan: QuantPlan, ranges: Ranges, device: str, *, integer_biases: bool = True
    ):
        """With `integer_biases` the biases of sums of products are integers too."""
        self._integer_biases = integer_biases
        self.plan = plan
        self.ranges = ranges
        self.device = device
        self._constants: dict[tuple[SSAValue, OnnxOp, bool], Any] = {}

    def float(self, block: Block, inputs: Tensors) -> dict[SSAValue, Any]:
        """The results of a known block, computed in f32: each tensor but those inside a fusion."""
        values = dict(inputs)
        for op in block.ops:
            call = Call(op, [self._float(v, op, values) for v in op.operands], self.plan.weights)
            self._bind(op, compute(call), values, {})
        return values

    def quantized(self, block: Block, inputs: Tensors, weights: Weights) -> dict[SSAValue, Any]:
        """The same with everything rounded as the plan says.

        `weights` stand for the constant weights of their operators.
        """
        values = dict(inputs)
        for op in block.ops:
            operands = [self._operand(i, op, values, weights) for i in range(len(op.operands))]
            results = compute(Call(op, operands, self.plan.weights))
            self._bind(op, results, values, weights)
            for result in (self.plan.result(op), *op.results[1:]):
                if result in values and not self._moves(op):
                    values[result] = self.ranges.quantized(result, values[result])
        return values

    def _operand(self, index: int, op: OnnxOp, values: Tensors, weights: Weights) -> Any:
        """Operand `index` as the quantized graph has it."""
        value = op.operands[index]
        if index == WEIGHT and op in weights:
            return as_operand(op, weights[op][0])
        if index > WEIGHT and op in weights and is_float(value):
            return self._bias(value, op, weights)
        if is_constant(value) or not is_float(value):
            return self._float(value, op, values, rounded=True)
        return self._read(value, op, values[value])

    def _bias(self, value: SSAValue, op: OnnxOp, weights: Weights) -> Any:
        """The constant bias of a sum of products, in units of the products."""
        bias = self._float(value, op, {})
        if op not in weights or not self._integer_biases:
            return bias
        factor = op.beta if isinstance(op, Gemm) else 1.0
        scale = self.ranges.read_scale(op.operands[0], op)
        unit = scale * weights[op][1].detach().reshape(-1)
        return torch.round(bias * factor / unit) * unit / factor

    def weights(self, learned: Mapping[OnnxOp, Integers]) -> Weights:
        """Integers as the weights of their operators."""
        return {op: (self._tensor(i.numbers), self._tensor(i.scales)) for op, i in learned.items()}

    def _tensor(self, array: AnyArray) -> Any:
        return torch.from_numpy(np.array(array, np.float32)).to(self.device)

    def given(self, value: SSAValue, x: Any) -> Any:
        """What is given to the graph, or computed on the CPU, as the NPU reads it."""
        return self.ranges.quantized(value, x)

    def _read(self, value: SSAValue, op: OnnxOp, x: Any) -> Any:
        owner = value.owner
        if isinstance(owner, IrBlock) or is_on_cpu(owner):
            x = self.given(value, x)
        return self.ranges.read(value, op, x) if self.plan.rule(op).has_weights else x

    def _moves(self, op: OnnxOp) -> bool:
        """Whether `op` hands on numbers that are rounded already."""
        shared = self.plan.rule(op).shared(op)
        group = self.plan.group(op.results[0]) if shared else None
        return bool(shared) and all(
            not is_constant(v) and self.plan.group(v) is group for v in shared
        )

    def _bind(
        self, op: OnnxOp, results: list[Any], values: dict[SSAValue, Any], weights: Weights
    ) -> None:
        """Binds the results of `op` with what is fused into it."""
        fusion = self.plan.fusion(op)
        first = results[0]
        if fusion.bias is not None:
            add = fusion.bias
            first = first + self._bias(add.b if add.a is op.result else add.a, op, weights)
        if isinstance(fusion.activation, Relu):
            first = torch.relu(first)
        elif isinstance(fusion.activation, Clip):
            first = torch.clamp(first, *clip_bounds(fusion.activation, self.plan.weights))
        values[self.plan.result(op)] = first
        values.update(zip(op.results[1:], results[1:], strict=False))

    def _float(self, value: SSAValue, op: OnnxOp, values: Tensors, *, rounded: bool = False) -> Any:
        """A tensor, or the constant that it is; None for what is not of f32."""
        if not is_float(value):
            return None
        if not is_constant(value):
            return values[value]
        key = (value, op, rounded)
        if key not in self._constants:
            array = constant_of(value, self.plan.weights)
            assert array is not None
            numbers = self._rounded_constant(value, op, array) if rounded else array
            self._constants[key] = self._tensor(numbers)
        return self._constants[key]

    def _rounded_constant(self, value: SSAValue, op: OnnxOp, array: AnyArray) -> AnyArray:
        """The numbers that a constant has in the quantized graph."""
        if op.op_type in _ROUNDED_CONSTANTS:
            type_ = self.plan.constant_type(value, op)
            return _on_grid(array, type_) if isinstance(type_, UniformType) else array
        storages = SLOPE_STORAGES if op.op_type == "PRelu" else STORAGES
        storage = storages.get(self.plan.op_data_type(op))
        if storage is None or value is not op.operands[-1]:
            return array
        if op.op_type == "Div":
            # It becomes a product with the reciprocal.
            factor = np.float32(1) / array.astype(np.float32)
            return np.reciprocal(_on_grid(factor, constant_type(factor, storage)))
        if op.op_type == "PRelu":
            return _on_grid(array, constant_type(array, storage))
        return array


def _on_grid(array: AnyArray, type_: UniformType) -> F32Array:
    stored = quantize(array, type_).astype(np.int32) - type_.zero_point
    return (stored.astype(np.float32) * type_.scale).astype(np.float32)
