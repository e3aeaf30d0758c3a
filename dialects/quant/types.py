"""Element types of quantized tensors, in upstream MLIR's spelling.

A number of such a type stands for `scale * (stored - zero_point)`. The scale is an f32, held and
written so that the text gives back the same 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    DenseArrayBase,
    Float32Type,
    FloatData,
    IntAttr,
    IntegerType,
    NoneAttr,
    Signedness,
    TensorType,
    f32,
    i32,
)
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.ax import INLINE_ELEMENTS, WeightAttr, element_type_of
from pulsar2.weights import WeightStore

F32Array = npt.NDArray[np.float32]
I32Array = npt.NDArray[np.int32]

_UNSIGNED = Signedness.UNSIGNED
STORAGE_TYPES: dict[str, IntegerType] = {
    "u4": IntegerType(4, _UNSIGNED),
    "i4": IntegerType(4),
    "u8": IntegerType(8, _UNSIGNED),
    "i8": IntegerType(8),
    "u16": IntegerType(16, _UNSIGNED),
    "i16": IntegerType(16),
    "i32": IntegerType(32),
}
"""The storage types by their name in a quantized type."""

_INLINE_MADE = 8

_STORAGE_NAMES = {type_: name for name, type_ in STORAGE_TYPES.items()}
_STORAGE_DTYPES: dict[IntegerType, np.dtype[Any]] = {
    type_: np.dtype(dtype)
    for type_, dtype in zip(
        STORAGE_TYPES.values(),
        (np.uint8, np.int8, np.uint8, np.int8, np.uint16, np.int16, np.int32),
        strict=True,
    )
}


def storage_type(name: str) -> IntegerType:
    """The storage type of that name: u4 i4 u8 i8 u16 i16 i32."""
    return STORAGE_TYPES[name]


def storage_name(storage: IntegerType) -> str:
    """The name of a storage type, such as 'u8'."""
    return _STORAGE_NAMES[storage]


def storage_range(storage: IntegerType) -> tuple[int, int]:
    """Least and greatest integer of a storage type."""
    width = storage.width.data
    if storage.signedness.data == Signedness.UNSIGNED:
        return 0, 2**width - 1
    return -(2 ** (width - 1)), 2 ** (width - 1) - 1


def f32_text(value: float | np.float32) -> str:
    """The shortest decimal, with a point, that reads back as the same f32."""
    short = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    plain = np.format_float_positional(np.float32(value), unique=True, trim="0")
    text = plain if len(plain) <= len(short) + 2 else short
    # The reader rounds to f64 first; where that would end in a neighbour, write all f64 digits.
    if np.float32(float(text)) != np.float32(value):
        text = repr(float(np.float32(value)))
        if "." not in text:
            text = text.replace("e", ".0e")
    return text


def _verify_storage(storage: Attribute) -> None:
    if storage not in _STORAGE_NAMES:
        raise VerifyException(
            f"{storage} is not a storage type (one of {', '.join(STORAGE_TYPES)})"
        )


def _verify_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise VerifyException(f"a scale is a positive finite f32, got {scale}")


def _verify_zero_point(zero_point: int, storage: IntegerType) -> None:
    low, high = storage_range(storage)
    if not low <= zero_point <= high:
        raise VerifyException(
            f"zero point {zero_point} is outside {storage_name(storage)}'s range [{low}, {high}]"
        )


@irdl_attr_definition
class UniformType(ParametrizedAttribute, TypeAttribute):
    """A number quantized with one scale and zero point for the whole tensor.

    ```
    !quant.uniform<u8:f32, 0.0235:128>
    !quant.uniform<i8:f32, 0.0078125>
    ```

    With a scale per index of one axis (`UniformPerAxisType`) the axis follows `f32`; up to 64
    scales are written inline, more are handles of an f32 (and, for zero points, an i32) array:

    ```
    !quant.uniform<i8:f32:0, {0.1, 0.2:3}>
    !quant.uniform<i8:f32:0, #ax.weight<"..", tensor<96xf32>>>
    !quant.uniform<u8:f32:0, #ax.weight<"..", tensor<96xf32>> : #ax.weight<"..", tensor<96xi32>>>
    ```
    """

    name = "quant.uniform"

    storage: IntegerType
    scale_data: FloatData
    zero_point_data: IntAttr

    def __init__(self, storage: IntegerType | str, scale: float, zero_point: int = 0):
        storage = storage_type(storage) if isinstance(storage, str) else storage
        rounded = float(np.float32(scale))
        super().__init__(storage, FloatData(rounded), IntAttr(int(zero_point)))

    @property
    def scale(self) -> np.float32:
        return np.float32(self.scale_data.data)

    @property
    def zero_point(self) -> int:
        return self.zero_point_data.data

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest stored integer."""
        return storage_range(self.storage)

    @classmethod
    def new(cls, params: Sequence[Attribute]) -> Any:
        # Both classes have one spelling, so the parser, which knows only this class by its name,
        # gets the per-axis class from here when it has read an axis.
        if len(params) == 4:
            return UniformPerAxisType.new(params)
        return super().new(params)  # pyright: ignore

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            name = parser.parse_identifier()
            if name not in STORAGE_TYPES:
                parser.raise_error(f"'{name}' is not one of {', '.join(STORAGE_TYPES)}")
            storage = STORAGE_TYPES[name]
            parser.parse_punctuation(":")
            parser.parse_keyword("f32")
            if parser.parse_optional_punctuation(":"):
                axis = parser.parse_integer(allow_boolean=False)
                parser.parse_punctuation(",")
                return [storage, IntAttr(axis), *_parse_axis_parameters(parser)]
            parser.parse_punctuation(",")
            scale, zero_point = _parse_scale(parser)
        return [storage, FloatData(scale), IntAttr(zero_point)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{storage_name(self.storage)}:f32, {f32_text(self.scale)}")
            if self.zero_point:
                printer.print_string(f":{self.zero_point}")

    def verify(self) -> None:
        _verify_storage(self.storage)
        _verify_scale(self.scale_data.data)
        _verify_zero_point(self.zero_point, self.storage)


@irdl_attr_definition
class UniformPerAxisType(ParametrizedAttribute, TypeAttribute):
    """A number quantized with a scale and zero point per index of one axis; see `UniformType`.

    `zero_point_data` is absent (`NoneAttr`) where all zero points are 0.
    """

    name = "quant.uniform"

    storage: IntegerType
    axis_data: IntAttr
    scale_data: DenseArrayBase[Float32Type] | WeightAttr
    zero_point_data: DenseArrayBase[IntegerType] | WeightAttr | NoneAttr

    @staticmethod
    def of(
        storage: IntegerType | str,
        axis: int,
        scales: npt.ArrayLike,
        zero_points: npt.ArrayLike | None,
        weights: WeightStore,
    ) -> UniformPerAxisType:
        """The type with these scales [n] and zero points [n]; more than 8 go into `weights`.

        The text may hold up to 64, but a type is written at every use.
        """
        storage = storage_type(storage) if isinstance(storage, str) else storage
        scale_array = np.asarray(scales, np.float32).reshape(-1)
        points = None if zero_points is None else np.asarray(zero_points, np.int32).reshape(-1)
        if points is not None and not points.any():
            points = None
        scale_data: Attribute
        point_data: Attribute = NoneAttr()
        if scale_array.size <= _INLINE_MADE:
            scale_data = DenseArrayBase.from_list(f32, scale_array.tolist())
            if points is not None:
                point_data = DenseArrayBase.from_list(i32, points.tolist())
        else:
            scale_data = _handle(scale_array, weights)
            if points is not None:
                point_data = _handle(points, weights)
        return UniformPerAxisType.new([storage, IntAttr(axis), scale_data, point_data])

    @property
    def axis(self) -> int:
        return self.axis_data.data

    @property
    def size(self) -> int:
        """How many scales there are: the size of the axis."""
        if isinstance(self.scale_data, WeightAttr):
            return self.scale_data.type.get_shape()[0]
        return len(self.scale_data)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest stored integer."""
        return storage_range(self.storage)

    def scales(self, weights: WeightStore) -> F32Array:
        """The scales, f32 [size]."""
        if isinstance(self.scale_data, WeightAttr):
            return cast(F32Array, weights.get(self.scale_data.key.data))
        return np.asarray(self.scale_data.get_values(), np.float32)

    def zero_points(self, weights: WeightStore) -> I32Array:
        """The zero points, i32 [size]."""
        if isinstance(self.zero_point_data, NoneAttr):
            return np.zeros(self.size, np.int32)
        if isinstance(self.zero_point_data, WeightAttr):
            return cast(I32Array, weights.get(self.zero_point_data.key.data))
        return np.asarray(self.zero_point_data.get_values(), np.int32)

    def on_axis(self, axis: int) -> UniformPerAxisType:
        """The same scales along another axis, as after a transposition."""
        return UniformPerAxisType.new(
            [self.storage, IntAttr(axis), self.scale_data, self.zero_point_data]
        )

    @property
    def has_zero_points(self) -> bool:
        """Whether any zero point may be other than 0."""
        return not isinstance(self.zero_point_data, NoneAttr)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{storage_name(self.storage)}:f32:{self.axis}, ")
            if isinstance(self.scale_data, WeightAttr):
                printer.print_attribute(self.scale_data)
                if isinstance(self.zero_point_data, WeightAttr):
                    printer.print_string(" : ")
                    printer.print_attribute(self.zero_point_data)
                return
            scales = self.scale_data.get_values()
            points = (0,) * len(scales)
            if isinstance(self.zero_point_data, DenseArrayBase):
                points = self.zero_point_data.get_values()
            texts = [
                f32_text(scale) + (f":{point}" if point else "")
                for scale, point in zip(scales, points, strict=True)
            ]
            printer.print_string("{" + ", ".join(texts) + "}")

    def verify(self) -> None:
        _verify_storage(self.storage)
        if self.axis < 0:
            raise VerifyException(f"the quantized axis is 0 or more, got {self.axis}")
        scales, points = self.scale_data, self.zero_point_data
        if isinstance(scales, WeightAttr):
            _verify_handle(scales, f32, "scales")
            if isinstance(points, DenseArrayBase):
                raise VerifyException("scales and zero points are both inline or both handles")
            if isinstance(points, WeightAttr):
                _verify_handle(points, i32, "zero points")
                if points.type.get_shape() != scales.type.get_shape():
                    raise VerifyException("there are as many zero points as scales")
            return
        if not 0 < len(scales) <= INLINE_ELEMENTS:
            raise VerifyException(
                f"1 to {INLINE_ELEMENTS} scales stand inline, got {len(scales)}; "
                "more are a #ax.weight handle"
            )
        for scale in scales.get_values():
            _verify_scale(scale)
        if isinstance(points, WeightAttr):
            raise VerifyException("scales and zero points are both inline or both handles")
        if isinstance(points, DenseArrayBase):
            if len(points) != len(scales):
                raise VerifyException("there are as many zero points as scales")
            for point in points.get_values():
                _verify_zero_point(point, self.storage)


QuantizedType = UniformType | UniformPerAxisType


def _handle(array: npt.NDArray[Any], weights: WeightStore) -> WeightAttr:
    from xdsl.dialects.builtin import StringAttr

    type_ = TensorType(element_type_of(array.dtype), list(array.shape))
    return WeightAttr(StringAttr(weights.add(array)), type_)


def _verify_handle(handle: WeightAttr, element_type: Attribute, what: str) -> None:
    type_ = handle.type
    if type_.get_element_type() != element_type or len(type_.get_shape()) != 1:
        raise VerifyException(f"the {what} are a tensor<?x{element_type}>, got {type_}")


def _parse_scale(parser: AttrParser) -> tuple[float, int]:
    scale = float(np.float32(parser.parse_number()))
    zero_point = 0
    if parser.parse_optional_punctuation(":"):
        zero_point = parser.parse_integer(allow_boolean=False)
    return scale, zero_point


def _parse_axis_parameters(parser: AttrParser) -> tuple[Attribute, Attribute]:
    pairs = parser.parse_optional_comma_separated_list(
        parser.Delimiter.BRACES, lambda: _parse_scale(parser)
    )
    if pairs is not None:
        scales = DenseArrayBase.from_list(f32, [scale for scale, _ in pairs])
        if any(point for _, point in pairs):
            return scales, DenseArrayBase.from_list(i32, [point for _, point in pairs])
        return scales, NoneAttr()
    handle = parser.parse_attribute()
    if parser.parse_optional_punctuation(":"):
        return handle, parser.parse_attribute()
    return handle, NoneAttr()


def element_type(value: SSAValue | Attribute) -> Attribute:
    """The element type of a tensor value or tensor type."""
    type_ = value.type if isinstance(value, SSAValue) else value
    # Not `isa`, which checks the type anew each time and took a third of a quantization.
    assert isinstance(type_, TensorType)
    return cast("TensorType[Attribute]", type_).get_element_type()


def shape_of(value: SSAValue | Attribute) -> tuple[int, ...]:
    """The shape of a tensor value or tensor type."""
    type_ = value.type if isinstance(value, SSAValue) else value
    assert isinstance(type_, TensorType)
    return type_.get_shape()


def uniform_of(value: SSAValue | Attribute) -> UniformType | None:
    """The per-tensor quantization of a tensor value or tensor type; None where there is none."""
    found = element_type(value)
    return found if isinstance(found, UniformType) else None


def per_axis_of(value: SSAValue | Attribute) -> UniformPerAxisType | None:
    """The per-axis quantization of a tensor value or tensor type; None where there is none."""
    found = element_type(value)
    return found if isinstance(found, UniformPerAxisType) else None


def quantized_of(value: SSAValue | Attribute) -> QuantizedType | None:
    """The quantization, of either kind, of a tensor value or tensor type."""
    found = element_type(value)
    return found if isinstance(found, UniformType | UniformPerAxisType) else None


def stored_type(type_: Attribute) -> Attribute:
    """The IR type of the stored elements: the storage type of a quantized type, else `type_`.

    4-bit integers are kept one per byte, as i8 and ui8.
    """
    if not isinstance(type_, UniformType | UniformPerAxisType):
        return type_
    return element_type_of(_STORAGE_DTYPES[type_.storage])


def storage_dtype(type_: Attribute) -> np.dtype[Any]:
    """The numpy dtype of the stored elements of an element or tensor type; KeyError if none.

    4-bit integers are kept one per byte, as int8 and uint8.
    """
    from pulsar2.dialects.ax import numpy_dtype_of

    if isinstance(type_, TensorType):
        type_ = element_type(cast("TensorType[Attribute]", type_))
    return numpy_dtype_of(stored_type(type_))


def quant_parameters(type_: QuantizedType, weights: WeightStore) -> tuple[F32Array, I32Array]:
    """Scales and zero points as arrays: [1] per tensor, [size] per axis."""
    if isinstance(type_, UniformType):
        return np.asarray([type_.scale], np.float32), np.asarray([type_.zero_point], np.int32)
    return type_.scales(weights), type_.zero_points(weights)
