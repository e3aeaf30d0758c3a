"""Data that only moves: the result has the operand's quantization, and its integers unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.quant.base import (
    IntArrayConstr,
    IntConstr,
    Tensor,
    int_array,
    integer,
    ints,
    verify_axis,
    verify_length,
    verify_same_elements,
    verify_shape,
)
from pulsar2.dialects.quant.types import element_type, shape_of, uniform_of


@irdl_op_definition
class ReshapeOp(IRDLOperation):
    """The same elements in row-major order under another shape.

    ```
    %y = quant.reshape %x : tensor<1x8x1x1x..> -> tensor<1x8x..>
    ```
    """

    name = "quant.reshape"

    x = operand_def(Tensor)
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, result_type: Attribute):
        super().__init__(operands=[x], result_types=[result_type])

    def verify_(self) -> None:
        verify_same_elements(self.x, self.y, "x")
        if prod(shape_of(self.x)) != prod(shape_of(self.y)):
            raise VerifyException(
                f"shapes {list(shape_of(self.x))} and {list(shape_of(self.y))} differ in size"
            )


@irdl_op_definition
class TransposeOp(IRDLOperation):
    """Permutes the axes: axis i of y is axis `perm[i]` of x.

    ```
    %y = quant.transpose %x perm [0, 3, 1, 2] : tensor<1x8x8x3x..> -> tensor<1x3x8x8x..>
    ```
    """

    name = "quant.transpose"

    x = operand_def(Tensor)
    perm_attr = prop_def(IntArrayConstr, prop_name="perm")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x `perm` $perm attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, perm: Sequence[int], result_type: Attribute):
        super().__init__(
            operands=[x], properties={"perm": int_array(perm)}, result_types=[result_type]
        )

    @property
    def perm(self) -> tuple[int, ...]:
        return ints(self.perm_attr)

    def verify_(self) -> None:
        shape = shape_of(self.x)
        if sorted(self.perm) != list(range(len(shape))):
            raise VerifyException(
                f"perm is a permutation of the {len(shape)} axes, got {list(self.perm)}"
            )
        verify_same_elements(self.x, self.y, "x")
        verify_shape(self.y, [shape[p] for p in self.perm])


@irdl_op_definition
class ConcatOp(IRDLOperation):
    """Joins tensors of one quantization along `axis`.

    ```
    %y = quant.concat %a, %b axis 1 : (tensor<1x8x..>, tensor<1x4x..>) -> tensor<1x12x..>
    ```
    """

    name = "quant.concat"

    inputs = var_operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$inputs `axis` $axis attr-dict `:` functional-type(operands, results)"

    def __init__(self, inputs: Sequence[SSAValue], axis: int, result_type: Attribute):
        super().__init__(
            operands=[list(inputs)],
            properties={"axis": integer(axis)},
            result_types=[result_type],
        )

    @property
    def axis(self) -> int:
        return self.axis_attr.value.data

    def verify_(self) -> None:
        if not self.inputs:
            raise VerifyException("there is at least one operand")
        shape = list(shape_of(self.inputs[0]))
        verify_axis(self.axis, len(shape))
        shape[self.axis] = 0
        for i, value in enumerate(self.inputs):
            verify_same_elements(value, self.y, f"operand {i}")
            part = list(shape_of(value))
            if len(part) != len(shape) or any(
                m != n for j, (m, n) in enumerate(zip(part, shape, strict=True)) if j != self.axis
            ):
                raise VerifyException(f"operand {i} of shape {part} differs off the axis")
            shape[self.axis] += part[self.axis]
        verify_shape(self.y, shape)


@irdl_op_definition
class PadOp(IRDLOperation):
    """Pads with a stored integer, or the bits of an f32. `pads` holds the begins, then the ends.

    ```
    %y = quant.pad %x pads [0, 0, 1, 1, 0, 0, 1, 1] value 128 : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.pad"

    x = operand_def(Tensor)
    pads_attr = prop_def(IntArrayConstr, prop_name="pads")
    value_attr = prop_def(IntConstr, prop_name="value")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x `pads` $pads `value` $value attr-dict `:` type($x) `->` type($y)"

    def __init__(self, x: SSAValue, pads: Sequence[int], value: int, result_type: Attribute):
        super().__init__(
            operands=[x],
            properties={"pads": int_array(pads), "value": integer(value)},
            result_types=[result_type],
        )

    @property
    def pads(self) -> tuple[int, ...]:
        """Elements added before each axis, then after each."""
        return ints(self.pads_attr)

    @property
    def value(self) -> int:
        """The stored integer that is put in; of an f32 tensor its bits, as an i32."""
        return self.value_attr.value.data

    def verify_(self) -> None:
        shape = shape_of(self.x)
        verify_length(self.pads, 2 * len(shape), "pads")
        if min(self.pads, default=0) < 0:
            raise VerifyException("pads are 0 or more")
        verify_same_elements(self.x, self.y, "x")
        verify_shape(
            self.y,
            [n + self.pads[i] + self.pads[i + len(shape)] for i, n in enumerate(shape)],
        )
        type_ = uniform_of(self.y)
        if type_ is not None and not type_.bounds[0] <= self.value <= type_.bounds[1]:
            raise VerifyException(f"value {self.value} is outside {list(type_.bounds)}")
        if element_type(self.y) == f32 and not -(2**31) <= self.value < 2**31:
            raise VerifyException(f"value {self.value} is not the bits of an f32")


@irdl_op_definition
class SliceOp(IRDLOperation):
    """Takes `sizes[i]` elements from `starts[i]` on, every `steps[i]`, along each axis.

    ```
    %y = quant.slice %x starts [0, 2] sizes [1, 4] steps [1, 1] : tensor<1x8x..> -> tensor<1x4x..>
    ```
    """

    name = "quant.slice"

    x = operand_def(Tensor)
    starts_attr = prop_def(IntArrayConstr, prop_name="starts")
    sizes_attr = prop_def(IntArrayConstr, prop_name="sizes")
    steps_attr = prop_def(IntArrayConstr, prop_name="steps")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$x `starts` $starts `sizes` $sizes `steps` $steps attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        x: SSAValue,
        starts: Sequence[int],
        sizes: Sequence[int],
        steps: Sequence[int],
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x],
            properties={
                "starts": int_array(starts),
                "sizes": int_array(sizes),
                "steps": int_array(steps),
            },
            result_types=[result_type],
        )

    @property
    def starts(self) -> tuple[int, ...]:
        return ints(self.starts_attr)

    @property
    def sizes(self) -> tuple[int, ...]:
        return ints(self.sizes_attr)

    @property
    def steps(self) -> tuple[int, ...]:
        """Distances between the elements taken; negative ones walk backwards."""
        return ints(self.steps_attr)

    def verify_(self) -> None:
        shape = shape_of(self.x)
        verify_length(self.starts, len(shape), "starts")
        verify_length(self.sizes, len(shape), "sizes")
        verify_length(self.steps, len(shape), "steps")
        for i, n in enumerate(shape):
            start, size, step = self.starts[i], self.sizes[i], self.steps[i]
            last = start + (size - 1) * step
            if size < 1 or step == 0 or not (0 <= start < n and 0 <= last < n):
                raise VerifyException(
                    f"{size} element(s) from {start} by {step} leave axis {i} of size {n}"
                )
        verify_same_elements(self.x, self.y, "x")
        verify_shape(self.y, self.sizes)
