"""Which operation of the `quant` dialect is which operator of the file, and how attributes map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from onnx import AttributeProto, NodeProto, helper
from xdsl.dialects.builtin import (
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Operation
from xdsl.irdl import IRDLOperation, PropertyDef, VerificationContext
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects import quant
from pulsar2.dialects.quant.base import float_array, float_number, int_array, integer
from pulsar2.dialects.quant.elementwise import UnaryFnAttr
from pulsar2.dialects.quant.indexing import ScatterKindAttr
from pulsar2.dialects.quant.integer import CompareKindAttr, IntegerFnAttr
from pulsar2.dialects.quant.normalization import NormKindAttr
from pulsar2.dialects.quant.reduction import ReduceKindAttr
from pulsar2.dialects.quant.resize import CoordinatesAttr, RoundingAttr
from pulsar2.dialects.quant.sampling import RoiModeAttr, SampleModeAttr, SamplePaddingAttr
from pulsar2.dialects.quant.types import shape_of

DOMAIN = "ax"
VERSION = 1
"""Version of the operators of the domain, as the file states it."""

_PLAIN: dict[str, type[Operation]] = {
    "AxQuantizedConv": quant.ConvOp,
    "AxQuantizedConvTranspose": quant.ConvTransposeOp,
    "AxQuantizedFullyConnected": quant.MatMulOp,
    "AxQuantizedMatMul": quant.MatMulOp,
    "AxQuantizedAdd": quant.AddOp,
    "AxQuantizedSub": quant.SubOp,
    "AxQuantizedMul": quant.MulOp,
    "AxQuantizedDiv": quant.DivOp,
    "AxQuantizedMin": quant.MinOp,
    "AxQuantizedMax": quant.MaxOp,
    "AxQuantizedPRelu": quant.PReluOp,
    "AxNormalize": quant.NormalizeOp,
    "AxMaxPool": quant.MaxPoolOp,
    "AxQuantizedAvgPool": quant.AvgPoolOp,
    "AxQuantizedSoftmax": quant.SoftmaxOp,
    "AxQuantizedCompare": quant.CompareOp,
    "AxInteger": quant.IntegerOp,
    "AxWhere": quant.WhereOp,
    "AxCast": quant.CastOp,
    "AxExpand": quant.ExpandOp,
    "AxGather": quant.GatherOp,
    "AxGatherElements": quant.GatherElementsOp,
    "AxScatterElements": quant.ScatterElementsOp,
    "AxArg": quant.ArgOp,
    "AxTopK": quant.TopKOp,
    "AxResizeNearest": quant.ResizeNearestOp,
    "AxQuantizedResizeLinear": quant.ResizeLinearOp,
    "AxQuantizedLogSoftmax": quant.LogSoftmaxOp,
    "AxQuantizedCumSum": quant.CumSumOp,
    "AxQuantizedGridSample": quant.GridSampleOp,
    "AxQuantizedRoiAlign": quant.RoiAlignOp,
    "AxReshape": quant.ReshapeOp,
    "AxTranspose": quant.TransposeOp,
    "AxConcat": quant.ConcatOp,
    "AxPad": quant.PadOp,
    "AxSlice": quant.SliceOp,
    "AxQuantizeLinear": quant.QCastOp,
    "AxDequantizeLinear": quant.DCastOp,
    "AxRequantize": quant.RequantizeOp,
}
_UNARY = {
    "AxQuantized" + "".join(part.title() for part in fn.value.split("_")): fn
    for fn in quant.UnaryFn
}
_GLOBAL_AVERAGE = "AxQuantizedGlobAvgPool"
_REDUCE = {
    "AxQuantizedReduce" + "".join(part.title() for part in kind.value.split("_")): kind
    for kind in quant.ReduceKind
}
_NORM = {f"AxQuantized{kind.value.title()}Norm": kind for kind in quant.NormKind}
_NAMES = {op: name for name, op in reversed(_PLAIN.items())}
_UNARY_NAMES = {fn: name for name, fn in _UNARY.items()}
_REDUCE_NAMES = {kind: name for name, kind in _REDUCE.items()}
_NORM_NAMES = {kind: name for name, kind in _NORM.items()}

OPERATORS = frozenset((*_PLAIN, *_UNARY, *_REDUCE, *_NORM, _GLOBAL_AVERAGE))
"""The names of all operators that a file may hold."""


def ax_type(op: Operation) -> str:
    """The operator's name in the file; '' for an operation that is not of the `quant` dialect."""
    if isinstance(op, quant.UnaryOp):
        return _UNARY_NAMES[op.fn]
    if isinstance(op, quant.ReduceOp):
        mean = op.kind is quant.ReduceKind.MEAN
        spatial = op.keepdims and op.axes == tuple(range(2, len(shape_of(op.x))))
        return _GLOBAL_AVERAGE if mean and spatial else _REDUCE_NAMES[op.kind]
    if isinstance(op, quant.NormOp):
        return _NORM_NAMES[op.kind]
    if isinstance(op, quant.MatMulOp) and not isinstance(op.b.owner, quant.ConstantOp):
        return "AxQuantizedMatMul"
    return _NAMES.get(type(op), "")


def operation_class(name: str) -> type[Operation]:
    """The operation class of an operator of the file; KeyError for an unknown one."""
    if name in _UNARY:
        return quant.UnaryOp
    if name in _REDUCE or name == _GLOBAL_AVERAGE:
        return quant.ReduceOp
    if name in _NORM:
        return quant.NormOp
    return _PLAIN[name]


