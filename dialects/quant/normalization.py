"""Normalizations over groups of elements: `quant.norm`."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, Signedness, f32, i32
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from pulsar2.dialects.quant.base import (
    FloatConstr,
    IntArrayConstr,
    IntConstr,
    Tensor,
    broadcast,
    float_number,
    int_array,
    integer,
    ints,
    optional_pair,
    verify_activation,
    verify_axes,
    verify_clamp,
    verify_shape,
)
from pulsar2.dialects.quant.types import element_type, shape_of

_WHOLE = (i32, IntegerType(32, Signedness.UNSIGNED))


class NormKind(StrEnum):
    """By what the elements of a group are divided; `layer` takes their mean away before."""

    LAYER = "layer"  # the standard deviation
    RMS = "rms"  # the root of the mean square
    L1 = "l1"  # the sum of magnitudes
    L2 = "l2"  # the root of the sum of squares


@irdl_attr_definition
class NormKindAttr(EnumAttribute[NormKind], SpacedOpaqueSyntaxAttribute):
    """The kind of a `quant.norm`."""

    name = "quant.norm_kind"


@irdl_op_definition
class NormOp(IRDLOperation):
    """Divides each group of elements by a norm of the group, then scales and shifts in f32.

    A group is all elements along `axes`, which are sorted. With `groups`, axis 1 is cut into that
    many parts and belongs to `axes`: GroupNormalization. `scale` is an f32 constant, maybe with a
    bias behind it; their shapes broadcast to x's. `epsilon` is added to the variance or mean
    square; `l1` and `l2` have none, and leave a group of zeros as it is. The sums over a quantized
    x are exact. With `fraction` f the scale is a constant of i32 or ui32, each a number of 2^-f.

    ```
    %y = quant.norm layer %x axes [2] epsilon 1.0e-05 scale %s, %b
           : (tensor<..>, tensor<8xf32>, tensor<8xf32>) -> tensor<..>
    ```
    """

    name = "quant.norm"

    kind_attr = prop_def(NormKindAttr, prop_name="kind")
    x = operand_def(Tensor)
    factors = var_operand_def(Tensor)
    axes_attr = prop_def(IntArrayConstr, prop_name="axes")
    groups_attr = opt_prop_def(IntConstr, prop_name="groups")
    epsilon_attr = opt_prop_def(FloatConstr, prop_name="epsilon")
    fraction_attr = opt_prop_def(IntConstr, prop_name="fraction")
    clamp_attr = opt_prop_def(IntArrayConstr, prop_name="clamp")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$kind $x `axes` $axes (`groups` $groups^)? (`epsilon` $epsilon^)? (`scale` $factors^)? "
        "(`fraction` $fraction^)? (`clamp` $clamp^)? attr-dict `:` "
        "functional-type(operands, results)"
    )

    def __init__(
        self,
        kind: NormKind,
        x: SSAValue,
        axes: Sequence[int],
        result_type: Attribute,
        *,
        scale: SSAValue | None = None,
        bias: SSAValue | None = None,
        groups: int | None = None,
        epsilon: float | None = None,
        fraction: int | None = None,
        clamp: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[x, [v for v in (scale, bias) if v is not None]],
            properties={
                "kind": NormKindAttr(kind),
                "axes": int_array(axes),
                "groups": None if groups is None else integer(groups),
                "epsilon": None if epsilon is None else float_number(epsilon),
                "fraction": None if fraction is None else integer(fraction),
                "clamp": None if clamp is None else int_array(clamp),
            },
            result_types=[result_type],
        )

    @property
    def scale(self) -> SSAValue | None:
        return self.factors[0] if self.factors else None

    @property
    def bias(self) -> SSAValue | None:
        return self.factors[1] if len(self.factors) > 1 else None

    @property
    def kind(self) -> NormKind:
        return self.kind_attr.data

    @property
    def axes(self) -> tuple[int, ...]:
        return ints(self.axes_attr)

    @property
    def groups(self) -> int:
        """Into how many parts axis 1 is cut."""
        return 1 if self.groups_attr is None else self.groups_attr.value.data

    @property
    def epsilon(self) -> float:
        return 0.0 if self.epsilon_attr is None else self.epsilon_attr.value.data

    @property
    def fraction(self) -> int | None:
        """The fraction bits of a scale of whole numbers, None where it is f32."""
        return None if self.fraction_attr is None else self.fraction_attr.value.data

    @property
    def unit(self) -> float:
        """What one of the scale's stored numbers stands for."""
        return 1.0 if self.fraction is None else 2.0**-self.fraction

    @property
    def clamp(self) -> tuple[int, int] | None:
        """Bounds of the stored result, or None where no activation is fused."""
        return optional_pair(self.clamp_attr)

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        verify_clamp(self.clamp_attr, self.y)
        shape = shape_of(self.x)
        verify_axes(self.axes, len(shape))
        verify_shape(self.y, shape)
        if self.groups_attr is not None and (
            1 not in self.axes or self.groups < 1 or shape[1] % self.groups
        ):
            raise VerifyException(
                f"axis 1 is among the axes and its size a multiple of groups, got axes "
                f"{list(self.axes)}, shape {list(shape)} and {self.groups} groups"
            )
        needs = self.kind in (NormKind.LAYER, NormKind.RMS)
        if needs != (self.epsilon_attr is not None) or (needs and not self.epsilon > 0):
            raise VerifyException(
                f"a norm of kind {self.kind.value} has "
                + ("a positive epsilon" if needs else "no epsilon")
            )
        if len(self.factors) > 2:
            raise VerifyException(f"there are a scale and a bias, got {len(self.factors)} operands")
        if self.fraction is not None and (not self.factors or abs(self.fraction) > 126):
            raise VerifyException("a fraction is of a scale, and has -126 to 126 bits")
        for value, what in zip(self.factors, ("the scale", "the bias"), strict=False):
            whole = self.fraction is not None and value is self.scale
            if element_type(value) not in (_WHOLE if whole else (f32,)):
                wanted = "i32 or ui32 with a fraction" if whole else "f32"
                raise VerifyException(f"{what} is {wanted}, got elements of {element_type(value)}")
            if broadcast(shape, shape_of(value)) != shape:
                raise VerifyException(
                    f"{what} has shape {list(shape_of(value))}, "
                    f"which does not broadcast to {list(shape)}"
                )
