"""The `quant` dialect: the same network in quantized numbers, one operation per integer kernel.

Tensors are in ONNX's logical layout. An activation is quantized per tensor, or f32; the meaning of
each operation, bit for bit, is the numerics contract (docs/numerics.md).
"""

from __future__ import annotations

from xdsl.ir import Dialect

from pulsar2.dialects.quant.casts import DCastOp, QCastOp, RequantizeOp
from pulsar2.dialects.quant.constant import ConstantOp
from pulsar2.dialects.quant.contraction import ConvOp, MatMulOp
from pulsar2.dialects.quant.conv_transpose import ConvTransposeOp
from pulsar2.dialects.quant.elementwise import (
    AddOp,
    BinaryOp,
    DivOp,
    MaxOp,
    MinOp,
    MulOp,
    NormalizeOp,
    PReluOp,
    SubOp,
    UnaryFn,
    UnaryFnAttr,
    UnaryOp,
)
from pulsar2.dialects.quant.movement import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from pulsar2.dialects.quant.normalization import NormKind, NormKindAttr, NormOp
from pulsar2.dialects.quant.pooling import AvgPoolOp, MaxPoolOp, PoolOp
from pulsar2.dialects.quant.reduction import (
    CumSumOp,
    LogSoftmaxOp,
    ReduceKind,
    ReduceKindAttr,
    ReduceOp,
    SoftmaxOp,
)
from pulsar2.dialects.quant.resize import (
    Coordinates,
    CoordinatesAttr,
    ResizeLinearOp,
    ResizeNearestOp,
    ResizeOp,
    Rounding,
    RoundingAttr,
)
from pulsar2.dialects.quant.types import (
    QuantizedType,
    UniformPerAxisType,
    UniformType,
    per_axis_of,
    quantized_of,
    shape_of,
    storage_dtype,
    storage_name,
    storage_range,
    storage_type,
    stored_type,
    uniform_of,
)

Quant = Dialect(
    "quant",
    [
        ConstantOp,
        QCastOp,
        DCastOp,
        RequantizeOp,
        ConvOp,
        ConvTransposeOp,
        MatMulOp,
        AddOp,
        SubOp,
        MulOp,
        DivOp,
        MinOp,
        MaxOp,
        PReluOp,
        UnaryOp,
        NormalizeOp,
        MaxPoolOp,
        AvgPoolOp,
        ReduceOp,
        SoftmaxOp,
        ResizeNearestOp,
        ResizeLinearOp,
        LogSoftmaxOp,
        CumSumOp,
        NormOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        PadOp,
        SliceOp,
    ],
    [UniformType, UnaryFnAttr, ReduceKindAttr, CoordinatesAttr, RoundingAttr, NormKindAttr],
)

__all__ = [
    "AddOp",
    "AvgPoolOp",
    "BinaryOp",
    "ConcatOp",
    "ConstantOp",
    "ConvOp",
    "ConvTransposeOp",
    "Coordinates",
    "CumSumOp",
    "DCastOp",
    "DivOp",
    "LogSoftmaxOp",
    "MatMulOp",
    "MaxOp",
    "MaxPoolOp",
    "MinOp",
    "MulOp",
    "NormKind",
    "NormOp",
    "NormalizeOp",
    "PReluOp",
    "PadOp",
    "PoolOp",
    "QCastOp",
    "Quant",
    "QuantizedType",
    "ReduceKind",
    "ReduceOp",
    "RequantizeOp",
    "ReshapeOp",
    "ResizeLinearOp",
    "ResizeNearestOp",
    "ResizeOp",
    "Rounding",
    "SliceOp",
    "SoftmaxOp",
    "SubOp",
    "TransposeOp",
    "UnaryFn",
    "UnaryOp",
    "UniformPerAxisType",
    "UniformType",
    "per_axis_of",
    "quantized_of",
    "shape_of",
    "storage_dtype",
    "storage_name",
    "storage_range",
    "storage_type",
    "stored_type",
    "uniform_of",
]
