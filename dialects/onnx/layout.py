"""Operators that move data: reshapes, transposition, padding, concatenation."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp, OptionalInput
from pulsar2.dialects.onnx.types import shape_of


class Reshape(OnnxOp):
    """The same elements in another shape; -1 is inferred, 0 copies unless `allowzero`."""

    name = "onnx.Reshape"
    op_type = "Reshape"
    traits = PURE

    data = Input(0)
    shape = Input(1)
    allowzero = Attr[int]("allowzero")


class Flatten(OnnxOp):
    """The same elements as a matrix: the axes before `axis`, and those from it on."""

    name = "onnx.Flatten"
    op_type = "Flatten"
    traits = PURE

    x = Input(0)
    axis = Attr[int]("axis")


class Squeeze(OnnxOp):
    """Without the axes given (of extent 1), or without all of extent 1."""

    name = "onnx.Squeeze"
    op_type = "Squeeze"
    traits = PURE

    data = Input(0)
    axes = OptionalInput(1)


class Unsqueeze(OnnxOp):
    """With axes of extent 1 inserted at the places given."""

    name = "onnx.Unsqueeze"
    op_type = "Unsqueeze"
    traits = PURE

    data = Input(0)
    axes = Input(1)


class Transpose(OnnxOp):
    """Axes permuted: axis i of the result is axis perm[i] of the operand."""

    name = "onnx.Transpose"
    op_type = "Transpose"
    traits = PURE

    x = Input(0)

    @property
    def perm(self) -> tuple[int, ...] | None:
        """The permutation; the axes reversed without the attribute; None without a rank."""
        perm: tuple[int, ...] | None = self.value_of("perm")
        if perm is not None:
            return perm
        shape = shape_of(self.x.type)
        return None if shape is None else tuple(reversed(range(len(shape))))

    def verify_structure(self) -> None:
        perm, shape = self.perm, shape_of(self.x.type)
        if perm is None:
            return
        if sorted(perm) != list(range(len(perm))):
            raise VerifyException(f"onnx.Transpose has perm {list(perm)}, no permutation of axes")
        if shape is not None and len(shape) != len(perm):
            raise VerifyException(
                f"onnx.Transpose has a perm of {len(perm)} axes for a tensor of {len(shape)}"
            )


class Pad(OnnxOp):
    """Elements added (or with negative pads removed) at the begin and end of axes."""

    name = "onnx.Pad"
    op_type = "Pad"
    traits = PURE

    data = Input(0)
    pads = Input(1)
    constant_value = OptionalInput(2)
    axes = OptionalInput(3)
    mode = Attr[str]("mode")


class Concat(OnnxOp):
    """Tensors joined along an axis."""

    name = "onnx.Concat"
    op_type = "Concat"
    traits = PURE

    axis = Attr[int]("axis")

    @property
    def inputs(self) -> Sequence[SSAValue]:
        return self.operands
