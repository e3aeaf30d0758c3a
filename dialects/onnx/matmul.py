"""Matrix products: `onnx.Gemm`, `onnx.MatMul`."""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.utils.exceptions import VerifyException

from pulsar2.dialects.onnx.op import PURE, Attr, Input, OnnxOp, OptionalInput
from pulsar2.dialects.onnx.types import shape_of


class Gemm(OnnxOp):
    """alpha * A' * B' + beta * C of matrices, A' and B' transposed when transA, transB say so."""

    name = "onnx.Gemm"
    op_type = "Gemm"
    traits = PURE

    a = Input(0)
    b = Input(1)
    c = OptionalInput(2)
    alpha = Attr[float]("alpha")
    beta = Attr[float]("beta")
    trans_a = Attr[int]("transA")
    trans_b = Attr[int]("transB")

    def verify_structure(self) -> None:
        a, b = shape_of(self.a.type), shape_of(self.b.type)
        if a is None or b is None:
            return
        if len(a) != 2 or len(b) != 2:
            raise VerifyException(f"onnx.Gemm multiplies matrices, got {list(a)} and {list(b)}")
        inner = (a[0] if self.trans_a else a[1], b[1] if self.trans_b else b[0])
        if DYNAMIC_INDEX not in inner and inner[0] != inner[1]:
            raise VerifyException(
                f"onnx.Gemm has inner dimensions {inner[0]} and {inner[1]} that differ"
            )


class MatMul(OnnxOp):
    """A [.., M, K] times B [.., K, N], leading axes broadcast as in numpy."""

    name = "onnx.MatMul"
    op_type = "MatMul"
    traits = PURE

    a = Input(0)
    b = Input(1)

    def verify_structure(self) -> None:
        a, b = shape_of(self.a.type), shape_of(self.b.type)
        if not a or not b:
            return
        inner = (a[-1], b[max(len(b) - 2, 0)])
        if DYNAMIC_INDEX not in inner and inner[0] != inner[1]:
            raise VerifyException(
                f"onnx.MatMul has inner dimensions {inner[0]} and {inner[1]} that differ"
            )
