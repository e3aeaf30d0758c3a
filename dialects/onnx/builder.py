"""Builds `onnx` operations with inferred result types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xdsl.dialects.builtin import LocationAttr, NoneType, UnrankedTensorType, f32
from xdsl.ir import Attribute, Operation, Region, SSAValue

from pulsar2.dialects.onnx import op_class
from pulsar2.dialects.onnx.attributes import AttributeValue
from pulsar2.dialects.onnx.constant import Constant, NoValue
from pulsar2.dialects.onnx.inference import ShapeInference
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import element_of
from pulsar2.weights import AnyArray, WeightStore


def unknown_type(operands: Sequence[SSAValue]) -> UnrankedTensorType[Attribute]:
    """A stand-in for a type that nothing is known of: of the first operand's element type."""
    for operand in operands:
        if (element := element_of(operand.type)) is not None:
            return UnrankedTensorType(element)
    return UnrankedTensorType(f32)


class OpBuilder:
    """Makes operations one after the other and hands each to `emit`, which puts it in its place.

    A pattern's `emit` is the `append` of a list of new operations, a block's is its `add_op`.
    """

    def __init__(
        self,
        weights: WeightStore,
        emit: Callable[[Operation], object],
        *,
        inference: ShapeInference | None = None,
        location: LocationAttr | None = None,
    ):
        self.weights = weights
        self.inference = inference if inference is not None else ShapeInference(weights)
        self._emit = emit
        self._location = location

    def op(
        self,
        op_type: str,
        operands: Sequence[SSAValue | None],
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        result_types: Sequence[Attribute] | None = None,
        regions: Sequence[Region] = (),
        location: LocationAttr | None = None,
    ) -> OnnxOp:
        """An operation of ONNX's default domain; None stands for an operand that is left out.

        Without `result_types` it has one result. In either case the types are inferred; those given
        stay where inference says nothing. Raises `InferenceError` (the operation is emitted all the
        same) where the operands do not fit, `KeyError` for an unknown operator.
        """
        cls = op_class(op_type)
        if cls is None:
            raise KeyError(op_type)
        values = self.operands(operands)
        types = [unknown_type(values)] if result_types is None else result_types
        made = cls.create(
            operands=values,
            result_types=types,
            attributes=cls.typed_attributes(attributes or {}),
            regions=regions,
            location=location or self._location,
        )
        return self.add(made)

    def add(self, made: OnnxOp) -> OnnxOp:
        """Emits an operation made elsewhere and infers its result types."""
        self._emit(made)
        self.inference.update(made)
        return made

    def operands(self, operands: Sequence[SSAValue | None]) -> list[SSAValue]:
        """The operands with `onnx.NoValue` for None, none of them at the end."""
        given = list(operands)
        while given and (given[-1] is None or isinstance(given[-1].type, NoneType)):
            given.pop()
        return [self._no_value() if v is None else v for v in given]

    def _no_value(self) -> SSAValue:
        made = NoValue(location=self._location)
        self._emit(made)
        return made.result

    def constant(self, array: AnyArray, location: LocationAttr | None = None) -> SSAValue:
        """The value of an `onnx.Constant`."""
        made = Constant.of(array, self.weights, location or self._location)
        self._emit(made)
        return made.result
