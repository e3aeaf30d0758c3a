"""Numbers about a quantized graph."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import ModuleOp

from pulsar2.dialects.quant import ConvOp, ConvTransposeOp, MatMulOp
from pulsar2.dialects.quant.types import shape_of


def count_macs(module: ModuleOp) -> int:
    """Multiply-accumulates of one inference: those of contractions, as the layers ask for them."""
    total = 0
    for op in module.walk():
        if isinstance(op, ConvOp):
            weight = shape_of(op.operands[1].type)
            total += math.prod(shape_of(op.results[0].type)) * math.prod(weight[1:])
        elif isinstance(op, ConvTransposeOp):
            weight = shape_of(op.w)
            total += math.prod(shape_of(op.x)) * weight[0] // op.group * math.prod(weight[2:])
        elif isinstance(op, MatMulOp):
            depth = shape_of(op.operands[0].type)[-1]
            total += math.prod(shape_of(op.results[0].type)) * depth
    return total
