"""The pass `onnx-canonicalize-spatial`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.conv import Conv, ConvTranspose
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import OnnxPattern, Replacement, run_patterns

# What each window attribute has for the axis that is added: pads have it at two places.
_ADDED = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0, "output_shape": 1}


@dataclass(frozen=True)
class CanonicalizeSpatialPass(AxPass):
    """Turns convolutions and poolings over one spatial axis into ones over two.

    The new axis, of extent 1, is the first of the two. Weights that are constants are reshaped, and
    so are the integers that a DequantizeLinear makes weights of; the operand and the result are
    reshaped by Reshape.

    Precondition: types are inferred; `onnx-canonicalize-windows` has run. Postcondition: no Conv,
    ConvTranspose or pooling of known shapes has one spatial axis.

    ```
    %0 = onnx.Conv(%x, %w) : (tensor<1x3x8xf32>, tensor<4x3x3xf32>) -> tensor<1x4x6xf32>
    ```
    becomes
    ```
    %1 = onnx.Reshape(%x, %s1) : (tensor<1x3x8xf32>, tensor<4xi64>) -> tensor<1x3x1x8xf32>
    %2 = onnx.Conv(%1, %w2) : (tensor<1x3x1x8xf32>, tensor<4x3x1x3xf32>) -> tensor<1x4x1x6xf32>
    %0 = onnx.Reshape(%2, %s2) : (tensor<1x4x1x6xf32>, tensor<3xi64>) -> tensor<1x4x6xf32>
    ```
    """

    name = "onnx-canonicalize-spatial"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        run_patterns(module, [_AddSpatialAxis(ctx.weights)])


class _AddSpatialAxis(OnnxPattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if (
            not isinstance(
                op,
                Conv | ConvTranspose | MaxPool | AveragePool | GlobalAveragePool | GlobalMaxPool,
            )
            or len(op.results) != 1
        ):
            return
        x, y = static_shape_of(op.x.type), static_shape_of(op.result.type)
        if x is None or y is None or len(x) != 3 or 0 in y:
            return  # a Reshape takes a 0 for something else
        dims = static_shape_of(op.weight.type) if isinstance(op, Conv | ConvTranspose) else x
        if dims is None:
            return
        new = Replacement(self, rewriter, op)
        operands: list[SSAValue] = [
            new.builder.op("Reshape", [op.x, new.shape((*x[:2], 1, x[2]))]).result
        ]
        if isinstance(op, Conv | ConvTranspose):
            operands.append(self._weight(new, op.weight, (*dims[:2], 1, dims[2])))
            operands.extend(op.operands[2:])
        attributes: dict[str, Any] = dict(op.attributes)
        for name, value in _ADDED.items():
            given = op.value_of(name) if name in op.attributes else None
            if given is not None:
                attributes[name] = (value, *given)
        if "pads" in op.attributes:
            begin, end = op.value_of("pads")
            attributes["pads"] = (0, begin, 0, end)
        made = new.builder.op(op.op_type, operands, attributes)
        back = new.builder.op("Reshape", [made.result, new.shape(y)])
        new.finish([back.result])

    def _weight(self, new: Replacement, value: SSAValue, wide: tuple[int, ...]) -> SSAValue:
        """The weights in the shape `wide`."""
        weight, dequantize = self.constant(value), value.owner
        if weight is not None:
            return new.constant(weight.reshape(wide), "weight")
        if isinstance(dequantize, OnnxOp) and dequantize.op_type == "DequantizeLinear":
            stored = self.constant(dequantize.operands[0])
            scale = static_shape_of(dequantize.operands[1].type)
            if stored is not None and scale is not None and len(scale) < 2:
                axis = int(dequantize.value_of("axis")) % stored.ndim
                attributes = {**dequantize.attributes, "axis": axis + (axis == stored.ndim - 1)}
                parts = [new.constant(stored.reshape(wide), "weight"), *dequantize.operands[1:]]
                return new.builder.op("DequantizeLinear", parts, attributes).result
        return new.builder.op("Reshape", [value, new.shape(wide)]).result
