"""The base of every `onnx` operation, and the descriptors that give its parts names and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from xdsl.dialects.builtin import LocationAttr, NoneType
from xdsl.ir import (
    Attribute,
    Operation,
    OpResult,
    OpTraits,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import OpTrait, Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.attributes import AttributeValue, from_attribute, to_attribute
from pulsar2.dialects.onnx.schema import OpSpec, op_spec
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.dialects.onnx.verify import schema_violations

if TYPE_CHECKING:
    from pulsar2.dialects.onnx.builder import OpBuilder

T = TypeVar("T")

NO_TRAITS = OpTraits(tuple[OpTrait, ...])
PURE = OpTraits(lambda: (Pure(),))
"""The traits of a deterministic operator: equal operands and attributes give equal results."""

_ALONG_AXIS = frozenset(
    (
        *("ArgMax", "ArgMin", "Concat", "Gather", "GatherElements", "Hardmax", "LogSoftmax"),
        *("LayerNormalization", "LpNormalization", "RMSNormalization", "ScatterElements"),
        *("Softmax", "Split", "TopK"),
    )
)
"""Operators that work along `axis` of their first operand; ONNX's inference does not ask each."""


class OnnxOp(Operation):
    """An operator of ONNX.

    ```
    %y = onnx.Conv(%x, %w) {group = 1 : i64} : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x8x8xf32>
    %b = onnx.Constant {value = dense<1.0> : tensor<f32>} : tensor<f32>
    ```

    Operands and results are ONNX's, in order. An optional input that is left out is the result of
    `onnx.NoValue` before another input, and nothing at the end; an optional output that is left out
    has type `none`. A graph attribute is a region, ended by `onnx.Yield`.
    """  # noqa: E501

    traits = NO_TRAITS
    name = "onnx."
    op_type: ClassVar[str] = ""
    """The name of the operator; '' for an operation that computes nothing."""
    own: ClassVar[bool] = False
    """Whether the operator is the dialect's own, and none of ONNX's."""

    def __init__(
        self,
        operands: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        regions: Sequence[Region] = (),
        location: LocationAttr | None = None,
    ):
        """`attributes` may be Python values; one that is None is left out."""
        super().__init__(
            operands=operands,
            result_types=result_types,
            attributes=self.typed_attributes(attributes or {}),
            regions=regions,
            location=location,
        )

    @classmethod
    def typed_attributes(cls, attributes: Mapping[str, AttributeValue]) -> dict[str, Attribute]:
        """The IR attributes of Python values, by the types that the schema gives them."""
        spec = cls.spec()
        known = spec.attributes if spec is not None else {}
        return {
            name: to_attribute(value, known[name].kind if name in known else None)
            for name, value in attributes.items()
            if value is not None
        }

    @classmethod
    def spec(cls) -> OpSpec | None:
        """What ONNX says of the operator; None for an operation that is the dialect's own."""
        return op_spec(cls.op_type) if cls.op_type and not cls.own else None

    def value_of(self, name: str) -> Any:
        """The Python value of an attribute, or ONNX's default, or None when there is neither."""
        attribute = self.attributes.get(name)
        if attribute is not None:
            return from_attribute(attribute)
        spec = self.spec()
        known = spec.attributes.get(name) if spec is not None else None
        return known.default if known is not None else None

    def operand(self, index: int) -> SSAValue | None:
        """Operand `index`, or None where it is left out."""
        if index >= len(self._operands):
            return None
        value = self._operands[index]
        return None if isinstance(value.type, NoneType) else value

    @property
    def result(self) -> OpResult:
        """The first result."""
        return self.results[0]

    def verify_(self) -> None:
        spec = self.spec()
        if spec is not None:
            wrong = list(
                schema_violations(
                    spec,
                    self.operand_types,
                    self.result_types,
                    self.attributes,
                    len(self.regions),
                )
            )
            if wrong:
                raise VerifyException(f"{self.name} " + "; ".join(wrong))
        if self.op_type in _ALONG_AXIS:
            self._verify_axis()
        self.verify_structure()

    def _verify_axis(self) -> None:
        shape, axis = shape_of(self._operands[0].type), self.value_of("axis")
        if shape is not None and axis is not None and not -len(shape) <= axis < len(shape):
            raise VerifyException(
                f"{self.name} works along axis {axis} of a tensor of {len(shape)} dimensions"
            )

    def own_types(self) -> Sequence[TypeAttribute] | None:
        """The result types of an operation that is the dialect's own; None: they are not known."""
        return None

    def expansion(self, builder: OpBuilder) -> SSAValue | None:
        """The result of an operation that is the dialect's own, built of ONNX's operators.

        None when it has no such form, or is ONNX's operator itself.
        """
        return None

    def verify_structure(self) -> None:
        """What the schema cannot say of this operator; raises `VerifyException`."""

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        position = parser.pos
        unresolved = parser.parse_optional_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_unresolved_operand
        )
        regions = parser.parse_region_list()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        if unresolved is None:
            return cls.create(
                result_types=[parser.parse_type()], attributes=attributes, regions=regions
            )
        type_ = parser.parse_function_type()
        operands = parser.resolve_operands(unresolved, type_.inputs.data, position)
        return cls.create(
            operands=operands,
            result_types=type_.outputs.data,
            attributes=attributes,
            regions=regions,
        )

    def print(self, printer: Printer) -> None:
        short = not self._operands and not self.regions and len(self.results) == 1
        if not short:
            with printer.in_parens():
                printer.print_list(self._operands, printer.print_ssa_value)
        printer.print_regions(self.regions)
        printer.print_op_attributes(dict(sorted(self.attributes.items())))
        printer.print_string(" : ")
        if short:
            printer.print_attribute(self.results[0].type)
        else:
            printer.print_function_type(self.operand_types, self.result_types)


class Input:
    """A required operand of an operation class."""

    def __init__(self, index: int):
        self.index = index

    @overload
    def __get__(self, op: None, owner: type[OnnxOp]) -> Self: ...
    @overload
    def __get__(self, op: OnnxOp, owner: type[OnnxOp]) -> SSAValue: ...
    def __get__(self, op: OnnxOp | None, owner: type[OnnxOp]) -> Self | SSAValue:
        return self if op is None else op.operands[self.index]


class OptionalInput:
    """An optional operand of an operation class: None where it is left out."""

    def __init__(self, index: int):
        self.index = index

    @overload
    def __get__(self, op: None, owner: type[OnnxOp]) -> Self: ...
    @overload
    def __get__(self, op: OnnxOp, owner: type[OnnxOp]) -> SSAValue | None: ...
    def __get__(self, op: OnnxOp | None, owner: type[OnnxOp]) -> Self | SSAValue | None:
        return self if op is None else op.operand(self.index)


class Attr(Generic[T]):
    """An attribute of an operation class as a Python value, ONNX's default where it is absent.

    An attribute that has no default and may be absent is an `Attr[T | None]`.
    """

    def __init__(self, name: str):
        self.name = name

    @overload
    def __get__(self, op: None, owner: type[OnnxOp]) -> Self: ...
    @overload
    def __get__(self, op: OnnxOp, owner: type[OnnxOp]) -> T: ...
    def __get__(self, op: OnnxOp | None, owner: type[OnnxOp]) -> Self | T:
        return self if op is None else op.value_of(self.name)
