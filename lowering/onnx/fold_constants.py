"""The pass `onnx-fold-constants`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import LocationAttr, ModuleOp, NoneType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Use

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.evaluate import EvaluationError, evaluate
from pulsar2.dialects.onnx.inference import InferenceError, ShapeInference
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.locations import name_location, node_name, output_names
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.weights import AnyArray

_CONTRACTIONS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
_KEPT = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"))


@dataclass(frozen=True)
class FoldConstantsPass(AxPass):
    """Computes at compile time what does not depend on the graph's inputs.

    That is every operation on constants, and every small integer tensor that follows from shapes
    (Shape, Size, and what is computed from them). QuantizeLinear and DequantizeLinear stay, because
    they say how a model is quantized; so do random operators and operators of other domains.

    Options:
    - `max-elements`: results of more elements are folded only if they are no larger than their
      operands together (an Expand or Tile of a small constant stays), or the weights or bias of a
      Conv, ConvTranspose, Gemm or MatMul, which the NPU takes as constants alone.

    Precondition: types are inferred. Postcondition: no deterministic operation within the limit has
    constant operands only.

    ```
    %0 = onnx.Shape(%x) : (tensor<2x3xf32>) -> tensor<2xi64>
    ```
    becomes
    ```
    %0 = onnx.Constant {value = dense<[2, 3]> : tensor<2xi64>} : tensor<2xi64>
    ```
    """

    name = "onnx-fold-constants"
    replaces = ("Constant", "ConstantOfShape")

    max_elements: int = 1 << 20

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        folder = _Folder(ctx, self.max_elements)
        for function in module.ops:
            for region in function.regions:
                for block in region.blocks:
                    folder.fold_block(block)
            if isinstance(function, FuncOp):
                update_signature(function)


class _Folder:
    def __init__(self, ctx: AxContext, max_elements: int):
        self._weights = ctx.weights
        self._max_elements = max_elements
        self._inference = ShapeInference(ctx.weights)

    def fold_block(self, block: Block) -> None:
        for op in list(block.ops):
            for region in op.regions:
                for inner in region.blocks:
                    self.fold_block(inner)
            if isinstance(op, OnnxOp) and self._is_candidate(op):
                try:
                    self._inference.settle(op)
                except InferenceError:
                    continue
                arrays = self._values(op)
                if arrays is not None:
                    self._replace(block, op, arrays)

    @staticmethod
    def _is_candidate(op: OnnxOp) -> bool:
        if isinstance(op, Constant | Custom) or op.regions or op.op_type in _KEPT:
            return False
        spec = op.spec()
        return spec is not None and spec.deterministic and bool(op.results)

    def _values(self, op: OnnxOp) -> list[AnyArray] | None:
        known = [k for k in (self._inference.value(r) for r in op.results) if k is not None]
        if len(known) == len(op.results) and sum(k.size for k in known) <= self._max_elements:
            return known
        operands: list[AnyArray | None] = []
        for value in op.operands:
            if isinstance(value.type, NoneType):
                operands.append(None)
            elif isinstance(value.owner, Constant):
                operands.append(value.owner.array(self._weights))
            else:
                return None
        if not self._fits(op, operands):
            return None
        try:
            return evaluate(op, operands, self._weights)
        except EvaluationError:
            return None

    def _fits(self, op: OnnxOp, operands: list[AnyArray | None]) -> bool:
        if any(_is_weight(use) for result in op.results for use in result.uses):
            return all(static_shape_of(result.type) is not None for result in op.results)
        allowed = max(self._max_elements, sum(a.size for a in operands if a is not None))
        size = 0
        for result in op.results:
            shape = static_shape_of(result.type)
            if shape is None:
                return False
            size += int(np.prod(shape, dtype=np.int64))
        return size <= allowed

    def _replace(self, block: Block, op: OnnxOp, arrays: list[AnyArray]) -> None:
        names = output_names(op)
        for index, (result, array) in enumerate(zip(op.results, arrays, strict=True)):
            location: LocationAttr = op.location
            if len(arrays) > 1 and index < len(names):
                location = name_location(node_name(op), [names[index]])
            constant = Constant.of(array, self._weights, location)
            block.insert_op_before(constant, op)
            constant.result.name_hint = result.name_hint
            result.replace_all_uses_with(constant.result)
        block.erase_op(op)


def _is_weight(use: Use) -> bool:
    """Whether a value is used as the weights or the bias of a contraction."""
    user = use.operation
    return isinstance(user, OnnxOp) and user.op_type in _CONTRACTIONS and use.index > 0
