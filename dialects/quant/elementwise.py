"""Element by element: binary arithmetic, unary functions, input normalization.

All are the literal QDQ form in f32: `x^ = f32(x - z_x) * s_x`, the operation, and
`y = sat(rne(v / s_y) + z_y)`.
"""

from __future__ import annotations

from collections.abc import Sequence

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
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from pulsar2.dialects.quant.base import (
    FloatArrayConstr,
    FloatConstr,
    IntArrayConstr,
    IntConstr,
    Tensor,
    broadcast,
    float_array,
    float_number,
    int_array,
    integer,
    optional_pair,
    verify_activation,
    verify_axis,
    verify_clamp,
    verify_shape,
)
from pulsar2.dialects.quant.types import shape_of


class BinaryOp(IRDLOperation):
    """What the binary operations share: operands a and b broadcast as numpy's, `clamp` bounds y."""

    a = operand_def(Tensor)
    b = operand_def(Tensor)
    clamp_attr = opt_prop_def(IntArrayConstr, prop_name="clamp")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$a `,` $b (`clamp` $clamp^)? attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self,
        a: SSAValue,
        b: SSAValue,
        result_type: Attribute,
        *,
        clamp: tuple[int, int] | None = None,
    ):
        super().__init__(
            operands=[a, b],
            properties={"clamp": None if clamp is None else int_array(clamp)},
            result_types=[result_type],
        )

    @property
    def clamp(self) -> tuple[int, int] | None:
        """Bounds of the stored result, or None where no activation is fused."""
        return optional_pair(self.clamp_attr)

    def verify_(self) -> None:
        verify_activation(self.a, "a")
        verify_activation(self.b, "b")
        verify_activation(self.y, "the result")
        verify_clamp(self.clamp_attr, self.y)
        verify_shape(self.y, broadcast(shape_of(self.a), shape_of(self.b)))


@irdl_op_definition
class AddOp(BinaryOp):
    """`a + b` with numpy's broadcasting.

    ```
    %y = quant.add %a, %b clamp [0, 255] : (tensor<..>, tensor<..>) -> tensor<..>
    ```
    """

    name = "quant.add"


@irdl_op_definition
class SubOp(BinaryOp):
    """`a - b` with numpy's broadcasting."""

    name = "quant.sub"


@irdl_op_definition
class MulOp(BinaryOp):
    """`a * b` with numpy's broadcasting."""

    name = "quant.mul"


@irdl_op_definition
class DivOp(BinaryOp):
    """`a / b` with numpy's broadcasting."""

    name = "quant.div"


@irdl_op_definition
class MinOp(BinaryOp):
    """The lesser of `a` and `b`, with numpy's broadcasting."""

    name = "quant.min"


@irdl_op_definition
class MaxOp(BinaryOp):
    """The greater of `a` and `b`, with numpy's broadcasting."""

    name = "quant.max"


@irdl_op_definition
class PReluOp(BinaryOp):
    """`a` where it is not negative, else `a * b`, with numpy's broadcasting."""

    name = "quant.prelu"


class UnaryFn(StrEnum):
    """Functions of one number; those with parameters say what alpha and beta are."""

    IDENTITY = "identity"
    RELU = "relu"
    CLIP = "clip"  # alpha: least, beta: greatest
    SIGMOID = "sigmoid"
    HARD_SIGMOID = "hard_sigmoid"  # max(0, min(1, alpha * x + beta))
    HARD_SWISH = "hard_swish"
    TANH = "tanh"
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    ERF = "erf"
    GELU = "gelu"
    LEAKY_RELU = "leaky_relu"  # alpha: slope below 0
    ELU = "elu"  # alpha: limit below 0, negated
    SOFTPLUS = "softplus"
    MISH = "mish"
    SILU = "silu"
    ABS = "abs"
    NEG = "neg"
    FLOOR = "floor"
    CEIL = "ceil"
    ROUND = "round"
    SIN = "sin"
    COS = "cos"
    RSQRT = "rsqrt"
    GELU_TANH = "gelu_tanh"
    NOT = "not"
    RECIPROCAL = "reciprocal"
    POW = "pow"  # alpha: exponent
    INVERSE_SIGMOID = "inverse_sigmoid"  # alpha: least of x and of 1 - x


@irdl_attr_definition
class UnaryFnAttr(EnumAttribute[UnaryFn], SpacedOpaqueSyntaxAttribute):
    """The function of a `quant.unary`."""

    name = "quant.fn"


