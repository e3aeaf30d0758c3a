"""The `ax` dialect: what every level shares.

That is the handle of a constant's bytes, and the invocation of a compiled subgraph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FlatSymbolRefAttrConstr,
    IntegerType,
    Signedness,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    bf16,
    f16,
    f32,
    f64,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    attr_def,
    irdl_attr_definition,
    irdl_op_definition,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import SymbolTable
from xdsl.utils.exceptions import VerifyException

from pulsar2.weights import AnyArray, WeightStore

INLINE_ELEMENTS = 64
"""Constants of up to this many elements are written in the IR itself."""


@irdl_attr_definition
class WeightAttr(ParametrizedAttribute):
    """A handle of constant bytes in the weight store.

    ```
    #ax.weight<"9f86d081884c7d659a2feaa0c55ad015", tensor<32x3x3x3xf32>>
    ```

    The key is the content hash of element type, shape and bytes (`pulsar2.weights`). The type is
    that of the stored bytes: a quantized constant has a storage type such as `i8` here.
    """

    name = "ax.weight"

    key: StringAttr
    type: TensorType

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        with parser.in_angle_brackets():
            key = parser.parse_str_literal()
            parser.parse_punctuation(",")
            type_ = parser.parse_type()
        return [StringAttr(key), type_]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string_literal(self.key.data)
            printer.print_string(", ")
            printer.print_attribute(self.type)

    def verify(self) -> None:
        key = self.key.data
        if len(key) != 32 or any(c not in "0123456789abcdef" for c in key):
            raise VerifyException(f"a weight key has 32 hexadecimal digits, got '{key}'")


ConstantAttr = DenseIntOrFPElementsAttr | WeightAttr

_ELEMENT_TYPES: dict[str, Attribute] = {
    "bool": IntegerType(1),
    "int8": IntegerType(8),
    "int16": IntegerType(16),
    "int32": IntegerType(32),
    "int64": IntegerType(64),
    "uint8": IntegerType(8, Signedness.UNSIGNED),
    "uint16": IntegerType(16, Signedness.UNSIGNED),
    "uint32": IntegerType(32, Signedness.UNSIGNED),
    "uint64": IntegerType(64, Signedness.UNSIGNED),
    "float16": f16,
    "float32": f32,
    "float64": f64,
}
_NUMPY_NAMES: dict[Attribute, str] = {v: k for k, v in _ELEMENT_TYPES.items()}


def element_type_of(dtype: np.dtype[Any]) -> Attribute:
    """The IR element type of a numpy dtype: signed integers are signless `iN`, unsigned `uiN`."""
    return _ELEMENT_TYPES[dtype.name]


def numpy_dtype_of(element_type: Attribute) -> np.dtype[Any]:
    """The numpy dtype of an IR element type; KeyError for one that has none (such as bf16)."""
    if element_type == bf16:
        raise KeyError("bf16")
    return np.dtype(_NUMPY_NAMES[element_type])


def _reads_back(array: AnyArray) -> bool:
    """Whether the parser reads the text of these values as the same values.

    xDSL prints a float that has no fraction in nine digits, an infinity and a NaN as hexadecimal
    bits, and its parser takes those inside `dense<..>` for the integer of that value.
    """
    if array.dtype.kind != "f":
        return True
    digits = {"float32": 9, "float64": 17}.get(array.dtype.name)
    if digits is None or not np.isfinite(array).all():
        return False
    return all(
        float(f"{value:.5e}") == value or "." in f"{value:.{digits}g}"
        for value in array.reshape(-1).tolist()
    )


def make_constant(array: AnyArray, weights: WeightStore) -> ConstantAttr:
    """The attribute of a constant: inline when small, else a handle of bytes put into `weights`."""
    type_ = TensorType(element_type_of(array.dtype), list(array.shape))
    if 0 < array.size <= INLINE_ELEMENTS and _reads_back(array):
        values: list[Any] = array.reshape(-1).tolist()
        return DenseIntOrFPElementsAttr.from_list(type_, values)  # pyright: ignore
    return WeightAttr(StringAttr(weights.add(array)), type_)


def read_constant(attribute: ConstantAttr, weights: WeightStore) -> AnyArray:
    """The values of a constant attribute, as an array of its shape and dtype."""
    if isinstance(attribute, WeightAttr):
        return weights.get(attribute.key.data)
    type_ = attribute.type
    dtype = numpy_dtype_of(type_.get_element_type())
    return np.asarray(attribute.get_values(), dtype=dtype).reshape(type_.get_shape())


@irdl_op_definition
class InvokeOp(IRDLOperation):
    """Runs a compiled subgraph on tensors: what a call becomes once its function is a program.

    ```
    %y = ax.invoke @subgraph_npu_0(%x) : (tensor<1x8xui8>) -> tensor<1x4xf32>
    ```
    """

    name = "ax.invoke"

    callee = attr_def(FlatSymbolRefAttrConstr)
    inputs = var_operand_def()
    outputs = var_result_def()

    assembly_format = "$callee `(` $inputs `)` attr-dict `:` functional-type(operands, results)"

    def __init__(
        self, callee: SymbolRefAttr, inputs: Sequence[SSAValue], outputs: Sequence[Attribute]
    ):
        super().__init__(operands=[inputs], attributes={"callee": callee}, result_types=[outputs])

    def verify_(self) -> None:
        if SymbolTable.lookup_symbol(self, self.callee) is None:
            raise VerifyException(f"there is no subgraph '{self.callee.string_value()}'")


Ax = Dialect("ax", [InvokeOp], [WeightAttr])
