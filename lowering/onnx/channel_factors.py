"""How a tensor can be multiplied by positive factors, by scaling constants of what computes it.

Factors are an array of the tensor's rank, with size 1 along each axis on which they do not depend.
They move back through operators that only move data, through sums, products and rectifiers, to the
constants of a normalization, of a product with weights, or of a Mul.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.conv import Conv
from pulsar2.dialects.onnx.matmul import Gemm, MatMul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules.base import is_float
from pulsar2.weights import AnyArray, WeightStore

Factors = npt.NDArray[np.float64]

NORMALIZATIONS = frozenset(("LayerNormalization", "RMSNormalization"))
_HOMOGENEOUS = frozenset(("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool"))
"""Operators f with f(r * x) = r * f(x) for r > 0; pools, whose factors depend on the channel."""
_RESHAPES = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze"))
_MAX_STEPS = 16


@dataclass(frozen=True)
class Edit:
    """Operand `index` of `op`, a constant, becomes its product with `factors`."""

    op: OnnxOp
    index: int
    factors: Factors

    def scaled(self, weights: WeightStore) -> AnyArray:
        """The new constant; it is larger than the old one where that was repeated."""
        constant = self.op.operands[self.index].owner
        assert isinstance(constant, Constant)
        wide = constant.array(weights).astype(np.float64) * self.factors
        return wide.astype(np.float32)


@dataclass(frozen=True)
class Way:
    """The operators that compute the scaled tensor, the last one first, and what changes."""

    operators: tuple[OnnxOp, ...]
    edits: tuple[Edit, ...]


def way_back(value: SSAValue, factors: Factors) -> Way | None:
    """How `value` is multiplied by `factors`, all of whose users want it so; None where not.

    Nobody else may use the tensors on the way.
    """
    return _way(value, factors, _MAX_STEPS)


def normalization_edits(op: OnnxOp, factors: Factors) -> tuple[Edit, ...] | None:
    """The changes of a normalization whose result is multiplied by `factors`; None if it cannot.

    The factors may depend on the normalized axes only.
    """
    rank = factors.ndim
    axis = int(op.value_of("axis")) % rank
    if any(n != 1 for n in factors.shape[:axis]):
        return None
    if any(not _is_weight(v) for v in op.operands[1:]):
        return None
    row = factors.reshape(factors.shape[axis:])
    return tuple(Edit(op, i, row) for i in range(1, len(op.operands)))


def _way(value: SSAValue, factors: Factors, steps: int) -> Way | None:
    op = value.owner
    if not steps or not isinstance(op, OnnxOp) or is_on_cpu(op) or not is_float(value):
        return None
    if any(r.first_use is not None for r in op.results[1:]):
        return None
    edits = _absorbed(op, factors)
    if edits is not None:
        return Way((op,), edits)
    befores = _befores(op, factors)
    if befores is None:
        return None
    operators, changed = [op], list[Edit]()
    for operand, needed in befores:
        if _is_weight(op.operands[operand]):
            changed.append(Edit(op, operand, needed))
            continue
        source = op.operands[operand]
        way = _way(source, needed, steps - 1) if source.has_one_use() else None
        if way is None:
            return None
        operators += way.operators
        changed += way.edits
    return Way(tuple(operators), tuple(changed))


def _absorbed(op: OnnxOp, factors: Factors) -> tuple[Edit, ...] | None:
    """The changes of `op` that multiply its result, where its constants can take the factors."""
    if op.op_type in NORMALIZATIONS:
        return normalization_edits(op, factors)
    if not isinstance(op, MatMul | Gemm | Conv) or not _is_weight(op.operands[1]):
        return None
    bias = op.operand(2)
    if bias is not None and not _is_weight(bias):
        return None
    axis = 1 if isinstance(op, Conv) else factors.ndim - 1
    if factors.size != factors.shape[axis]:
        return None
    row = factors.reshape(-1)
    weight_rank = len(static_shape_of(op.operands[1].type) or ())
    of_weight = row
    if isinstance(op, Conv):
        of_weight = row.reshape(-1, *(1,) * (weight_rank - 1))
    elif isinstance(op, Gemm) and op.trans_b:
        of_weight = row.reshape(-1, 1)
    edits = [Edit(op, 1, of_weight)]
    if bias is not None:
        edits.append(Edit(op, 2, row))
    return tuple(edits)


def _befores(op: OnnxOp, factors: Factors) -> list[tuple[int, Factors]] | None:
    """Which operands of `op` have to be multiplied by what; None where that is not known."""
    kind = op.op_type
    shapes = [static_shape_of(v.type) for v in op.operands]
    if kind in ("Add", "Sub", "Mul"):
        whole = [shape == static_shape_of(op.result.type) for shape in shapes]
        taken = [i for i in (1, 0) if _is_weight(op.operands[i]) or whole[i]]
        if kind == "Mul":
            # One factor is enough; a constant is changed rather than a tensor.
            taken.sort(key=lambda i: not _is_weight(op.operands[i]))
            return [(taken[0], factors)] if taken else None
        return [(i, factors) for i in taken] if len(taken) == 2 else None
    if kind in _HOMOGENEOUS:
        pooled = "Pool" in kind
        return None if pooled and factors.size != factors.shape[1] else [(0, factors)]
    if kind == "Transpose":
        perm = op.value_of("perm") or list(reversed(range(factors.ndim)))
        return [(0, factors.transpose(np.argsort(perm)))]
    if kind in _RESHAPES and shapes[0] is not None:
        before = _reshaped(factors, static_shape_of(op.result.type) or (), shapes[0])
        return None if before is None else [(0, before)]
    if isinstance(op, MatMul):
        return _of_product(factors, shapes)
    return None


def _of_product(
    factors: Factors, shapes: Sequence[tuple[int, ...] | None]
) -> list[tuple[int, Factors]] | None:
    """Factors of the columns go to the right side of a product, those of the rows to the left."""
    left, right = shapes
    if left is None or right is None or len(left) != factors.ndim or len(right) != factors.ndim:
        return None
    index = 1 if factors.shape[-2] == 1 else 0
    if index == 0 and factors.shape[-1] != 1:
        return None
    side = (left, right)[index]
    fits = all(n in (1, s) for n, s in zip(factors.shape, side, strict=True))
    return [(index, factors)] if fits else None


def _reshaped(factors: Factors, shape: tuple[int, ...], before: tuple[int, ...]) -> Factors | None:
    """Factors of a tensor of `shape` as those of the same numbers in the shape `before`.

    Axes are taken together in runs of equal size; a run that the factors depend on is spelled out.
    """
    found: list[int] = []
    parts: list[int] = []
    i = j = 0
    while i < len(shape) or j < len(before):
        first, start = i, j
        size = shape[i] if i < len(shape) else 1
        other = before[j] if j < len(before) else 1
        i, j = min(i + 1, len(shape)), min(j + 1, len(before))
        while size != other:
            if size < other and i < len(shape):
                size, i = size * shape[i], i + 1
            elif j < len(before):
                other, j = other * before[j], j + 1
            else:
                return None
        varies = any(n != 1 for n in factors.shape[first:i])
        parts += shape[first:i] if varies else [1] * (i - first)
        found += before[start:j] if varies else [1] * (j - start)
    return np.broadcast_to(factors, parts).reshape(found)


def _is_weight(value: SSAValue) -> bool:
    return isinstance(value.owner, Constant) and is_float(value)
