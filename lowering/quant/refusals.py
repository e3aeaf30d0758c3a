"""Which operators of a float graph have no quantized form, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from pulsar2.diagnostics import Diagnostic, UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.elementwise import Clip
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.locations import node_name, tensor_name
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import (
    Rule,
    constant_of,
    is_constant_op,
    is_float,
    kind_of,
    plain_type,
)
from pulsar2.lowering.quant.rules.weight_scales import decision_faults
from pulsar2.weights import WeightStore


def refuse_unsupported(func: FuncOp, weights: WeightStore) -> None:
    """Raises `UserError` with every operator of `func` that has no quantized form."""
    errors: list[Diagnostic] = []
    unknown = False
    refused: set[Operation] = set()
    for op in func.body.block.ops:
        if not isinstance(op, OnnxOp) or is_constant_op(op) or is_on_cpu(op):
            continue
        kind = op.function if isinstance(op, Custom) else kind_of(op)
        where = f"node '{node_name(op)}' ({kind})"
        rule = RULES.get(kind_of(op))
        if rule is None:
            unknown = True
            refused.add(op)
            message = "the operator is not supported on the NPU"
            errors.append(Diagnostic(message, where, source=op))
            continue
        dynamic = [
            tensor_name(v)
            for v in (*op.operands, *op.results)
            if (is_float(v) or plain_type(v) is not None) and static_shape_of(v.type) is None
        ]
        if dynamic and any(v.owner in refused for v in op.operands):
            refused.add(op)
            continue
        if dynamic:
            errors.append(
                Diagnostic(
                    f"tensor '{dynamic[0]}' has no fixed shape",
                    where,
                    "fix the shapes of the model's inputs with input_shapes",
                    op,
                )
            )
            continue
        reason = rule.refuse(op, weights)
        if reason:
            errors.append(Diagnostic(reason, where, source=op))
        faults = decision_faults(op, rule, weights)
        errors += [Diagnostic(fault, where, source=op) for fault in faults]
        errors += _not_finite(op, rule, where, weights)
    if unknown:
        supported = ", ".join(sorted(RULES))
        errors.append(Diagnostic(f"operators supported on the NPU: {supported}", source=func))
    if errors:
        raise UserError(errors)


def _not_finite(op: OnnxOp, rule: Rule, where: str, weights: WeightStore) -> Iterator[Diagnostic]:
    for value in op.operands:
        array = constant_of(value, weights)
        if array is None or array.dtype.kind != "f" or isinstance(op, Clip):
            continue
        wrong = int(array.size - np.count_nonzero(np.isfinite(array)))
        if wrong and rule.needs_finite:
            yield Diagnostic(
                f"the constant '{tensor_name(value)}' holds {wrong} NaN or infinite number(s)",
                where,
                source=op,
            )
