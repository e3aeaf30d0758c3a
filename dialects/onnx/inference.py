"""Result types of operations, from ONNX's own shape inference and the values of constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx.helper
from onnx import TensorProto
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError as OnnxInferenceError
from onnx.shape_inference import infer_node_outputs
from xdsl.dialects.builtin import DYNAMIC_INDEX, NoneType, UnrankedTensorType
from xdsl.ir import Attribute, Region, SSAValue, TypeAttribute
from xdsl.rewriter import Rewriter

from pulsar2.dialects.onnx.attributes import array_to_tensor
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.control_flow import If, Loop, Scan, yield_of
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.evaluate import IR_VERSION, EvaluationError, evaluate, runtime_types
from pulsar2.dialects.onnx.node import to_node
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.schema import IR_OPSET, onnx_schema
from pulsar2.dialects.onnx.types import (
    OptType,
    SeqType,
    element_of,
    from_type_proto,
    shape_of,
    static_shape_of,
    tensor_type,
    to_type_proto,
)
from pulsar2.weights import AnyArray, WeightStore

KNOWN_ELEMENTS = 1024
"""Tensors of up to this many elements are computed to learn a shape from their values."""

_LIKE_FIRST = frozenset(("GroupNormalization", "MeanVarianceNormalization"))
"""Operators whose result has the type of their first operand, which their schemas do not say."""

_OPSETS = [onnx.helper.make_opsetid("", IR_OPSET)]


class InferenceError(ValueError):
    """Operand types that an operator cannot take."""


class ShapeInference:
    """Infers result types, operation by operation in order.

    It remembers the value of every small tensor that follows from constants and from shapes that
    are known, because the shapes of Reshape, Slice, Resize and others follow from such values.
    """

    def __init__(self, weights: WeightStore):
        self._weights = weights
        self._known: dict[SSAValue, AnyArray] = {}

    def value(self, value: SSAValue) -> AnyArray | None:
        """The value of a small tensor, where it follows from constants; else None."""
        known = self._known.get(value)
        if known is None and isinstance(value.owner, Constant):
            shape = static_shape_of(value.type)
            if shape is not None and int(np.prod(shape, dtype=np.int64)) <= KNOWN_ELEMENTS:
                known = self._known[value] = value.owner.array(self._weights)
        return known

    def infer(self, op: OnnxOp) -> list[TypeAttribute]:
        """The types of `op`'s results, which must have inferred operands.

        A result of which nothing is known has the type it has. Raises `InferenceError`.
        """
        inferred = self._infer(op)
        return [
            old.type if new is None else refine(old.type, new)  # pyright: ignore
            for old, new in zip(op.results, inferred, strict=True)
        ]

    def update(self, op: OnnxOp) -> bool:
        """Sets the types of `op`'s results and learns their values; whether a type changed."""
        changed = False
        for result, type_ in zip(op.results, self.infer(op), strict=True):
            if result.type != type_:
                Rewriter.replace_value_with_new_type(result, type_)
                changed = True
        self._learn(op)
        return changed

    def settle(self, op: OnnxOp) -> bool:
        """As `update`, for an operation whose types were inferred before: whether a type changed.

        Types that say all there is to say stay as they are, and cost nothing.
        """
        if any(static_shape_of(result.type) is None for result in op.results):
            return self.update(op)
        self._learn(op)
        return False

    def _infer(self, op: OnnxOp) -> Sequence[TypeAttribute | None]:
        if isinstance(op, If | Loop | Scan) and len(op.regions) != (2 if isinstance(op, If) else 1):
            return [None] * len(op.results)  # which the verifier tells of
        match op:
            case If():
                branches = [yield_of(r).operand_types for r in op.regions]
                return [merge(*types) for types in zip(*branches, strict=True)]
            case Loop() | Scan():
                try:
                    return _loop_types(op) if isinstance(op, Loop) else _scan_types(op)
                except (IndexError, ValueError):
                    raise InferenceError("its body, operands and axes do not fit") from None
            case _ if op.own and (own := op.own_types()) is not None:
                return own
            case _ if op.op_type in _LIKE_FIRST and op.operands:
                return [op.operands[0].type]  # pyright: ignore
            case _ if op.regions:
                return _region_types(op.regions[0], len(op.results))
            case _:
                return self._infer_node(op)

    def _infer_node(self, op: OnnxOp) -> Sequence[TypeAttribute | None]:
        version, domain, function = IR_OPSET, "", op.op_type
        if isinstance(op, Custom):
            version, domain, function = op.version, op.domain, op.function
        schema = onnx_schema(function, version, domain)
        if schema is None or not schema.has_type_and_shape_inference_function:
            if isinstance(op, Custom):
                found = runtime_types(op, self._weights)
                return [None if t is None else from_type_proto(t) for t in found]
            return [None] * len(op.results)
        inputs = [
            "" if isinstance(v.type, NoneType) else f"i{i}" for i, v in enumerate(op.operands)
        ]
        outputs = [
            "" if isinstance(r.type, NoneType) else f"o{i}" for i, r in enumerate(op.results)
        ]
        if fatal := _fatal_attribute(op):
            raise InferenceError(fatal)
        node = to_node(op, inputs, outputs, self._weights)
        types = {n: to_type_proto(v.type) for n, v in zip(inputs, op.operands, strict=True) if n}
        data: dict[str, TensorProto] = {}
        for name, operand in zip(inputs, op.operands, strict=True):
            if name and (known := self.value(operand)) is not None:
                data[name] = array_to_tensor(name, known)
        try:
            found = infer_node_outputs(
                schema, node, types, data, opset_imports=_OPSETS, ir_version=IR_VERSION
            )
        except (OnnxInferenceError, ValidationError, RuntimeError, ValueError) as error:
            raise InferenceError(_message(error)) from None
        return [
            from_type_proto(found[n]) if n and n in found and found[n].WhichOneof("value") else None
            for n in outputs
        ]

    def _learn(self, op: OnnxOp) -> None:
        if op.op_type in ("Shape", "Size"):
            self._learn_shape(op)
            return
        if op.regions or isinstance(op, Constant | Custom) or not op.operands:
            return
        if op.spec() is None or not op.spec().deterministic:  # pyright: ignore
            return
        size = 0
        for result in op.results:
            shape = static_shape_of(result.type)
            if shape is None:
                return
            size += int(np.prod(shape, dtype=np.int64))
        if size > KNOWN_ELEMENTS:
            return
        values: list[AnyArray | None] = []
        for operand in op.operands:
            if isinstance(operand.type, NoneType):
                values.append(None)
            elif (known := self.value(operand)) is not None:
                values.append(known)
            else:
                return
        try:
            arrays = evaluate(op, values, self._weights)
        except EvaluationError:
            return
        self._known.update(zip(op.results, arrays, strict=True))

    def _learn_shape(self, op: OnnxOp) -> None:
        shape = static_shape_of(op.operands[0].type)
        if shape is None:
            return
        if op.op_type == "Size":
            array = np.array(int(np.prod(shape, dtype=np.int64)), dtype=np.int64)
        else:
            array = np.array(shape[op.value_of("start") : op.value_of("end")], dtype=np.int64)
        self._known[op.result] = array


