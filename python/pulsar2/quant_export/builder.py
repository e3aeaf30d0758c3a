"""Nodes and initializers of an exported model, and the steps that all operators are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import Attribute, Operation, SSAValue

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.types import element_of, to_type_proto
from pulsar2.dialects.quant import ConstantOp
from pulsar2.dialects.quant.types import (
    QuantizedType,
    UniformPerAxisType,
    UniformType,
    element_type,
    quant_parameters,
    quantized_of,
    shape_of,
    storage_dtype,
    uniform_of,
)
from pulsar2.frontend.emit import GraphExporter
from pulsar2.locations import tensor_name, unique_name
from pulsar2.weights import WeightStore

AnyArray = npt.NDArray[Any]

Form = Literal["integer", "linear", "float"]
"""How a model is written: integer operators with each rounding spelled out, QLinear operators where
they exist, or float operators between QuantizeLinear and DequantizeLinear."""


_SAFE_STEPS = 2.0**30


class ModelBuilder:
    """Builds the graph of one exported model; tensors go by their names."""

    def __init__(self, form: Form, weights: WeightStore):
        self.form = form
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.names: dict[SSAValue, str] = {}
        self._taken: set[str] = set()
        self._node_names: set[str] = set()
        self._onnx = GraphExporter(weights, self.names, self._taken, node_names=self._node_names)
        self._floats: dict[SSAValue, str] = {}

    def unique(self, name: str) -> str:
        """`name`, or with a number behind it where it is taken."""
        return unique_name(name, self._taken)

    def constant(self, array: AnyArray, name: str) -> str:
        """An initializer; the name it got."""
        made = self.unique(name)
        self.initializers[made] = numpy_helper.from_array(np.asarray(array, order="C"), made)
        return made

    def reserve(self, name: str, value: SSAValue) -> None:
        """Keeps a name from all nodes until it is released, but for `value` if that is its own."""
        self._taken.add(name)
        if tensor_name(value) == name and not isinstance(value.owner, ConstantOp):
            self.names.setdefault(value, name)

    def release(self, name: str) -> None:
        self._taken.discard(name)

    def node(self, op_type: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node of one output; the output's name, which is unique already or made so."""
        output = name if name not in self._taken else self.unique(name)
        self._taken.add(output)
        self._append(op_type, inputs, [output], output, attributes)
        return output

    def second(self, op_type: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node of two outputs, of which the second is wanted: its name."""
        outputs = [self.unique(f"{name}/first"), self.unique(name)]
        self._append(op_type, inputs, outputs, outputs[1], attributes)
        return outputs[1]

    def _append(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str,
        attributes: Mapping[str, Any],
    ) -> None:
        made = unique_name(name, self._node_names)
        self.nodes.append(helper.make_node(op_type, inputs, outputs, name=made, **attributes))

    def keep(self, op: OnnxOp) -> None:
        """The nodes of an operation that is ONNX's own, on tensors as they are."""
        graph = GraphProto()
        self._onnx.append(op, graph)
        self.nodes.extend(graph.node)
        self.initializers |= {t.name: t for t in graph.initializer}

    def result_name(self, value: SSAValue) -> str:
        """The name under which the tensor `value` is made, known from now on."""
        name = self.names.get(value) or self.unique(tensor_name(value) or "tensor")
        self.release(name)  # the node that makes it takes it
        self.names[value] = name
        return name

    def stored(self, value: SSAValue) -> str:
        """The tensor of the stored elements of `value`: integers, or f32."""
        owner = value.owner
        if value not in self.names and isinstance(owner, ConstantOp):
            self.names[value] = self.constant(
                owner.array(self.weights), tensor_name(value) or "constant"
            )
        return self.names[value]

    def runnable(self, value: SSAValue) -> str:
        """The stored elements, in a type for which ONNX Runtime has operators.

        It has few for 16-bit integers, so in a model of float operators these are f32, exactly.
        """
        name = self.stored(value)
        if self.form != "float" or storage_dtype(value.type).itemsize != 2:
            return name
        return self.cast(name, np.float32, self.unique(f"{name}/f32"))

    def array(self, value: SSAValue) -> AnyArray | None:
        """The stored elements of a constant, or None for what is computed."""
        owner = value.owner
        return owner.array(self.weights) if isinstance(owner, ConstantOp) else None

    def real(self, value: SSAValue) -> str:
        """The tensor of the numbers that `value` stands for, f32: dequantized where it must be."""
        if isinstance(element_type(value), Float32Type):
            return self.stored(value)
        if value not in self._floats:
            type_ = element_type(value)
            name = self.stored(value)
            inputs = [name, *self.parameters_of(value)]
            attributes = {"axis": type_.axis} if isinstance(type_, UniformPerAxisType) else {}
            output = f"{name}_real"
            self._floats[value] = self.node("DequantizeLinear", inputs, output, **attributes)
        return self._floats[value]

    def magnitude(self, value: SSAValue) -> float:
        """The greatest magnitude that a tensor's type can hold; infinite for f32."""
        type_ = uniform_of(value)
        if type_ is None:
            return float("inf")
        steps = max(abs(bound - type_.zero_point) for bound in type_.bounds)
        return steps * float(type_.scale)

    def parameters_of(self, value: SSAValue) -> list[str]:
        """Scale and zero point of a quantized tensor as initializers."""
        type_ = quantized_of(value)
        assert type_ is not None
        return self.parameters(type_, self.stored(value))

    def parameters(self, type_: QuantizedType, name: str) -> list[str]:
        """Scale and zero point of a type as initializers (an S32's zero point is left out)."""
        scales, points = quant_parameters(type_, self.weights)
        if isinstance(type_, UniformType):
            scales, points = scales.reshape(()), points.reshape(())
        made = [self.constant(scales, f"{name}_scale")]
        if storage_dtype(type_).itemsize < 4:
            made.append(self.constant(points.astype(storage_dtype(type_)), f"{name}_zero_point"))
        return made

    def finish_real(
        self,
        value: SSAValue,
        real: str,
        clamp: tuple[int, int] | None = None,
        *,
        limit: float = 0.0,
    ) -> None:
        """Makes `value` of f32 numbers: `sat(rne(v / s) + z)`, clamped, or themselves if it is f32.

        The numbers are at most `limit` in magnitude. Where the quotient could leave 32 bits they
        are clipped before, since QuantizeLinear may be computed with 32-bit integers.
        """
        type_ = uniform_of(value)
        output = self.result_name(value)
        if type_ is None:
            self.node("Identity", [real], output)
            return
        if clamp is not None and self.form == "float":
            real = self._clip_real(real, type_, clamp, f"{output}/clip")
            clamp = None
        elif limit / float(type_.scale) > _SAFE_STEPS:
            least, greatest = type_.bounds
            wide = (least - 1, greatest + 1)
            real = self._clip_real(real, type_, wide, f"{output}/bounded")
        if type_.storage.width.data == 4:
            scale = self.constant(np.asarray(type_.scale, np.float32), f"{output}_scale")
            steps = self.node("Div", [real, scale], f"{output}/steps")
            self._round(steps, type_, clamp, output)
            return
        steps_name = output if clamp is None else f"{output}/unclamped"
        made = self.node("QuantizeLinear", [real, *self.parameters(type_, output)], steps_name)
        if clamp is not None:
            self.clip(made, clamp, type_, output)

    def finish_steps(
        self, value: SSAValue, steps: str, clamp: tuple[int, int] | None = None
    ) -> None:
        """Makes `value` of f32 numbers in units of its scale: `sat(rne(steps) + z)`, clamped."""
        type_ = uniform_of(value)
        assert type_ is not None
        self._round(steps, type_, clamp, self.result_name(value))

    def _round(
        self, steps: str, type_: UniformType, clamp: tuple[int, int] | None, output: str
    ) -> None:
        rounded = self.node("Round", [steps], f"{output}/rounded")
        if type_.zero_point:
            zero = self.constant(np.asarray(type_.zero_point, np.float32), f"{output}/zero_point")
            rounded = self.node("Add", [rounded, zero], f"{output}/shifted")
        bounds = [
            self.constant(np.asarray(b, np.float32), f"{output}/{what}")
            for b, what in zip(clamp or type_.bounds, ("least", "greatest"), strict=True)
        ]
        clipped = self.node("Clip", [rounded, *bounds], f"{output}/clipped")
        to = helper.np_dtype_to_tensor_dtype(storage_dtype(type_))
        self.node("Cast", [clipped], output, to=to)

    def clip(self, name: str, clamp: tuple[int, int], type_: UniformType, output: str) -> str:
        """The stored integers `name` of `type_` within `clamp`."""
        bounds = [
            self.constant(np.asarray(bound, storage_dtype(type_)), f"{output}/{what}")
            for bound, what in zip(clamp, ("least", "greatest"), strict=True)
        ]
        return self.node("Clip", [name, *bounds], output)

    def _clip_real(self, real: str, type_: UniformType, clamp: tuple[int, int], name: str) -> str:
        bounds = [
            self.constant(
                np.asarray(np.float32(bound - type_.zero_point) * type_.scale), f"{name}/{what}"
            )
            for bound, what in zip(clamp, ("least", "greatest"), strict=True)
        ]
        return self.node("Clip", [real, *bounds], name)

    def cast(self, name: str, dtype: Any, output: str) -> str:
        """The tensor converted to a numpy dtype."""
        return self.node(
            "Cast", [name], output, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        )


Emit = Mapping[type[Operation], Any]
"""How each operation of a family is exported: a function of the operation and the builder."""


def value_info(name: str, type_: Attribute) -> ValueInfoProto:
    """What a file says of a tensor: of a quantized one the type of its stored elements."""
    element = element_of(type_)
    if isinstance(element, UniformType | UniformPerAxisType):
        dtype = helper.np_dtype_to_tensor_dtype(storage_dtype(type_))
        return helper.make_tensor_value_info(name, dtype, shape_of(type_))
    return ValueInfoProto(name=name, type=to_type_proto(type_))
