"""Export of gathering, scattering and the places of the greatest elements, on stored elements."""

from __future__ import annotations

import numpy as np

from pulsar2.dialects.quant import ArgOp, GatherElementsOp, GatherOp, ScatterElementsOp, TopKOp
from pulsar2.dialects.quant.types import shape_of
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _export_gather(op: GatherOp | GatherElementsOp, builder: ModelBuilder) -> None:
    operands = [builder.stored(op.x), builder.stored(op.indices)]
    kind = "Gather" if isinstance(op, GatherOp) else "GatherElements"
    builder.node(kind, operands, builder.result_name(op.y), axis=op.axis)


def _export_scatter(op: ScatterElementsOp, builder: ModelBuilder) -> None:
    operands = [builder.stored(v) for v in (op.x, op.indices, op.updates)]
    builder.node(
        "ScatterElements",
        operands,
        builder.result_name(op.y),
        axis=op.axis,
        reduction=op.kind.value,
    )


def _export_arg(op: ArgOp, builder: ModelBuilder) -> None:
    output = builder.result_name(op.y)
    kind = "ArgMax" if op.largest else "ArgMin"
    base = builder.unique(f"{output}/i64")
    found = builder.node(kind, [builder.runnable(op.x)], base, axis=op.axis, keepdims=1)
    builder.cast(found, np.int32, output)


def _export_top_k(op: TopKOp, builder: ModelBuilder) -> None:
    output = builder.result_name(op.y)
    count = np.array([shape_of(op.y)[op.axis]], np.int64)
    operands = [builder.runnable(op.x), builder.constant(count, builder.unique(f"{output}/k"))]
    base = builder.unique(f"{output}/i64")
    found = builder.second("TopK", operands, base, axis=op.axis, largest=int(op.largest), sorted=1)
    builder.cast(found, np.int32, output)


INDEXING: Emit = {
    GatherOp: _export_gather,
    GatherElementsOp: _export_gather,
    ScatterElementsOp: _export_scatter,
    ArgOp: _export_arg,
    TopKOp: _export_top_k,
}
