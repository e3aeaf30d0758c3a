"""Export of elementwise operations and casts: the literal QDQ form in every model."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.ir import Operation

from pulsar2.dialects.quant import (
    AddOp,
    BinaryOp,
    DCastOp,
    DivOp,
    MaxOp,
    MinOp,
    MulOp,
    NormalizeOp,
    PReluOp,
    QCastOp,
    RequantizeOp,
    SubOp,
    UnaryFn,
    UnaryOp,
)
from pulsar2.dialects.quant.types import shape_of
from pulsar2.quant_export.builder import Emit, ModelBuilder

_BINARY: dict[type[Operation], str] = {
    AddOp: "Add",
    SubOp: "Sub",
    MulOp: "Mul",
    DivOp: "Div",
    MinOp: "Min",
    MaxOp: "Max",
    PReluOp: "PRelu",
}


def _export_binary(op: BinaryOp, builder: ModelBuilder) -> None:
    operands = [builder.real(op.a), builder.real(op.b)]
    op_type = _BINARY[type(op)]
    real = builder.node(op_type, operands, builder.unique(f"{operands[0]}/{op_type.lower()}"))
    a, b = builder.magnitude(op.a), builder.magnitude(op.b)
    limit = {"Mul": a * b, "PRelu": a * b + a, "Div": float("inf")}.get(op_type, a + b)
    builder.finish_real(op.y, real, op.clamp, limit=limit)


_UNARY: dict[UnaryFn, str] = {
    UnaryFn.IDENTITY: "Identity",
    UnaryFn.RELU: "Relu",
    UnaryFn.SIGMOID: "Sigmoid",
    UnaryFn.HARD_SIGMOID: "HardSigmoid",
    UnaryFn.HARD_SWISH: "HardSwish",
    UnaryFn.TANH: "Tanh",
    UnaryFn.EXP: "Exp",
    UnaryFn.LOG: "Log",
    UnaryFn.SQRT: "Sqrt",
    UnaryFn.ERF: "Erf",
    UnaryFn.GELU: "Gelu",
    UnaryFn.GELU_TANH: "Gelu",
    UnaryFn.LEAKY_RELU: "LeakyRelu",
    UnaryFn.ELU: "Elu",
    UnaryFn.SOFTPLUS: "Softplus",
    UnaryFn.MISH: "Mish",
    UnaryFn.ABS: "Abs",
    UnaryFn.NEG: "Neg",
    UnaryFn.FLOOR: "Floor",
    UnaryFn.CEIL: "Ceil",
    UnaryFn.ROUND: "Round",
    UnaryFn.SIN: "Sin",
    UnaryFn.COS: "Cos",
    UnaryFn.RECIPROCAL: "Reciprocal",
}
_UNBOUNDED = frozenset(
    {
        UnaryFn.EXP,
        UnaryFn.LOG,
        UnaryFn.RECIPROCAL,
        UnaryFn.RSQRT,
        UnaryFn.ELU,
        UnaryFn.POW,
        UnaryFn.INVERSE_SIGMOID,
    }
)


def _export_unary(op: UnaryOp, builder: ModelBuilder) -> None:
    x = builder.real(op.x)
    name = builder.unique(f"{x}/{op.fn}")
    attributes: dict[str, Any] = {}
    inputs = [x]
    op_type = _UNARY.get(op.fn, "")
    if op.fn is UnaryFn.CLIP:
        op_type = "Clip"
        inputs += [
            builder.constant(np.asarray(bound, np.float32), f"{name}/{what}")
            for bound, what in ((op.alpha, "least"), (op.beta, "greatest"))
        ]
    elif op.fn is UnaryFn.SILU:
        op_type = "Mul"
        inputs.append(builder.node("Sigmoid", [x], f"{name}/sigmoid"))
    elif op.fn is UnaryFn.RSQRT:
        op_type = "Reciprocal"
        inputs = [builder.node("Sqrt", [x], f"{name}/sqrt")]
    elif op.fn is UnaryFn.POW:
        op_type = "Pow"
        inputs = [x, builder.constant(np.asarray(op.alpha, np.float32), f"{name}/exponent")]
    elif op.fn is UnaryFn.INVERSE_SIGMOID:
        op_type, inputs = "Log", [_bounded_ratio(x, op.alpha, name, builder)]
    elif op.fn is UnaryFn.NOT:
        zero = builder.constant(np.zeros((), np.float32), f"{name}/zero")
        op_type, inputs = "Cast", [builder.node("Equal", [x, zero], f"{name}/equal")]
        attributes["to"] = 1
    elif op.fn in (UnaryFn.LEAKY_RELU, UnaryFn.ELU):
        attributes["alpha"] = op.alpha
    elif op.fn is UnaryFn.HARD_SIGMOID:
        attributes = {"alpha": op.alpha, "beta": op.beta}
    elif op.fn is UnaryFn.GELU_TANH:
        attributes["approximate"] = "tanh"
    real = builder.node(op_type, inputs, name, **attributes)
    limit = float("inf") if op.fn in _UNBOUNDED else builder.magnitude(op.x) + 1
    builder.finish_real(op.y, real, limit=limit)


def _bounded_ratio(x: str, eps: float, name: str, builder: ModelBuilder) -> str:
    """max(t, eps) / max(1 - t, eps), t being x within 0 and 1."""
    zero, one, least = (
        builder.constant(np.asarray(v, np.float32), f"{name}/{what}")
        for v, what in ((0, "zero"), (1, "one"), (eps, "least"))
    )
    held = builder.node("Clip", [x, zero, one], f"{name}/held")
    rest = builder.node("Sub", [one, held], f"{name}/rest")
    parts = [builder.node("Max", [v, least], f"{v}/bounded") for v in (held, rest)]
    return builder.node("Div", parts, f"{name}/ratio")


def _export_normalize(op: NormalizeOp, builder: ModelBuilder) -> None:
    x = builder.real(op.x)
    shape = [1] * len(shape_of(op.x))
    shape[op.axis] = -1
    base = builder.unique(f"{x}/normalize")
    mean, std = (
        builder.constant(np.asarray(values, np.float32).reshape(shape), f"{base}/{what}")
        for values, what in ((op.mean, "mean"), (op.std, "std"))
    )
    centred = builder.node("Sub", [x, mean], f"{base}/centred")
    builder.finish_real(op.y, builder.node("Div", [centred, std], base))


def _export_cast(op: QCastOp | DCastOp | RequantizeOp, builder: ModelBuilder) -> None:
    if isinstance(op, DCastOp):
        # Its result is a tensor of its own, so the shared dequantization is not used.
        inputs = [builder.stored(op.x), *builder.parameters_of(op.x)]
        builder.node("DequantizeLinear", inputs, builder.result_name(op.y))
        return
    limit = builder.magnitude(op.x) if isinstance(op, RequantizeOp) else 0.0
    builder.finish_real(op.y, builder.real(op.x), limit=limit)


ELEMENTWISE: Emit = {
    **dict.fromkeys(_BINARY, _export_binary),
    UnaryOp: _export_unary,
    NormalizeOp: _export_normalize,
    QCastOp: _export_cast,
    DCastOp: _export_cast,
    RequantizeOp: _export_cast,
}
