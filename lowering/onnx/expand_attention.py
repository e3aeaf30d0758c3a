"""The pass `onnx-expand-attention`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp, f32, i1
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

_TAKEN = frozenset(
    (
        *("is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap"),
        "softmax_precision",
    )
)
"""Attributes of an Attention that is taken; those of windows are not."""


@dataclass(frozen=True)
class ExpandAttentionPass(AxPass):
    """Spells out Attention: two products of matrices, with a Softmax between them.

    Heads within one axis (operands of three axes) are taken apart by Reshape and Transpose. Queries
    that share keys (fewer heads of keys than of queries) become rows of one head. A mask of numbers
    is added; that of `is_causal` and a constant boolean one are, as a constant.

    An Attention with a past, a cap of the scores, lengths of keys, a window, a computed boolean
    mask, a mask for fewer keys or that leaves a query none, or of which more than the first result
    is used, stays.

    Precondition: types are inferred. Postcondition: there is no other Attention on f32 tensors of
    known shapes.

    ```
    %0 = onnx.Attention(%q, %k, %v) : (tensor<1x2x4x8xf32>, ..) -> tensor<1x2x4x8xf32>
    ```
    becomes
    ```
    %1 = onnx.Mul(%q, %scale) : ..
    %2 = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : ..
    %3 = onnx.MatMul(%1, %2) : .. -> tensor<1x2x4x4xf32>
    %4 = onnx.Softmax(%3) {axis = -1 : i64} : ..
    %0 = onnx.MatMul(%4, %v) : .. -> tensor<1x2x4x8xf32>
    ```
    """

    name = "onnx-expand-attention"
    replaces = ("Attention",)

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_Expand(ctx.weights)])


class _Expand(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "Attention" or not _is_plain(op):
            return
        allowed = self._allowed(op)
        if allowed is not None and not allowed.any(axis=-1).all():
            return
        new = Replacement(self, rewriter, op)
        build = new.builder.op
        counts = [op.value_of(f"{which}_num_heads") for which in ("q", "kv", "kv")]
        q, k, v = (_heads(new, x, n) for x, n in zip(op.operands[:3], counts, strict=True))
        batch, heads, rows, size = _shape(q)
        shared, columns, width = _shape(v)[1:]
        scale = op.value_of("scale") or 1 / math.sqrt(size)
        q = build("Mul", [q, new.constant(np.array(scale, np.float32), "scale")]).result
        joined = heads // shared * rows
        q = _reshaped(new, q, (batch, shared, joined, size))
        turned = build("Transpose", [k], {"perm": (0, 1, 3, 2)}).result
        scores = build("MatMul", [q, turned]).result
        scores = _reshaped(new, scores, (batch, heads, rows, columns))
        if allowed is not None:
            bias = np.where(allowed, np.float32(0), np.float32(-np.inf))
            scores = build("Add", [scores, new.constant(bias, "mask")]).result
        mask = op.operand(3)
        if mask is not None and element_of(mask.type) == f32:
            scores = build("Add", [scores, mask]).result
        shares = build("Softmax", [scores], {"axis": -1}).result
        shares = _reshaped(new, shares, (batch, shared, joined, columns))
        y = build("MatMul", [shares, v]).result
        y = _reshaped(new, y, (batch, heads, rows, width))
        if len(_shape(op.operands[0])) == 3:
            y = build("Transpose", [y], {"perm": (0, 2, 1, 3)}).result
            y = build("Reshape", [y, new.shape((batch, rows, heads * width))]).result
        new.finish([y, *(None for _ in op.results[1:])])

    def _allowed(self, op: OnnxOp) -> npt.NDArray[Any] | None:
        """Which keys a query sees, by `is_causal` and a boolean mask; None where it sees all.

        Nothing at all where the boolean mask is computed.
        """
        mask = op.operand(3)
        allowed: npt.NDArray[Any] | None = None
        if op.value_of("is_causal"):
            allowed = np.tri(_tokens(op.operands[0]), _tokens(op.operands[1]), dtype=np.bool_)
        if mask is not None and element_of(mask.type) == i1:
            given = self.constant(mask)
            if given is None:
                return np.zeros((1, 1), np.bool_)
            allowed = given if allowed is None else given & allowed
        return allowed


def _is_plain(op: OnnxOp) -> bool:
    """Whether an Attention is one that is taken; see `ExpandAttentionPass`."""
    given = [op.operand(i) for i in range(7)]
    q, k, v, mask, *others = given
    if not set(op.attributes) <= _TAKEN:
        return False
    if q is None or k is None or v is None or any(o is not None for o in others):
        return False
    if any(r.first_use is not None for r in op.results[1:]) or op.value_of("softcap"):
        return False
    if any(static_shape_of(x.type) is None or element_of(x.type) != f32 for x in (q, k, v)):
        return False
    if not _agree(op, q, k, v):
        return False
    if mask is None:
        return True
    shape = static_shape_of(mask.type)
    if not shape or element_of(mask.type) not in (f32, i1):
        return False
    return shape[-1] in (1, _tokens(k)) and _broadcasts(shape, _scores(op, q, k))


def _agree(op: OnnxOp, q: SSAValue, k: SSAValue, v: SSAValue) -> bool:
    """Whether the shapes of the three fit each other, which ONNX's inference does not ask."""
    ranks = {len(_shape(x)) for x in (q, k, v)}
    heads = [op.value_of(f"{which}_num_heads") for which in ("q", "kv", "kv")]
    if ranks == {3}:
        if not all(n and _shape(x)[2] % n == 0 for x, n in zip((q, k, v), heads, strict=True)):
            return False
        sizes = [_shape(x)[2] // n for x, n in zip((q, k, v), heads, strict=True)]
    elif ranks == {4}:
        heads, sizes = [_shape(x)[1] for x in (q, k, v)], [_shape(x)[3] for x in (q, k, v)]
    else:
        return False
    same = len({_shape(x)[0] for x in (q, k, v)}) == 1 and _tokens(k) == _tokens(v)
    fits = heads[1] == heads[2] and heads[1] > 0 and heads[0] % heads[1] == 0
    elements = [int(np.prod(_shape(x), dtype=np.int64)) for x in (q, k, v)]
    return same and fits and sizes[0] == sizes[1] and min(elements) > 0


def _scores(op: OnnxOp, q: SSAValue, k: SSAValue) -> tuple[int, ...]:
    """The shape of what a mask is added to."""
    heads = op.value_of("q_num_heads") if len(_shape(q)) == 3 else _shape(q)[1]
    return _shape(q)[0], heads, _tokens(q), _tokens(k)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether ONNX repeats a tensor of one shape to another."""
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(a in (1, b) for a, b in pairs)


def _tokens(value: SSAValue) -> int:
    return _shape(value)[-2]


def _shape(value: SSAValue) -> tuple[int, ...]:
    shape = static_shape_of(value.type)
    assert shape is not None
    return shape


def _heads(new: Replacement, x: SSAValue, count: int | None) -> SSAValue:
    """x as [batch, heads, tokens, size], from [batch, tokens, heads * size] where it is that."""
    shape = _shape(x)
    if len(shape) == 4:
        return x
    assert count
    apart = new.shape((*shape[:2], count, shape[2] // count))
    made = new.builder.op("Reshape", [x, apart]).result
    return new.builder.op("Transpose", [made], {"perm": (0, 2, 1, 3)}).result


def _reshaped(new: Replacement, x: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    return x if _shape(x) == shape else new.builder.op("Reshape", [x, new.shape(shape)]).result
