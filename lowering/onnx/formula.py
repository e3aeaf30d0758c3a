"""Reading formulas: what the patterns that recognize operators spelled out share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx.elementwise import Add, Div, Mul, Sub
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of
from pulsar2.lowering.onnx.rewrite import OnnxPattern

Polynomial = npt.NDArray[np.float64]
"""Coefficients by power: [c0, c1, ..]."""

_MAX_DEGREE = 3
_MAX_DEPTH = 8


def is_f32(op: OnnxOp) -> bool:
    """Whether the first result of `op` is a tensor of f32."""
    return element_of(op.result.type) == f32


@dataclass
class FormulaPattern(OnnxPattern):
    """A pattern that reads sums and products with numbers, on tensors of f32."""

    def times(self, op: object) -> tuple[SSAValue, float] | None:
        """x and c of an operation that computes x * c."""
        if not isinstance(op, OnnxOp) or not op.results or not is_f32(op):
            return None
        if op.op_type == "Neg":
            return op.operands[0], -1.0
        if isinstance(op, Mul):
            for index in (0, 1):
                factor = self.scalar(op.operands[1 - index])
                if factor is not None and op.operands[index].type == op.result.type:
                    return op.operands[index], factor
        if isinstance(op, Div):
            divisor = self.scalar(op.b)
            if divisor and op.a.type == op.result.type:
                return op.a, 1 / divisor
        return None

    def plus(self, op: object) -> tuple[SSAValue, float] | None:
        """x and c of an operation that computes x + c."""
        if isinstance(op, Add) and is_f32(op):
            for index in (0, 1):
                term = self.scalar(op.operands[1 - index])
                if term is not None and op.operands[index].type == op.result.type:
                    return op.operands[index], term
        if isinstance(op, Sub) and is_f32(op):
            term = self.scalar(op.b)
            if term is not None and op.a.type == op.result.type:
                return op.a, -term
        return None

    def affine(self, value: SSAValue) -> tuple[SSAValue, float, float]:
        """x, a, b where value = a * x + b, nobody else using what lies between.

        The longest such chain; a = 1 and b = 0 where there is none.
        """
        scale, offset = 1.0, 0.0
        while True:
            product, sum_ = self.times(value.owner), self.plus(value.owner)
            if product is not None and product[0].has_one_use():
                value, scale = product[0], scale * product[1]
            elif sum_ is not None and sum_[0].has_one_use():
                value, offset = sum_[0], offset + scale * sum_[1]
            else:
                return value, scale, offset

    def factors(self, value: SSAValue, depth: int = 3) -> tuple[float, list[SSAValue]]:
        """c and the tensors whose product, times c, `value` is.

        A product that others use too is one tensor; so is what lies more than `depth` deep.
        """
        op, scale = value.owner, 1.0
        scaled = self.times(op)
        if depth == 0:
            return 1.0, [value]
        if scaled is not None:
            parts, scale = [scaled[0]], scaled[1]
        elif isinstance(op, Mul) and is_f32(op):
            parts = list(op.operands)
        else:
            return 1.0, [value]
        found: list[SSAValue] = []
        for part in parts:
            inner = self.factors(part, depth - 1) if part.has_one_use() else (1.0, [part])
            scale *= inner[0]
            found += inner[1]
        return scale, found

    def polynomial(self, value: SSAValue, x: SSAValue, depth: int = 0) -> Polynomial | None:
        """The polynomial of x, of degree 3 at most, that `value` is; None where it is none."""
        if value is x:
            return np.array([0.0, 1.0])
        number = self.scalar(value)
        if number is not None:
            return np.array([number])
        op = value.owner
        if depth == _MAX_DEPTH or not isinstance(op, OnnxOp) or not is_f32(op):
            return None
        if op.op_type == "Neg":
            inner = self.polynomial(op.operands[0], x, depth + 1)
            return None if inner is None else -inner
        if op.op_type not in ("Add", "Sub", "Mul", "Div", "Pow"):
            return None
        left = self.polynomial(op.operands[0], x, depth + 1)
        right = None if left is None else self.polynomial(op.operands[1], x, depth + 1)
        return None if left is None or right is None else _combined(op.op_type, left, right)


def _combined(op_type: str, left: Polynomial, right: Polynomial) -> Polynomial | None:
    constant = right.size == 1
    if op_type in ("Add", "Sub"):
        size = max(left.size, right.size)
        padded = [np.pad(p, (0, size - p.size)) for p in (left, right)]
        return padded[0] + padded[1] if op_type == "Add" else padded[0] - padded[1]
    if op_type == "Div":
        return left / right[0] if constant and right[0] else None
    if op_type == "Pow":
        exponent = float(right[0])
        if not constant or exponent not in (1.0, 2.0, 3.0):
            return None
        result = left
        for _ in range(int(exponent) - 1):
            result = np.convolve(result, left)
    else:
        result = np.convolve(left, right)
    return result if result.size <= _MAX_DEGREE + 1 else None


def equals(given: Polynomial | None, wanted: Polynomial, tolerance: float) -> bool:
    """Whether a polynomial is the one wanted, each coefficient within a relative tolerance."""
    if given is None or given.size > wanted.size:
        return False
    padded = np.pad(given, (0, wanted.size - given.size))
    return bool(np.allclose(padded, wanted, rtol=tolerance, atol=0))