def _fatal_attribute(op: OnnxOp) -> str:
    """What is wrong with an attribute that ONNX's inference takes for a place in memory, or ''.

    It reads or writes past the end of a list, and may end the process.
    """
    parts, dims = op.value_of("num_outputs"), op.value_of("batch_dims")
    if op.op_type == "Split" and parts not in (None, len(op.results)):
        return f"num_outputs is {parts}, but it has {len(op.results)} outputs"
    if op.op_type == "GatherND" and dims is not None and dims < 0:
        return f"batch_dims is {dims}, and cannot be negative"
    return ""


def _message(error: Exception) -> str:
    return str(error).removeprefix("[ShapeInferenceError] ").removeprefix("[TypeInferenceError] ")


def _region_types(region: Region, count: int) -> Sequence[TypeAttribute | None]:
    """The types of an operator that maps its body over sequences."""
    values = yield_of(region).operands
    return [SeqType(v.type) for v in values][:count]  # pyright: ignore


def _loop_types(op: Loop) -> Sequence[TypeAttribute | None]:
    carried = len(op.carried)
    yielded = yield_of(op.regions[0]).operand_types[1:]
    types: list[TypeAttribute | None] = [
        merge(start.type, end) for start, end in zip(op.carried, yielded[:carried], strict=True)
    ]
    return types + [_stacked(t, DYNAMIC_INDEX, 0) for t in yielded[carried:]]


def _scan_types(op: Scan) -> Sequence[TypeAttribute | None]:
    states = len(op.operands) - op.num_scan_inputs
    yielded = yield_of(op.regions[0]).operand_types
    shapes = [shape_of(v.type) for v in op.operands[states:]]
    axes = op.value_of("scan_input_axes") or (0,) * len(shapes)
    trips = [s[a] for s, a in zip(shapes, axes, strict=True) if s is not None]
    length = next((t for t in trips if t != DYNAMIC_INDEX), DYNAMIC_INDEX)
    outputs = yielded[states:]
    places = op.value_of("scan_output_axes") or (0,) * len(outputs)
    types: list[TypeAttribute | None] = [
        merge(start.type, end)
        for start, end in zip(op.operands[:states], yielded[:states], strict=True)
    ]
    return types + [_stacked(t, length, a) for t, a in zip(outputs, places, strict=True)]


def _stacked(type_: Attribute, length: int, axis: int) -> TypeAttribute | None:
    """The type of `length` tensors of a type along a new axis."""
    element, shape = element_of(type_), shape_of(type_)
    if element is None:
        return None
    if shape is None:
        return UnrankedTensorType(element)  # pyright: ignore
    axis = axis + len(shape) + 1 if axis < 0 else axis
    return tensor_type(element, (*shape[:axis], length, *shape[axis:]))  # pyright: ignore


def merge(a: Attribute, b: Attribute) -> TypeAttribute | None:
    """The most exact type that holds values of both types; None if they have nothing in common."""
    if a == b:
        return a  # pyright: ignore
    if isinstance(a, OptType | SeqType) and type(a) is type(b):
        element = merge(a.element, b.element)  # pyright: ignore
        return None if element is None else type(a)(element)
    element = element_of(a)
    if element is None or element != element_of(b):
        return None
    left, right = shape_of(a), shape_of(b)
    if left is None or right is None or len(left) != len(right):
        return UnrankedTensorType(element)  # pyright: ignore
    shape = tuple(m if m == n else DYNAMIC_INDEX for m, n in zip(left, right, strict=True))
    return tensor_type(element, shape)  # pyright: ignore


def refine(old: Attribute, new: TypeAttribute) -> TypeAttribute:
    """`new`, with what only `old` knows of the shape filled in.

    Where the two contradict each other, `new` holds.
    """
    before, after, element = shape_of(old), shape_of(new), element_of(new)
    if before is None or element is None or element_of(old) != element:
        return new
    if after is None:
        return old  # pyright: ignore
    if DYNAMIC_INDEX not in after or len(before) != len(after):
        return new
    shape = tuple(m if n == DYNAMIC_INDEX else n for m, n in zip(before, after, strict=True))
    return tensor_type(element, shape)  # pyright: ignore
