"""The pass `onnx-eliminate-dead`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.control_flow import Yield
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass


@dataclass(frozen=True)
class EliminateDeadPass(AxPass):
    """Erases operations none of whose results is used. No ONNX operator has another effect.

    Precondition: none. Postcondition: every result-bearing operation has a result that is used.

    ```
    %0 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.Exp(%0) : (tensor<4xf32>) -> tensor<4xf32>
    func.return %0 : tensor<4xf32>
    ```
    becomes
    ```
    %0 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    func.return %0 : tensor<4xf32>
    ```
    """

    name = "onnx-eliminate-dead"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        _sweep(module.body.block)


def _sweep(block: Block) -> None:
    for op in reversed(list(block.ops)):
        used = any(result.first_use is not None for result in op.results)
        if isinstance(op, OnnxOp) and not isinstance(op, Yield) and not used:
            block.erase_op(op)
            continue
        for region in op.regions:
            for inner in region.blocks:
                _sweep(inner)