@irdl_op_definition
class UnaryOp(IRDLOperation):
    """A function of each element. `alpha` and `beta` are its f32 parameters (see `UnaryFn`).

    ```
    %y = quant.unary hard_sigmoid %x alpha 0.2 beta 0.5 : tensor<..> -> tensor<..>
    ```
    """

    name = "quant.unary"

    fn_attr = prop_def(UnaryFnAttr, prop_name="fn")
    x = operand_def(Tensor)
    alpha_attr = opt_prop_def(FloatConstr, prop_name="alpha")
    beta_attr = opt_prop_def(FloatConstr, prop_name="beta")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = (
        "$fn $x (`alpha` $alpha^)? (`beta` $beta^)? attr-dict `:` type($x) `->` type($y)"
    )

    def __init__(
        self,
        fn: UnaryFn,
        x: SSAValue,
        result_type: Attribute,
        *,
        alpha: float | None = None,
        beta: float | None = None,
    ):
        super().__init__(
            operands=[x],
            properties={
                "fn": UnaryFnAttr(fn),
                "alpha": None if alpha is None else float_number(alpha),
                "beta": None if beta is None else float_number(beta),
            },
            result_types=[result_type],
        )

    @property
    def fn(self) -> UnaryFn:
        return self.fn_attr.data

    @property
    def alpha(self) -> float:
        """The first parameter, 0 where the function has none."""
        return 0.0 if self.alpha_attr is None else self.alpha_attr.value.data

    @property
    def beta(self) -> float:
        """The second parameter, 0 where the function has none."""
        return 0.0 if self.beta_attr is None else self.beta_attr.value.data

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        verify_shape(self.y, shape_of(self.x))
        needs = _PARAMETERS.get(self.fn, 0)
        given = sum(p is not None for p in (self.alpha_attr, self.beta_attr))
        if given != needs or (needs == 1 and self.alpha_attr is None):
            names = ("no parameter", "alpha", "alpha and beta")[needs]
            raise VerifyException(f"{self.fn} has {names}, got {given} parameter(s)")


_PARAMETERS = {
    UnaryFn.CLIP: 2,
    UnaryFn.HARD_SIGMOID: 2,
    UnaryFn.LEAKY_RELU: 1,
    UnaryFn.ELU: 1,
    UnaryFn.POW: 1,
    UnaryFn.INVERSE_SIGMOID: 1,
}


@irdl_op_definition
class NormalizeOp(IRDLOperation):
    """`f32((x^ - mean[c]) / std[c])` along `axis`: the input preprocessing, two roundings.

    ```
    %y = quant.normalize %x axis 3 mean [127.0, 127.0, 127.0] std [128.0, 128.0, 128.0]
           : tensor<1x224x224x3x!quant.uniform<u8:f32, 1.0>> -> tensor<..>
    ```
    """

    name = "quant.normalize"

    x = operand_def(Tensor)
    axis_attr = prop_def(IntConstr, prop_name="axis")
    mean_attr = prop_def(FloatArrayConstr, prop_name="mean")
    std_attr = prop_def(FloatArrayConstr, prop_name="std")
    y = result_def(Tensor)

    traits = traits_def(Pure())
    assembly_format = "$x `axis` $axis `mean` $mean `std` $std attr-dict `:` type($x) `->` type($y)"

    def __init__(
        self,
        x: SSAValue,
        mean: Sequence[float],
        std: Sequence[float],
        axis: int,
        result_type: Attribute,
    ):
        super().__init__(
            operands=[x],
            properties={
                "axis": integer(axis),
                "mean": float_array(mean),
                "std": float_array(std),
            },
            result_types=[result_type],
        )

    @property
    def axis(self) -> int:
        """The channel axis."""
        return self.axis_attr.value.data

    @property
    def mean(self) -> tuple[float, ...]:
        return self.mean_attr.get_values()

    @property
    def std(self) -> tuple[float, ...]:
        return self.std_attr.get_values()

    def verify_(self) -> None:
        verify_activation(self.x, "x")
        verify_activation(self.y, "the result")
        shape = shape_of(self.x)
        verify_shape(self.y, shape)
        verify_axis(self.axis, len(shape))
        for values, what in ((self.mean, "mean"), (self.std, "std")):
            if len(values) != shape[self.axis]:
                raise VerifyException(
                    f"{what} has {shape[self.axis]} numbers, one per channel, got {len(values)}"
                )
        if any(s == 0 for s in self.std):
            raise VerifyException("a std of 0 divides by zero")
