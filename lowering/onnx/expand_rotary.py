"""The pass `onnx-expand-rotary`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, NoneType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of, static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns
from pulsar2.weights import AnyArray


@dataclass(frozen=True)
class ExpandRotaryPass(AxPass):
    """Spells out RotaryEmbedding by constant angles: products, a sum and a difference.

    The two halves of every head (or its even and odd elements, when interleaved) are turned by the
    cosines and sines of their positions. An operator whose caches or positions are computed stays.

    Precondition: types are inferred. Postcondition: no RotaryEmbedding by constants is left.

    ```
    %1 = onnx.RotaryEmbedding(%x, %cos, %sin) : (tensor<1x2x3x4xf32>, ..) -> tensor<1x2x3x4xf32>
    ```
    becomes
    ```
    %a = onnx.Slice(%x, %c0, %c2, %c3, %c1) : ..
    %b = onnx.Slice(%x, %c2, %c4, %c3, %c1) : ..
    %2 = onnx.Mul(%a, %cos) : ..
    %3 = onnx.Mul(%b, %sin) : ..
    %4 = onnx.Sub(%2, %3) : ..
    ..
    %1 = onnx.Concat(%4, %7) {axis = 3} : ..
    ```
    """

    name = "onnx-expand-rotary"
    replaces = ("RotaryEmbedding",)

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_Expand(ctx.weights)])


class _Expand(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if not isinstance(op, OnnxOp) or op.op_type != "RotaryEmbedding":
            return
        x = op.operands[0]
        shape = static_shape_of(x.type)
        tables = [self._table(op, i) for i in (1, 2)]
        if shape is None or element_of(x.type) != f32 or any(t is None for t in tables):
            return
        new = Replacement(self, rewriter, op)
        heads_last = len(shape) == 3
        if heads_last:
            heads = int(op.value_of("num_heads"))
            apart = (*shape[:2], heads, shape[2] // heads)
            x = new.builder.op("Reshape", [x, new.shape(apart)]).result
        # [B, S, R / 2] for all heads alike
        axis = 2 if heads_last else 1
        cos, sin = (
            new.constant(np.expand_dims(table, axis), name)
            for table, name in zip(tables, ("cos", "sin"), strict=True)
            if table is not None
        )
        y = self._rotate(new, op, x, cos, sin)
        if heads_last:
            y = new.builder.op("Reshape", [y, new.shape(shape)]).result
        new.finish([y])

    def _table(self, op: OnnxOp, index: int) -> AnyArray | None:
        """The cosines or sines [B, S, R / 2] (B may be 1), None where they are computed."""
        cache = self.constant(op.operands[index])
        positions = op.operand(3)
        if cache is None or positions is None or isinstance(positions.type, NoneType):
            return cache
        indices = self.constant(positions)
        return None if indices is None else cache[indices.astype(np.int64)]

    @staticmethod
    def _rotate(
        new: Replacement, op: OnnxOp, x: SSAValue, cos: SSAValue, sin: SSAValue
    ) -> SSAValue:
        """x [.., D] with its first elements turned, those that the tables are for."""
        build = new.builder.op
        shape, table = static_shape_of(x.type), static_shape_of(cos.type)
        assert shape is not None
        assert table is not None
        half, size = table[-1], shape[-1]

        def part(begin: int, end: int, step: int = 1) -> SSAValue:
            bounds = [new.shape([n]) for n in (begin, end, 3, step)]
            return build("Slice", [x, *bounds]).result

        if op.value_of("interleaved"):
            a, b = part(0, 2 * half, 2), part(1, 2 * half, 2)
        else:
            a, b = part(0, half), part(half, 2 * half)
        factors = ((a, cos), (b, sin), (a, sin), (b, cos))
        products = [build("Mul", pair).result for pair in factors]
        turned: list[SSAValue] = [
            build("Sub", products[:2]).result,
            build("Add", products[2:]).result,
        ]
        if op.value_of("interleaved"):
            pairs = [build("Unsqueeze", [v, new.shape([4])]).result for v in turned]
            joined = build("Concat", pairs, {"axis": 4}).result
            flat = new.shape((*shape[:3], 2 * half))
            turned = [build("Reshape", [joined, flat]).result]
        if 2 * half < size:
            turned.append(part(2 * half, size))
        return turned[0] if len(turned) == 1 else build("Concat", turned, {"axis": 3}).result
