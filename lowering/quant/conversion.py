"""The state of one conversion from `onnx` to `quant`: what rules emit into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import Float32Type, LocationAttr, TensorType, f32, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from pulsar2.dialects import quant
from pulsar2.dialects.onnx import OnnxOp, op_class
from pulsar2.dialects.onnx.constant import Constant, NoValue
from pulsar2.dialects.onnx.control_flow import used_values
from pulsar2.dialects.onnx.elementwise import Relu
from pulsar2.dialects.onnx.types import dtype_of, element_of
from pulsar2.dialects.quant.integer import is_plain
from pulsar2.dialects.quant.types import UniformType, element_type, shape_of, storage_dtype
from pulsar2.locations import name_location, node_name, tensor_name, unique_name
from pulsar2.lowering.quant.parameters import (
    STORAGES,
    WeightOptions,
    constant_type,
    quantize,
    quantize_number,
    saturated,
)
from pulsar2.lowering.quant.placement import mark_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.ranges import RANGES
from pulsar2.lowering.quant.rules.base import (
    constant_of,
    is_constant,
    is_constant_op,
    is_float,
    plain_type,
)
from pulsar2.lowering.quant.rules.weight_scales import BIAS_SHIFTS, WEIGHT_SCALES
from pulsar2.lowering.quant.support import Refusal
from pulsar2.weights import AnyArray, WeightStore


class Conversion:
    """Builds the quantized block of one function.

    `bias_type` is the data type of biases, S32 or FP32; `scale_type` is that of the scales of layer
    normalizations. `op` is the operator that is being converted.
    """

    op: OnnxOp

    def __init__(
        self,
        plan: QuantPlan,
        block: Block,
        *,
        bias_type: str = "S32",
        weight_options: WeightOptions,
        scale_type: Literal["FP32", "S32", "U32"] = "FP32",
        renamed: dict[SSAValue, str] | None = None,
    ):
        self.plan = plan
        self.weights: WeightStore = plan.weights
        self.block = block
        self.bias_type = bias_type
        self.weight_options = weight_options
        self.scale_type: Literal["FP32", "S32", "U32"] = scale_type
        self._renamed = renamed or {}
        self._bound: dict[SSAValue, SSAValue] = {}
        self._plain: dict[SSAValue, SSAValue] = {}
        self._cast: dict[tuple[SSAValue, Attribute], SSAValue] = {}
        self._names = {tensor_name(a) for a in plan.func.args}
        for op in plan.ops():
            self._names |= {node_name(op), *map(tensor_name, op.results)}

    def bind(self, value: SSAValue, new: SSAValue) -> None:
        """Says that `new` is the quantized form of the float graph's `value`."""
        self._bound[value] = new

    def bound(self, value: SSAValue) -> SSAValue:
        """The quantized form of a tensor as it was bound, in whatever quantization."""
        return self._bound[value]

    def name_of(self, value: SSAValue) -> str:
        """The name of the quantized form of a tensor.

        It is the float tensor's own, unless the float tensor is still there under that name.
        """
        return self._renamed.get(value) or tensor_name(value)

    def location(self, op: OnnxOp, value: SSAValue | None = None) -> LocationAttr:
        """The location of what computes `value` (by default all results of `op`) for `op`."""
        values = op.results if value is None else (value,)
        return name_location(node_name(op), [self.name_of(v) for v in values])

    def part_location(self, op: OnnxOp, part: str) -> LocationAttr:
        """The location of an operation that `op` needs besides its own: `node/part`."""
        name = f"{node_name(op)}/{part}"
        return name_location(name, [name])

    def emit(self, op: Operation, location: LocationAttr) -> SSAValue:
        """Adds an operation at the end of the block and gives its first result."""
        op.location = location
        self.block.add_op(op)
        return op.results[0]

    def keep(self, op: OnnxOp) -> None:
        """Puts `op`, which runs on the CPU, into the new block as it is.

        It takes f32 tensors as f32, and constants as they are.
        """
        forms = {value: self.plain(value) for value in used_values(op)}
        kept = op.clone(dict(forms))
        for decided in (RANGES, WEIGHT_SCALES, BIAS_SHIFTS):
            kept.attributes.pop(decided, None)
        self.block.add_op(kept)
        for value, new in zip(op.results, kept.results, strict=True):
            new.name_hint = value.name_hint
            self.bind(value, new)

    def plain(self, value: SSAValue) -> SSAValue:
        """A tensor or constant as the float graph has it."""
        owner = value.owner
        if is_constant_op(owner):
            if value not in self._plain:
                self._plain[value] = self._copy_constant(value)
            return self._plain[value]
        bound = self._bound[value]
        element = element_of(value.type)
        if bound.type == value.type or element is None:
            return bound
        if _is_number_of(bound, value):
            if value not in self._plain:
                self._plain[value] = self._stored_integers(value, bound)
            return self._plain[value]
        return self.cast(bound, element, tensor_name(value))

    def _stored_integers(self, value: SSAValue, bound: SSAValue) -> SSAValue:
        """The integers that the float graph has as such, and the NPU as the numbers they stand for.

        The CPU makes them of the numbers, which gives the same integers.
        """
        type_, element, cls = (
            element_type(bound),
            element_of(value.type),
            op_class("QuantizeLinear"),
        )
        assert isinstance(type_, UniformType)
        assert element is not None
        assert cls is not None
        location = self._cast_location(tensor_name(value), "integers")
        parameters = (np.float32(type_.scale), np.asarray(type_.zero_point, dtype_of(element)))
        constants = [Constant.of(np.asarray(p), self.weights, location) for p in parameters]
        self.block.add_ops(constants)
        operands = [self.cast(bound, f32, tensor_name(value)), *(c.result for c in constants)]
        made = cls(operands, [value.type], location=location)
        mark_cpu(made, Refusal("neighbour", "it makes integers for what computes with them"))
        self.block.add_op(made)
        return made.results[0]

    def _copy_constant(self, value: SSAValue) -> SSAValue:
        """An `onnx` constant of what `value` is; nothing where it stands for nothing."""
        owner = value.owner
        assert isinstance(owner, OnnxOp)
        if isinstance(owner, Constant | NoValue):
            copy = owner.clone()
        else:
            array = constant_of(value, self.weights)
            assert array is not None
            copy = Constant.of(array, self.weights, owner.location)
        self.block.add_op(copy)
        return copy.results[0]

    def finish(self, op: OnnxOp, made: Operation, value: SSAValue | None = None) -> None:
        """Adds the operation that computes `value` (by default the result) for `op`.

        An activation that is fused into `op` bounds stored integers, so on an FP32 result it is an
        operation of its own.
        """
        value = self.plan.result(op) if value is None else value
        fusion = self.plan.fusion(op)
        activation = fusion.activation
        if activation is None or element_type(made.results[0]) != f32:
            self.bind(value, self.emit(made, self.location(op, value)))
            return
        linear = self.emit(made, self.location(op, (fusion.bias or op).results[0]))
        low, high = self.plan.bounds(op)
        fn = quant.UnaryFn.RELU if isinstance(activation, Relu) else quant.UnaryFn.CLIP
        bounds = {} if fn is quant.UnaryFn.RELU else {"alpha": low, "beta": high}
        clipped = quant.UnaryOp(fn, linear, linear.type, **bounds)
        self.bind(value, self.emit(clipped, self.location(activation, value)))

    def type_of(self, value: SSAValue) -> TensorType:
        """The tensor type of the quantized form of `value`."""
        return TensorType(self.plan.element_type(value), shape_of(value.type))

    def operand(self, value: SSAValue) -> SSAValue:
        """The quantized (or FP32) form of a tensor or constant, in its own quantization."""
        if is_constant(value) and is_float(value):
            return self.operand_as(value, self.plan.constant_type(value, self.op))
        return self.operand_as(value, plain_type(value) or self.plan.element_type(value))

    def factor(self, value: SSAValue) -> SSAValue:
        """The form of a tensor (or constant) that the operator, a sum of products, reads."""
        if is_constant(value):
            return self.operand(value)
        return self.operand_as(value, self.plan.factor_type(value, self.op))

    def operand_as(self, value: SSAValue, type_: Attribute) -> SSAValue:
        """The form of a tensor or constant with elements of `type_`, cast where it is another."""
        array = constant_of(value, self.weights)
        if array is not None:
            return self._constant_form(value, array, type_)
        bound = self._bound[value]
        if _is_number_of(bound, value):
            bound = self.plain(value)
        return self.cast(bound, type_, tensor_name(value))

    def cast(self, value: SSAValue, type_: Attribute, name: str) -> SSAValue:
        """`value` in elements of `type_`, quantized, dequantized or requantized if need be."""
        present = element_type(value)
        if present == type_:
            return value
        key = (value, type_)
        if key not in self._cast:
            result = TensorType(type_, shape_of(value))
            if is_plain(type_) or type_ == i64:
                made, kind = quant.CastOp(value, result, saturate=True), "Cast"
            elif isinstance(present, Float32Type):
                made, kind = quant.QCastOp(value, result), "QuantizeLinear"
            elif isinstance(type_, Float32Type):
                made, kind = quant.DCastOp(value, result), "DequantizeLinear"
            else:
                made, kind = quant.RequantizeOp(value, result), "Requantize"
            self._cast[key] = self.emit(made, self._cast_location(name, kind))
        return self._cast[key]

    def _cast_location(self, name: str, kind: str, result: str = "") -> LocationAttr:
        """The location of what casts the tensor `name`, which may be cast to several types.

        Its own tensor has the node's name, or the name `result`.
        """
        node = unique_name(f"{name}_{kind}", self._names)
        return name_location(node, [result or node])

    def constant(self, array: AnyArray, type_: Attribute, name: str) -> SSAValue:
        """A constant of stored elements `array` and element type `type_`."""
        made = quant.ConstantOp.of(array, type_, self.weights)
        return self.emit(made, name_location(name, [name]))

    def float_constant(
        self,
        array: AnyArray,
        name: str,
        like: SSAValue | None = None,
        storages: Mapping[str, str] = STORAGES,
    ) -> SSAValue:
        """An f32 constant, quantized with the storage of the operator's data type.

        It stays f32 if `like` is. `storages` are those of the data types.
        """
        values = np.asarray(array, np.float32)
        if like is not None and isinstance(element_type(like), Float32Type):
            return self.constant(values, f32, name)
        asked = self.plan.op_data_type(self.op)
        type_ = constant_type(values, storages.get(asked, "u8"))
        return self.constant(quantize(values, type_), type_, name)

    def _constant_form(self, value: SSAValue, array: AnyArray, type_: Attribute) -> SSAValue:
        key = (value, type_)
        if key not in self._cast:
            if is_plain(type_):
                stored = saturated(array, type_)
            else:
                values = array.astype(np.float32)
                stored = quantize(values, type_) if isinstance(type_, UniformType) else values
            self._cast[key] = self.constant(stored, type_, tensor_name(value))
        return self._cast[key]

    def plain_constant(self, values: npt.ArrayLike, like: SSAValue, name: str) -> SSAValue:
        """A constant of integers of the type that the plain tensor `like` has."""
        type_ = element_type(like)
        return self.constant(np.asarray(values, storage_dtype(type_)), type_, name)

    def clamp(self, op: OnnxOp, value: SSAValue) -> tuple[int, int] | None:
        """The bounds, in stored integers of `value`, of the activation fused into `op`.

        None where none is fused or it bounds nothing that the storage does not bound already.
        """
        activation = self.plan.fusion(op).activation
        type_ = self.plan.element_type(value)
        if activation is None or not isinstance(type_, UniformType):
            return None
        low, high = self.plan.bounds(op)
        clamp = quantize_number(low, type_), quantize_number(high, type_)
        return None if clamp == type_.bounds else clamp

    def outputs(self, values: Sequence[SSAValue], names: Sequence[str]) -> list[SSAValue]:
        """The graph's outputs as FP32, dequantized by `<name>_DequantizeLinear` where need be.

        Integers and truth values have the float graph's type: those that were held in 32 bits are
        widened by `<name>_Cast`. A constant is given out by an Identity on the CPU.
        """
        results: list[SSAValue] = []
        for value, name in zip(values, names, strict=True):
            if is_constant(value):
                results.append(self._constant_output(value, name))
                continue
            bound = self.bound(value)
            narrow = bound.type != value.type
            if element_of(value.type) is None:
                pass  # a sequence, which the CPU made
            elif is_plain(element_type(bound)) and (narrow or tensor_name(bound) != name):
                made = quant.CastOp(bound, value.type)
                bound = self.emit(made, self._cast_location(name, "Cast", name))
            elif is_float(value) and narrow:
                made = quant.DCastOp(bound, TensorType(f32, shape_of(bound)))
                bound = self.emit(made, self._cast_location(name, "DequantizeLinear", name))
            results.append(bound)
        return results

    def _constant_output(self, value: SSAValue, name: str) -> SSAValue:
        cls = op_class("Identity")
        assert cls is not None
        made = cls([self.plain(value)], [value.type], location=name_location(name, [name]))
        mark_cpu(made, Refusal("neighbour", "it gives out a constant"))
        self.block.add_op(made)
        return made.result


def _is_number_of(bound: SSAValue, value: SSAValue) -> bool:
    """Whether the NPU has the integers `value` as the numbers that they stand for."""
    return not is_float(value) and isinstance(element_type(bound), UniformType)