def implied_properties(name: str) -> dict[str, Attribute]:
    """The properties of the operation that the operator's name says."""
    if name in _UNARY:
        return {"fn": UnaryFnAttr(_UNARY[name])}
    if name == _GLOBAL_AVERAGE:
        return {"kind": ReduceKindAttr(quant.ReduceKind.MEAN)}
    if name in _REDUCE:
        return {"kind": ReduceKindAttr(_REDUCE[name])}
    if name in _NORM:
        return {"kind": NormKindAttr(_NORM[name])}
    return {}


def onnx_attributes(op: Operation) -> Iterator[AttributeProto]:
    """The properties of an operation as attributes of a node, by name."""
    for name, attribute in sorted(op.properties.items()):
        if isinstance(attribute, UnaryFnAttr | ReduceKindAttr | NormKindAttr):
            continue
        yield helper.make_attribute(name, shown_value(attribute))
    if isinstance(op, quant.ReshapeOp):
        yield helper.make_attribute("shape", list(shape_of(op.y)))


def attribute_names(op: Operation) -> list[str]:
    """The names of all attributes that the operator of an operation may have in the file."""
    implied = {UnaryFnAttr: "fn", ReduceKindAttr: "kind", NormKindAttr: "kind"}
    skipped = {n for t, n in implied.items() if isinstance(op.properties.get(n), t)}
    names = {*_definitions(op)} - skipped
    return sorted(names | {"shape"} if isinstance(op, quant.ReshapeOp) else names)


def attribute_value(op: Operation, name: str, value: Any) -> Attribute | None:
    """The property `name` that stands for a number, a text or a list; None for a flag that is 0.

    Raises ValueError for a value of another type than the operation takes.
    """
    if name in _FLAGS:
        if value not in (0, 1):
            raise ValueError(name)
        return UnitAttr() if value else None
    constraint = _definitions(op)[name].constr
    for made in _readings(name, value):
        try:
            constraint.verify(made, VerificationContext())
        except VerifyException:
            continue
        return made
    raise ValueError(name)


def _definitions(op: Operation) -> Mapping[str, PropertyDef]:
    assert isinstance(op, IRDLOperation)
    return op.get_irdl_definition().properties


def _readings(name: str, value: Any) -> Iterator[Attribute]:
    """The attributes that a value may be, the nearest first."""
    if isinstance(value, str) and name in _ENUMS:
        yield _ENUMS[name](value)
    items: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    if isinstance(value, str) or any(isinstance(i, bool | str | list | dict) for i in items):
        return
    if all(isinstance(i, int) or float(i).is_integer() for i in items):
        whole = [int(i) for i in items]
        yield int_array(whole) if isinstance(value, list) else integer(whole[0])
    yield float_array(items) if isinstance(value, list) else float_number(value)


def shown_value(attribute: Attribute) -> Any:
    """A property as a plain value: a number, a text or a list."""
    if isinstance(attribute, UnitAttr):
        return 1
    if isinstance(attribute, _ENUM_TYPES):
        return attribute.data.value
    if isinstance(attribute, IntegerAttr):
        return attribute.value.data
    if isinstance(attribute, FloatAttr):
        return float(attribute.value.data)
    if isinstance(attribute, DenseArrayBase):
        return list(attribute.get_values())
    raise TypeError(f"no ONNX attribute for {attribute}")


_ENUM_TYPES = (
    CoordinatesAttr,
    RoundingAttr,
    SampleModeAttr,
    SamplePaddingAttr,
    RoiModeAttr,
    CompareKindAttr,
    IntegerFnAttr,
    ScatterKindAttr,
)
_ENUMS: Mapping[str, Callable[[str], Attribute]] = {
    "coordinates": lambda text: CoordinatesAttr(quant.Coordinates(text)),
    "compare": lambda text: CompareKindAttr(quant.CompareKind(text)),
    "function": lambda text: IntegerFnAttr(quant.IntegerFn(text)),
    "reduction": lambda text: ScatterKindAttr(quant.ScatterKind(text)),
    "rounding": lambda text: RoundingAttr(quant.Rounding(text)),
    "roi_mode": lambda text: RoiModeAttr(quant.RoiMode(text)),
    "mode": lambda text: SampleModeAttr(quant.SampleMode(text)),
    "padding": lambda text: SamplePaddingAttr(quant.SamplePadding(text)),
}
_FLAGS = frozenset(
    (
        "align_corners",
        "half_pixel",
        "ceil_mode",
        "count_include_pad",
        "exclusive",
        "keepdims",
        "largest",
        "reverse",
        "saturate",
    )
)


def properties(node: NodeProto) -> dict[str, Attribute]:
    """The properties that a node's attributes and name say; ValueError for one of a wrong type."""
    found = implied_properties(node.op_type)
    for attribute in node.attribute:
        name = attribute.name
        if node.op_type == "AxReshape" and name == "shape":
            continue
        kind = attribute.type
        if name in _FLAGS and kind == AttributeProto.INT:
            if attribute.i:
                found[name] = UnitAttr()
        elif name in _ENUMS and kind == AttributeProto.STRING:
            found[name] = _ENUMS[name](attribute.s.decode())
        elif kind == AttributeProto.INT:
            found[name] = integer(attribute.i)
        elif kind == AttributeProto.INTS:
            found[name] = int_array(list(attribute.ints))
        elif kind == AttributeProto.FLOAT:
            found[name] = float_number(attribute.f)
        elif kind == AttributeProto.FLOATS:
            found[name] = float_array(list(attribute.floats))
        else:
            raise ValueError(f"attribute '{name}' has a type that no operator takes")
    return found
