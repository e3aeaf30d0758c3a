"""Elementwise operators that the compiler rewrites; the others come from their schemas alone."""

from __future__ import annotations

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp, OptionalInput


class Binary(OnnxOp):
    """An elementwise operator of two tensors that are broadcast as in numpy."""

    a = Input(0)
    b = Input(1)


class Add(Binary):
    """a + b."""

    name = "onnx.Add"
    op_type = "Add"
    traits = PURE


class Sub(Binary):
    """a - b."""

    name = "onnx.Sub"
    op_type = "Sub"
    traits = PURE


class Mul(Binary):
    """a * b."""

    name = "onnx.Mul"
    op_type = "Mul"
    traits = PURE


class Div(Binary):
    """a / b; integers are divided towards zero."""

    name = "onnx.Div"
    op_type = "Div"
    traits = PURE


class Unary(OnnxOp):
    """An elementwise operator of one tensor."""

    x = Input(0)


class Relu(Unary):
    """max(x, 0)."""

    name = "onnx.Relu"
    op_type = "Relu"
    traits = PURE


class Sigmoid(Unary):
    """1 / (1 + exp(-x))."""

    name = "onnx.Sigmoid"
    op_type = "Sigmoid"
    traits = PURE


class HardSigmoid(Unary):
    """max(0, min(1, alpha * x + beta))."""

    name = "onnx.HardSigmoid"
    op_type = "HardSigmoid"
    traits = PURE

    alpha = Attr[float]("alpha")
    beta = Attr[float]("beta")


class HardSwish(Unary):
    """x * max(0, min(1, x / 6 + 1 / 2))."""

    name = "onnx.HardSwish"
    op_type = "HardSwish"
    traits = PURE


class Clip(OnnxOp):
    """x held between two scalars, either of which may be left out."""

    name = "onnx.Clip"
    op_type = "Clip"
    traits = PURE

    x = Input(0)
    min = OptionalInput(1)
    max = OptionalInput(2)


class Cast(OnnxOp):
    """x converted to the element type `to`."""

    name = "onnx.Cast"
    op_type = "Cast"
    traits = PURE

    x = Input(0)


class Identity(OnnxOp):
    """x itself."""

    name = "onnx.Identity"
    op_type = "Identity"
    traits = PURE

    x = Input(0)


class Dropout(OnnxOp):
    """x itself, unless `training_mode` is true; the second result is the mask."""

    name = "onnx.Dropout"
    op_type = "Dropout"

    x = Input(0)
    ratio = OptionalInput(1)
    training_mode = OptionalInput(2)
