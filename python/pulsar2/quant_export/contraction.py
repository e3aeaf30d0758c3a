"""Export of `quant.conv`, `quant.conv_transpose` and `quant.matmul`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import SSAValue

from pulsar2.dialects.quant import ConvOp, ConvTransposeOp, MatMulOp
from pulsar2.dialects.quant.types import (
    F32Array,
    element_type,
    quant_parameters,
    quantized_of,
    shape_of,
    storage_dtype,
    uniform_of,
)
from pulsar2.quant_export.builder import Emit, ModelBuilder


def _scales(builder: ModelBuilder, value: SSAValue) -> tuple[F32Array, npt.NDArray[np.int32]]:
    type_ = quantized_of(value)
    assert type_ is not None
    return quant_parameters(type_, builder.weights)


def _fits_s32(builder: ModelBuilder, x: SSAValue, w: SSAValue, terms: int, bias: Any) -> bool:
    """Whether 8-bit integer operators apply, and their 32-bit sums cannot overflow."""
    if max(storage_dtype(x.type).itemsize, storage_dtype(w.type).itemsize) > 1:
        return False
    greatest = 1
    for value in (x, w):
        type_ = quantized_of(value)
        assert type_ is not None
        points = quant_parameters(type_, builder.weights)[1].astype(np.int64)
        greatest *= max(int(np.abs(b - points).max()) for b in type_.bounds)
    limit = greatest * terms + (0 if bias is None else int(np.abs(bias.astype(np.int64)).max()))
    return limit < 2**31


def _shifted_f64(builder: ModelBuilder, value: SSAValue, axis: int | None, name: str) -> str:
    """The exact integers `stored - zero point` of a tensor as f64."""
    wide = builder.cast(builder.stored(value), np.float64, f"{name}_f64")
    points = _scales(builder, value)[1].astype(np.float64)
    if not points.any():
        return wide
    shape = [1] * len(shape_of(value))
    if axis is not None and points.size > 1:
        shape[axis] = points.size
    points = points.reshape(shape) if points.size > 1 else points.reshape(())
    return builder.node("Sub", [wide, builder.constant(points, f"{name}_zero")], f"{name}_shifted")


def _zero_points(builder: ModelBuilder, value: SSAValue, name: str) -> str:
    """The zero points of a tensor as an initializer, a scalar where they are all one."""
    points = _scales(builder, value)[1].astype(storage_dtype(value.type))
    if (points == points[0]).all():
        points = points[:1].reshape(())
    return builder.constant(points, name)


def _finish(
    builder: ModelBuilder,
    op: ConvOp | ConvTransposeOp | MatMulOp,
    x: SSAValue,
    w: SSAValue,
    sums: str,
    shape: tuple[int, ...],
) -> None:
    """From exact sums to the result; per-channel numbers take `shape`."""
    value, bias = op.y, op.bias
    name = builder.unique(f"{sums}/float")
    products = np.float32(_scales(builder, x)[0][0]) * _scales(builder, w)[0]
    type_ = uniform_of(value)
    float_bias = bias is not None and isinstance(element_type(bias), Float32Type)
    factors = products / type_.scale if type_ is not None and not float_bias else products
    factors = factors.reshape(shape) if factors.size > 1 else factors.reshape(())
    real = builder.cast(sums, np.float32, name)
    multiplier = builder.constant(factors.astype(np.float32), f"{sums}/multiplier")
    real = builder.node("Mul", [real, multiplier], f"{sums}/scaled")
    if float_bias:
        assert bias is not None
        row = builder.array(bias)
        assert row is not None
        added = builder.constant(row.reshape(shape), f"{sums}/bias_f32")
        real = builder.node("Add", [real, added], f"{sums}/biased")
        builder.finish_real(value, real, op.clamp)
    elif type_ is None:
        builder.finish_real(value, real)
    else:
        builder.finish_steps(value, real, op.clamp)


def _integer_bias(builder: ModelBuilder, bias: SSAValue | None) -> npt.NDArray[Any] | None:
    if bias is None or isinstance(element_type(bias), Float32Type):
        return None
    return builder.array(bias)


def _export_conv(op: ConvOp, builder: ModelBuilder) -> None:
    attributes: dict[str, Any] = {
        "kernel_shape": list(op.kernel),
        "strides": list(op.strides),
        "pads": list(op.pads),
        "dilations": list(op.dilations),
        "group": op.group,
    }
    name = builder.stored(op.x)
    if builder.form == "float":
        inputs = [builder.real(v) for v in (op.x, op.w, op.bias) if v is not None]
        real = builder.node("Conv", inputs, builder.unique(f"{name}/conv"), **attributes)
        builder.finish_real(op.y, real, op.clamp)
        return
    out = uniform_of(op.y)
    bias = _integer_bias(builder, op.bias)
    terms = int(np.prod(shape_of(op.w)[1:]))
    eight = _fits_s32(builder, op.x, op.w, terms, bias)
    has_float_bias = op.bias is not None and bias is None
    linear = builder.form == "linear" and eight and out is not None and not has_float_bias
    if linear and storage_dtype(op.y.type).itemsize == 1:
        _export_qlinear_conv(op, builder, attributes)
        return
    base = builder.unique(f"{name}/conv")
    if eight:
        points = [
            _zero_points(builder, v, f"{base}/{w}_zero_point")
            for v, w in ((op.x, "x"), (op.w, "w"))
        ]
        inputs = [builder.stored(op.x), builder.stored(op.w), *points]
        sums = builder.node("ConvInteger", inputs, f"{base}/sum", **attributes)
        dtype: Any = np.int32
    else:
        inputs = [_shifted_f64(builder, v, 0, f"{base}/{w}") for v, w in ((op.x, "x"), (op.w, "w"))]
        sums = builder.node("Conv", inputs, f"{base}/sum", **attributes)
        dtype = np.float64
    shape = (1, -1, 1, 1)
    if bias is not None:
        row = builder.constant(bias.astype(dtype).reshape(shape), f"{base}/bias")
        sums = builder.node("Add", [sums, row], f"{base}/biased_sum")
    _finish(builder, op, op.x, op.w, sums, shape)


def _export_qlinear_conv(op: ConvOp, builder: ModelBuilder, attributes: dict[str, Any]) -> None:
    x, w, y = uniform_of(op.x), quantized_of(op.w), uniform_of(op.y)
    assert x is not None
    assert w is not None
    assert y is not None
    output = builder.result_name(op.y)
    unclamped = output if op.clamp is None else f"{output}/unclamped"
    inputs = [builder.stored(op.x), *builder.parameters(x, f"{output}/x")]
    inputs += [builder.stored(op.w), *builder.parameters(w, f"{output}/w")]
    inputs += builder.parameters(y, output)
    if op.bias is not None:
        inputs.append(builder.stored(op.bias))
    made = builder.node("QLinearConv", inputs, unclamped, **attributes)
    if op.clamp is not None:
        builder.clip(made, op.clamp, y, output)


def _export_conv_transpose(op: ConvTransposeOp, builder: ModelBuilder) -> None:
    attributes: dict[str, Any] = {
        "kernel_shape": list(op.kernel),
        "strides": list(op.strides),
        "pads": list(op.pads),
        "dilations": list(op.dilations),
        "output_padding": list(op.output_padding),
    }
    name = builder.stored(op.x)
    if builder.form == "float":
        weight = _transposed(builder, builder.real(op.w), shape_of(op.w), op.group)
        inputs = [builder.real(op.x), weight]
        if op.bias is not None:
            inputs.append(builder.real(op.bias))
        base = builder.unique(f"{name}/conv_transpose")
        real = builder.node("ConvTranspose", inputs, base, group=op.group, **attributes)
        builder.finish_real(op.y, real, op.clamp)
        return
    base = builder.unique(f"{name}/conv_transpose")
    weights = builder.array(op.w)
    assert weights is not None
    points = _scales(builder, op.w)[1].astype(np.float64).reshape(-1, 1, 1, 1)
    exact = weights.astype(np.float64) - points
    group = op.group
    if group > 1 and exact.shape[:2] != (group, 1):
        # onnx.reference knows no other groups than single channels.
        exact, group = _block_diagonal(exact, group), 1
    order = exact if group > 1 else exact.swapaxes(0, 1)
    inputs = [_shifted_f64(builder, op.x, None, f"{base}/x"), builder.constant(order, f"{base}/w")]
    sums = builder.node("ConvTranspose", inputs, f"{base}/sum", group=group, **attributes)
    shape = (1, -1, 1, 1)
    bias = _integer_bias(builder, op.bias)
    if bias is not None:
        row = builder.constant(bias.astype(np.float64).reshape(shape), f"{base}/bias")
        sums = builder.node("Add", [sums, row], f"{base}/biased_sum")
    _finish(builder, op, op.x, op.w, sums, shape)


def _block_diagonal(weights: npt.NDArray[np.float64], group: int) -> npt.NDArray[np.float64]:
    """Weights [O, C / group, ..] as those of one group, [O, C, ..], with zeros between groups."""
    outputs, inputs, *kernel = weights.shape
    dense = np.zeros((outputs, inputs * group, *kernel))
    for g in range(group):
        rows = slice(g * (outputs // group), (g + 1) * (outputs // group))
        dense[rows, g * inputs : (g + 1) * inputs] = weights[rows]
    return dense


def _transposed(builder: ModelBuilder, name: str, shape: tuple[int, ...], group: int) -> str:
    """The tensor [O, C / group, KH, KW] as ONNX's [C, O / group, KH, KW]."""
    outputs, inputs, *kernel = shape
    if group == 1:
        return builder.node("Transpose", [name], f"{name}/transposed", perm=[1, 0, 2, 3])
    split = np.asarray([group, outputs // group, inputs, *kernel], np.int64)
    whole = np.asarray([group * inputs, outputs // group, *kernel], np.int64)
    parts = builder.constant(split, f"{name}/groups")
    grouped = builder.node("Reshape", [name, parts], f"{name}/grouped")
    turned = builder.node("Transpose", [grouped], f"{name}/transposed", perm=[0, 2, 1, 3, 4])
    joined = builder.constant(whole, f"{name}/shape")
    return builder.node("Reshape", [turned, joined], f"{name}/joined")


def _export_matmul(op: MatMulOp, builder: ModelBuilder) -> None:
    a, b = op.a, op.b
    both_float = isinstance(element_type(a), Float32Type)
    base = builder.unique(f"{builder.stored(a)}/matmul")
    if builder.form == "float" or both_float:
        real = builder.node("MatMul", [builder.real(a), builder.real(b)], base)
        if op.bias is not None:
            real = builder.node("Add", [real, builder.real(op.bias)], f"{base}/biased")
        builder.finish_real(op.y, real, op.clamp)
        return
    bias = _integer_bias(builder, op.bias)
    eight = _fits_s32(builder, a, b, shape_of(a)[-1], bias)
    out = uniform_of(op.y)
    plain = op.bias is None and out is not None and storage_dtype(op.y.type).itemsize == 1
    if builder.form == "linear" and eight and plain:
        assert out is not None
        output = builder.result_name(op.y)
        unclamped = output if op.clamp is None else f"{output}/unclamped"
        inputs: list[str] = []
        for value, what in ((a, "a"), (b, "b")):
            type_ = quantized_of(value)
            assert type_ is not None
            inputs += [builder.stored(value), *builder.parameters(type_, f"{output}/{what}")]
        inputs += builder.parameters(out, output)
        made = builder.node("QLinearMatMul", inputs, unclamped)
        if op.clamp is not None:
            builder.clip(made, op.clamp, out, output)
        return
    if eight:
        points = [
            _zero_points(builder, v, f"{base}/{w}_zero_point") for v, w in ((a, "a"), (b, "b"))
        ]
        inputs = [builder.stored(a), builder.stored(b), *points]
        sums = builder.node("MatMulInteger", inputs, f"{base}/sum")
        dtype: Any = np.int32
    else:
        last = len(shape_of(b)) - 1
        inputs = [_shifted_f64(builder, a, None, f"{base}/a")]
        inputs.append(_shifted_f64(builder, b, last, f"{base}/b"))
        sums = builder.node("MatMul", inputs, f"{base}/sum")
        dtype = np.float64
    if bias is not None:
        row = builder.constant(bias.astype(dtype), f"{base}/bias")
        sums = builder.node("Add", [sums, row], f"{base}/biased_sum")
    _finish(builder, op, a, b, sums, (-1,))


CONTRACTIONS: Emit = {
    ConvOp: _export_conv,
    ConvTransposeOp: _export_conv_transpose,
    MatMulOp: _export_matmul,
}
