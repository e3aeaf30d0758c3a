"""The pass `onnx-expand-einsum`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

_EQUATION = re.compile(r"[A-Za-z]*(,[A-Za-z]*)?(->[A-Za-z]*)?")


@dataclass(frozen=True)
class ExpandEinsumPass(AxPass):
    """Turns an Einsum of one or two tensors into ReduceSum, Transpose, Reshape, MatMul or Mul.

    Labels of both operands and of the result count batches, those of both operands alone are summed
    over by the MatMul (a Mul, where there are none), and those of one operand alone, by a ReduceSum
    before. Constants are brought into their order at once. An Einsum of more operands, of a label
    twice in one, or with an ellipsis stays.

    Precondition: types are inferred. Postcondition: there is no other Einsum on f32 tensors of
    known shapes.

    ```
    %0 = onnx.Einsum(%a, %b) {equation = "bid,bjd->bij"}
        : (tensor<2x5x8xf32>, tensor<2x6x8xf32>) -> tensor<2x5x6xf32>
    ```
    becomes
    ```
    %1 = onnx.Transpose(%b) {perm = array<i64: 0, 2, 1>} : (tensor<2x6x8xf32>) -> tensor<2x8x6xf32>
    %0 = onnx.MatMul(%a, %1) : (tensor<2x5x8xf32>, tensor<2x8x6xf32>) -> tensor<2x5x6xf32>
    ```
    """

    name = "onnx-expand-einsum"
    replaces = ("Einsum",)

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_Expand(ctx.weights)])


class _Expand(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Einsum":
            return
        values = (*op.operands, op.result)
        shapes = [static_shape_of(v.type) for v in values]
        if any(element_of(v.type) != f32 for v in values) or None in shapes:
            return
        labels = _labels(str(op.value_of("equation")), len(op.operands))
        sizes = {} if labels is None else _sizes(labels, shapes)
        if labels is None or not sizes or set(labels[-1]) - set("".join(labels[:-1])):
            return
        new = Replacement(self, rewriter, op)
        parts = [_Part(self, new, v, n) for v, n in zip(op.operands, labels, strict=False)]
        wanted = labels[-1]
        for index, part in enumerate(parts):
            needed = wanted if len(parts) == 1 else wanted + labels[1 - index]
            part.sum_over([n for n in part.labels if n not in needed])
        result, *others = parts
        for other in others:
            result = _product(result, other, wanted, sizes)
        result.turn(wanted)
        if result.value in op.operands:
            result.value = new.builder.op("Identity", [result.value]).result
        new.finish([result.value])


def _labels(equation: str, operands: int) -> list[str] | None:
    """The labels of each operand and of the result; None for an equation that is not taken."""
    plain = equation.replace(" ", "")
    if operands not in (1, 2) or not _EQUATION.fullmatch(plain):
        return None
    left, arrow, right = plain.partition("->")
    terms = left.split(",")
    if not arrow:
        right = "".join(sorted(n for n in set("".join(terms)) if left.count(n) == 1))
    if len(terms) != operands or any(len(set(t)) < len(t) for t in (*terms, right)):
        return None
    return [*terms, right]


def _sizes(labels: Sequence[str], shapes: Sequence[tuple[int, ...] | None]) -> dict[str, int]:
    """The extent of each label; empty where an operand does not have one of them alone."""
    sizes: dict[str, int] = {}
    for term, shape in zip(labels, shapes, strict=True):
        if shape is None or len(shape) != len(term):
            return {}
        for label, size in zip(term, shape, strict=True):
            if sizes.setdefault(label, size) != size:
                return {}
    return sizes


class _Part:
    """A tensor whose axes have labels, and what brings it into another form."""

    def __init__(self, pattern: OnnxPattern, new: Replacement, value: SSAValue, labels: str):
        self.pattern = pattern
        self.new = new
        self.value = value
        self.labels = labels

    def sum_over(self, labels: Sequence[str]) -> None:
        """Sums along the axes of these labels."""
        if labels:
            axes = self.new.shape([self.labels.index(n) for n in labels])
            summed = self.new.builder.op("ReduceSum", [self.value, axes], {"keepdims": 0})
            self.value = summed.result
            self.labels = "".join(n for n in self.labels if n not in labels)

    def turn(self, labels: str) -> None:
        """Brings the axes into the order of these labels."""
        perm = tuple(self.labels.index(n) for n in labels)
        self.labels = labels
        if perm == tuple(range(len(perm))):
            return
        constant = self.pattern.constant(self.value)
        if constant is not None:
            self.value = self.new.constant(np.ascontiguousarray(constant.transpose(perm)))
        else:
            self.value = self.new.builder.op("Transpose", [self.value], {"perm": perm}).result

    def reshape(self, shape: Sequence[int]) -> None:
        """Gives it another shape; the labels are left as they are."""
        if static_shape_of(self.value.type) == tuple(shape):
            return
        constant = self.pattern.constant(self.value)
        if constant is not None:
            self.value = self.new.constant(constant.reshape(shape))
        else:
            operands = [self.value, self.new.shape(shape)]
            self.value = self.new.builder.op("Reshape", operands).result


def _product(a: _Part, b: _Part, wanted: str, sizes: dict[str, int]) -> _Part:
    """The product of two tensors, summed over the labels of both that are not wanted."""
    batch = "".join(n for n in wanted if n in a.labels and n in b.labels)
    summed = "".join(n for n in a.labels if n in b.labels and n not in wanted)
    rows = "".join(n for n in wanted if n in a.labels and n not in b.labels)
    columns = "".join(n for n in wanted if n in b.labels and n not in a.labels)

    def extents(labels: str) -> list[int]:
        return [sizes[n] for n in labels]

    def total(labels: str) -> int:
        return int(np.prod(extents(labels), dtype=np.int64))

    a.turn(batch + rows + summed)
    b.turn(batch + summed + columns)
    if not summed:
        a.reshape([*extents(batch + rows), *(1 for _ in columns)])
        b.reshape([*extents(batch), *(1 for _ in rows), *extents(columns)])
    else:
        # Without batches, rows of several axes are what a MatMul takes.
        outer = extents(rows) if rows and not batch else [*extents(batch), total(rows)]
        a.reshape([*outer, total(summed)])
        b.reshape([*extents(batch), total(summed), total(columns)])
    value = a.new.builder.op("MatMul" if summed else "Mul", [a.value, b.value]).result
    made = _Part(a.pattern, a.new, value, batch + rows + columns)
    made.reshape(extents(made.labels))
    return made
