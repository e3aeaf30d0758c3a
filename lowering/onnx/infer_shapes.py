"""The pass `onnx-infer-shapes`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx.inference import InferenceError, ShapeInference
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.locations import place_of
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature


@dataclass(frozen=True)
class InferShapesPass(AxPass):
    """Infers the type of every result from the function's arguments on.

    ONNX's own shape inference does it, operation by operation. Small tensors that follow from
    constants and from known shapes are computed, because the shapes of Reshape, Slice, Expand,
    Resize and others follow from their values. What is not inferred keeps the type it has.

    Precondition: none. Postcondition: the function's result types are those of what it returns. An
    operation whose operands do not fit is an error, and all of them are reported.

    ```
    %0 = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<*xf32>
    ```
    becomes
    ```
    %0 = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    ```
    """

    name = "onnx-infer-shapes"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        diagnostics = Diagnostics()
        inference = ShapeInference(ctx.weights)
        for op in module.ops:
            if isinstance(op, FuncOp) and op.body.first_block is not None:
                _infer_block(op.body.block, inference, diagnostics, nested=False)
                update_signature(op)
        diagnostics.raise_if_any()


def _infer_block(
    block: Block, inference: ShapeInference, diagnostics: Diagnostics, *, nested: bool
) -> None:
    for op in block.ops:
        for region in op.regions:
            if region.first_block is not None:
                _infer_block(region.block, inference, diagnostics, nested=True)
        if isinstance(op, OnnxOp):
            try:
                inference.update(op)
            except InferenceError as error:
                # What stands in a region may never run.
                if not nested:
                    diagnostics.error(f"{op.name}: {error}", place_of(op), source=op)
