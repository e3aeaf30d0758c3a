"""The pass `onnx-expand-recurrent`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, NoneType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.builder import OpBuilder, unknown_type
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

F32Array = npt.NDArray[np.float32]

_INITIAL_H, _INITIAL_C, _PEEPHOLES = 5, 6, 7
_GATES = {"LSTM": 4, "GRU": 3}
_ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


@dataclass(frozen=True)
class ExpandRecurrentPass(AxPass):
    """Spells out LSTM and GRU over known short sequences, step by step.

    The products with W are one Gemm for all steps; a step is a Gemm with R, then Sigmoid, Tanh, Mul
    and Add. So every tensor of every step is calibrated and quantized by itself. What cannot be
    spelled out stays: weights that are not constant, peepholes, lengths of their own for the
    sequences of a batch, clipping, coupled gates, other activations than the default ones, layout
    1, and sequences of more than `max-steps`.

    Precondition: types are inferred. Postcondition: no other LSTM or GRU is left.

    Options: `max-steps`, the longest sequence that is spelled out.

    ```
    %y, %h = onnx.GRU(%x, %w, %r) {hidden_size = 4} : (tensor<1x2x3xf32>, ..)
    ```
    becomes
    ```
    %0 = onnx.Reshape(%x, %shape) : (tensor<1x2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
    %1 = onnx.Gemm(%0, %wt) : (tensor<2x3xf32>, tensor<3x12xf32>) -> tensor<2x12xf32>
    %z, %r, %n = onnx.Split(%1) {axis = 1, num_outputs = 3} : ..
    ..
    ```
    """

    name = "onnx-expand-recurrent"
    replaces = tuple(_GATES)

    max_steps: int = 128

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_Expand(ctx.weights, self.max_steps)])


@dataclass
class _Expand(OnnxPattern):
    max_steps: int

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type not in _GATES or not self._expands(op):
            return
        shape = static_shape_of(op.operands[0].type)
        w, r = (self.constant(op.operands[i]) for i in (1, 2))
        assert shape is not None
        assert w is not None
        assert r is not None
        bias = self.constant(op.operand(3))
        if bias is None:
            bias = np.zeros((w.shape[0], 2 * w.shape[1]), np.float32)
        new = Replacement(self, rewriter, op)
        cell_class = _Lstm if op.op_type == "LSTM" else _Gru
        linear = op.op_type == "GRU" and bool(op.value_of("linear_before_reset"))
        sequences: list[list[SSAValue]] = []
        lasts: list[tuple[SSAValue | None, ...]] = []
        backwards = [op.value_of("direction") == "reverse", True]
        for d in range(w.shape[0]):
            cell = cell_class(new.builder, w[d], r[d], bias[d], linear)
            states = tuple(self._initial(new, op, i, d) for i in (_INITIAL_H, _INITIAL_C))
            sequence, last = cell.run(op.operands[0], shape[0], shape[1], backwards[d], states)
            sequences.append(sequence)
            lasts.append(last)
        results: list[SSAValue | None] = [_stack_sequences(new, sequences)]
        for i in range(1, len(op.results)):
            results.append(_stack(new, [last[i - 1] for last in lasts]))
        pairs = zip(op.results, results, strict=True)
        new.finish([None if old.first_use is None else made for old, made in pairs])

    def _expands(self, op: OnnxOp) -> bool:
        shape = static_shape_of(op.operands[0].type)
        if shape is None or len(shape) != 3 or element_of(op.operands[0].type) != f32:
            # Other ranks stand in branches that cannot run.
            return False
        if not 1 <= shape[0] <= self.max_steps or self._given(op, _PEEPHOLES):
            return False
        if any(self._given(op, i) and self.constant(op.operand(i)) is None for i in (1, 2, 3)):
            return False
        lengths = self.constant(op.operand(4))
        if self._given(op, 4) and (lengths is None or (lengths != shape[0]).any()):
            return False
        activations = op.value_of("activations")
        expected = _ACTIVATIONS[op.op_type]
        if activations and any(a != expected[i % len(expected)] for i, a in enumerate(activations)):
            return False
        plain = op.value_of("clip") is None and not op.value_of("layout")
        return plain and not (op.op_type == "LSTM" and op.value_of("input_forget"))

    @staticmethod
    def _given(op: OnnxOp, index: int) -> bool:
        value = op.operand(index)
        return value is not None and not isinstance(value.type, NoneType)

    def _initial(self, new: Replacement, op: OnnxOp, index: int, d: int) -> SSAValue | None:
        """[B, H]: a state before the first step, None where it is 0."""
        if not self._given(op, index):
            return None
        value = op.operand(index)
        assert value is not None
        array = self.constant(value)
        if array is not None:
            return new.constant(array[d]) if array.any() else None
        shape = static_shape_of(value.type)
        assert shape is not None
        if shape[0] > 1:
            bounds = [new.shape([n]) for n in (d, d + 1, 0)]
            value = new.builder.op("Slice", [value, *bounds]).result
        return new.builder.op("Reshape", [value, new.shape(shape[1:])]).result


def _stack(new: Replacement, states: Sequence[SSAValue | None]) -> SSAValue:
    """[D, B, H] of the states [B, H] of each direction."""
    rows: list[SSAValue] = []
    for state in states:
        assert state is not None
        rows.append(new.builder.op("Unsqueeze", [state, new.shape([0])]).result)
    return rows[0] if len(rows) == 1 else new.builder.op("Concat", rows, {"axis": 0}).result


def _stack_sequences(new: Replacement, sequences: Sequence[Sequence[SSAValue]]) -> SSAValue:
    """[T, D, B, H] of the states [B, H] of each direction and step."""
    axes = new.shape([0, 1])
    parts: list[SSAValue] = []
    for sequence in sequences:
        rows = [new.builder.op("Unsqueeze", [state, axes]).result for state in sequence]
        parts.append(new.builder.op("Concat", rows, {"axis": 0}).result)
    return parts[0] if len(parts) == 1 else new.builder.op("Concat", parts, {"axis": 1}).result


class _Cell(ABC):
    """One direction: weights w [G*H, I], r [G*H, H], and biases [2*G*H] of both."""

    gates: int

    def __init__(self, builder: OpBuilder, w: F32Array, r: F32Array, bias: F32Array, linear: bool):
        self.builder = builder
        self.w, self.r = w, r
        self.hidden = r.shape[1]
        self.w_bias, self.r_bias = np.split(bias, 2)
        self.linear = linear
        self.prepare()

    def run(
        self,
        x: SSAValue,
        steps: int,
        batch: int,
        backwards: bool,
        states: tuple[SSAValue | None, ...],
    ) -> tuple[list[SSAValue], tuple[SSAValue | None, ...]]:
        """The outputs [B, H] in the order of the sequence x [T, B, I]; the states at the end."""
        rows = np.array([steps * batch, self.w.shape[1]], np.int64)
        x = self.op("Reshape", x, self.builder.constant(rows))
        products = self.op("Gemm", x, *self.product(self.w, self.input_bias()))
        parts = self.split(products, 0, steps)
        outputs: dict[int, SSAValue] = {}
        for t in reversed(range(steps)) if backwards else range(steps):
            states = self.step(parts[t], states)
            output = states[0]
            assert output is not None
            outputs[t] = output
        return [outputs[t] for t in range(steps)], states

    @abstractmethod
    def prepare(self) -> None:
        """Makes the constants that every step uses."""

    @abstractmethod
    def input_bias(self) -> F32Array:
        """The biases [G*H] that are added to the products with W."""

    @abstractmethod
    def step(self, x: SSAValue, states: tuple[SSAValue | None, ...]) -> tuple[SSAValue | None, ...]:
        """The states after a step from those before; a state of None is 0. x is [B, G*H]."""

    def op(self, op_type: str, *operands: SSAValue) -> SSAValue:
        return self.builder.op(op_type, operands).result

    def split(self, x: SSAValue, axis: int, count: int) -> Sequence[SSAValue]:
        if count == 1:
            return [x]
        types = [unknown_type([x])] * count
        attributes = {"axis": axis, "num_outputs": count}
        return self.builder.op("Split", [x], attributes, result_types=types).results

    def product(self, weight: F32Array, bias: F32Array | None) -> list[SSAValue]:
        """The constant operands of a Gemm with weight [N, K], and maybe a bias [N]."""
        arrays = [weight.T, *([] if bias is None or not bias.any() else [bias])]
        return [self.builder.constant(np.ascontiguousarray(a, np.float32)) for a in arrays]


class _Lstm(_Cell):
    """Gates i, o, f, c; states h, c."""

    def prepare(self) -> None:
        self.recurrent = self.product(self.r, None)

    def input_bias(self) -> F32Array:
        return self.w_bias + self.r_bias

    def step(self, x: SSAValue, states: tuple[SSAValue | None, ...]) -> tuple[SSAValue | None, ...]:
        h, c = states
        if h is not None:
            x = self.op("Add", x, self.op("Gemm", h, *self.recurrent))
        i, o, f, g = self.split(x, 1, 4)
        i, o, g = self.op("Sigmoid", i), self.op("Sigmoid", o), self.op("Tanh", g)
        new = self.op("Mul", i, g)
        if c is not None:
            new = self.op("Add", self.op("Mul", self.op("Sigmoid", f), c), new)
        return self.op("Mul", o, self.op("Tanh", new)), new


class _Gru(_Cell):
    """Gates z, r, h; one state h."""

    def prepare(self) -> None:
        cut = 2 * self.hidden
        if self.linear:
            bias = np.concatenate([np.zeros(cut, np.float32), self.r_bias[cut:]])
            self.recurrent = self.product(self.r, bias)
        else:
            self.recurrent = self.product(self.r[:cut], None)
            self.candidate = self.product(self.r[cut:], None)
        self.reset_bias = self.r_bias[cut:] if self.linear else np.zeros(0, np.float32)

    def input_bias(self) -> F32Array:
        added = self.r_bias.copy()
        if self.linear:
            added[2 * self.hidden :] = 0
        return self.w_bias + added

    def step(self, x: SSAValue, states: tuple[SSAValue | None, ...]) -> tuple[SSAValue | None, ...]:
        h = states[0]
        z, r, n = self.split(x, 1, 3)
        if h is None:
            if self.reset_bias.any():
                bias = self.builder.constant(self.reset_bias)
                n = self.op("Add", n, self.op("Mul", self.op("Sigmoid", r), bias))
            n = self.op("Tanh", n)
            return self.op("Sub", n, self.op("Mul", self.op("Sigmoid", z), n)), None
        parts = self.split(self.op("Gemm", h, *self.recurrent), 1, 3 if self.linear else 2)
        z = self.op("Sigmoid", self.op("Add", z, parts[0]))
        r = self.op("Sigmoid", self.op("Add", r, parts[1]))
        if self.linear:
            reset = self.op("Mul", r, parts[2])
        else:
            reset = self.op("Gemm", self.op("Mul", r, h), *self.candidate)
        n = self.op("Tanh", self.op("Add", n, reset))
        # (1 - z) n + z h
        return self.op("Add", n, self.op("Mul", z, self.op("Sub", h, n))), None
