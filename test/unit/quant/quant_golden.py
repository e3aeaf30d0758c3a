"""Evaluates `quant` operations by the kernels' golden definitions, whole tensors in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import golden
import numpy as np
from golden import INT32_MAX, INT32_MIN, Operand
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.quant.types import (
    element_type,
    quant_parameters,
    quantized_of,
    shape_of,
    storage_dtype,
)
from pulsar2.weights import WeightStore

Array = np.ndarray[Any, Any]

_ELTWISE = {
    quant.AddOp: 0,
    quant.SubOp: 1,
    quant.MulOp: 2,
    quant.DivOp: 3,
    quant.MinOp: 4,
    quant.MaxOp: 5,
    quant.PReluOp: 15,
}


class Evaluator:
    """Values of a function's tensors: stored integers, or f32."""

    def __init__(self, weights: WeightStore):
        self.weights = weights
        self.values: dict[SSAValue, Array] = {}

    def run(self, func: FuncOp, inputs: Mapping[str, Array]) -> list[Array]:
        """The function's results for inputs by name."""
        names = [n.data for n in func.attributes["ax.input_names"]]  # type: ignore
        for name, argument in zip(names, func.args, strict=True):
            self.values[argument] = inputs[name]
        for op in func.body.block.ops:
            if isinstance(op, ReturnOp):
                return [self.values[v] for v in op.operands]
            self.values[op.results[0]] = self.evaluate(op)
        raise AssertionError("no return")

    def operand(self, value: SSAValue) -> Operand:
        array = self.values[value]
        type_ = element_type(value)
        if isinstance(type_, quant.UniformType):
            return Operand(array, float(type_.scale), type_.zero_point)
        return Operand(array)

    def result(self, value: SSAValue) -> Operand:
        array = np.empty(shape_of(value), storage_dtype(value.type))
        type_ = element_type(value)
        if isinstance(type_, quant.UniformType):
            return Operand(array, float(type_.scale), type_.zero_point)
        return Operand(array)

    def evaluate(self, op: Operation) -> Array:
        if isinstance(op, quant.ConstantOp):
            return op.array(self.weights)
        if isinstance(op, quant.ConvOp | quant.MatMulOp):
            return self._contraction(op)
        full = (INT32_MIN, INT32_MAX)
        y = self.result(op.results[0])
        if isinstance(op, quant.BinaryOp):
            fn = _ELTWISE[type(op)]
            clamp = op.clamp or full
            return golden.eltwise([self.operand(op.a), self.operand(op.b), y], [fn, *clamp])
        if isinstance(op, quant.UnaryOp):
            fn = [name for name, _ in golden.UNARY].index(op.fn.value)
            return golden.unary([self.operand(op.x), y], [fn, op.alpha, op.beta, *full])
        if isinstance(op, quant.QCastOp | quant.DCastOp | quant.RequantizeOp):
            return golden.convert([self.operand(op.x), y], full)
        if isinstance(op, quant.NormalizeOp):
            shape = [1] * len(shape_of(op.x))
            shape[op.axis] = -1
            mean, std = (np.asarray(v, np.float32).reshape(shape) for v in (op.mean, op.std))
            real = (golden.dequantize(self.operand(op.x)) - mean) / std
            return golden.quantize(y, real, *full)
        if isinstance(op, quant.MaxPoolOp | quant.AvgPoolOp):
            average = isinstance(op, quant.AvgPoolOp)
            include = int(isinstance(op, quant.AvgPoolOp) and op.count_include_pad)
            window = (*op.kernel, *op.strides, *op.pads, *op.dilations)
            return golden.pool([self.operand(op.x), y], [int(average), *window, include, *full])
        if isinstance(op, quant.ReduceOp):
            kind = golden.REDUCE_KINDS.index(op.kind.value)
            mask = sum(1 << a for a in op.axes)
            return golden.reduce([self.operand(op.x), y], [kind, mask, *full])
        if isinstance(op, quant.SoftmaxOp):
            return golden.softmax([self.operand(op.x), y], [op.axis])
        if isinstance(op, quant.LogSoftmaxOp):
            return golden.log_softmax([self.operand(op.x), y], [op.axis])
        if isinstance(op, quant.CumSumOp):
            flags = (int(op.exclusive), int(op.reverse))
            return golden.cum_sum([self.operand(op.x), y], [op.axis, *flags, *full])
        if isinstance(op, quant.NormOp):
            return self._norm(op, y)
        return self._movement(op)

    def _norm(self, op: quant.NormOp, y: Operand) -> Array:
        shape, axes = list(shape_of(op.x)), list(op.axes)
        factors = [np.broadcast_to(self.values[v], shape) for v in op.factors]
        if op.groups > 1:
            shape[1:2] = [op.groups, shape[1] // op.groups]
            axes = [a + 1 if a >= 1 else a for a in axes]
        x = self.operand(op.x)
        operands = [
            Operand(x.array.reshape(shape), x.scale, x.zero_point),
            Operand(y.array.reshape(shape), y.scale, y.zero_point),
            *(Operand(array.reshape(shape)) for array in factors),
        ]
        kind = [k.value for k in quant.NormKind].index(op.kind.value)
        has = (int(op.scale is not None), int(op.bias is not None))
        mask = sum(1 << a for a in axes)
        clamp = op.clamp or (INT32_MIN, INT32_MAX)
        return golden.norm(operands, [kind, mask, op.epsilon, *has, *clamp]).reshape(y.array.shape)

    def _contraction(self, op: quant.ConvOp | quant.MatMulOp) -> Array:
        x, w = (op.x, op.w) if isinstance(op, quant.ConvOp) else (op.a, op.b)
        y_type, w_type = element_type(op.y), quantized_of(w)
        x_type = element_type(x)
        assert isinstance(x_type, quant.UniformType)
        assert w_type is not None
        scales, points = quant_parameters(w_type, self.weights)
        bias_mode = 0
        operands = [self.operand(x), Operand(self.values[w], 1.0, 0), self.result(op.y)]
        if op.bias is not None:
            bias_mode = 1 if quantized_of(op.bias) is not None else 2
        mult = x_type.scale * scales
        if isinstance(y_type, quant.UniformType) and bias_mode != 2:
            mult = mult / y_type.scale
        operands.append(Operand(mult))
        if op.bias is not None:
            operands.append(Operand(self.values[op.bias]))
        full = (INT32_MIN, INT32_MAX)
        if isinstance(op, quant.MatMulOp):
            operands[1] = Operand(self.values[w].astype(np.int64) - points)
            return golden.matmul(operands, [bias_mode, 0, *(op.clamp or full)])
        operands.append(Operand(points))
        window = (*op.strides, *op.pads[:2], *op.dilations)
        return golden.conv(operands, [*window, op.group, bias_mode, 1, 0, *(op.clamp or full)])

    def _movement(self, op: Operation) -> Array:
        if isinstance(op, quant.ConcatOp):
            return np.concatenate([self.values[v] for v in op.inputs], op.axis)
        x = self.values[op.operands[0]]
        if isinstance(op, quant.ReshapeOp):
            return x.reshape(shape_of(op.y))
        if isinstance(op, quant.TransposeOp):
            return x.transpose(op.perm)
        if isinstance(op, quant.PadOp):
            half = len(op.pads) // 2
            pairs = list(zip(op.pads[:half], op.pads[half:], strict=True))
            value = np.int32(op.value).view(np.float32) if x.dtype == np.float32 else op.value
            return np.pad(x, pairs, constant_values=value)
        assert isinstance(op, quant.SliceOp)
        index = [
            start + step * np.arange(size)
            for start, size, step in zip(op.starts, op.sizes, op.steps, strict=True)
        ]
        return x[np.ix_(*index)]
