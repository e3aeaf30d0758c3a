"""The pass `onnx-eliminate-common`."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation

from pulsar2.context import AxContext
from pulsar2.dialects.onnx.constant import NoValue
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.lowering.base import AxPass

_Known = MutableMapping[object, Operation]


@dataclass(frozen=True)
class EliminateCommonPass(AxPass):
    """Computes what is computed twice only once (common subexpression elimination).

    Two operations are the same when operator, operands, attributes and result types are; the first
    one stays, with its names. Operators that draw random numbers, operators of other domains and
    those with regions are left alone; a region reuses what the blocks around it have computed.

    ```
    %0 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %2 = onnx.Add(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    becomes
    ```
    %0 = onnx.Relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %2 = onnx.Add(%0, %0) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    ```
    """

    name = "onnx-eliminate-common"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for function in module.ops:
            for region in function.regions:
                for block in region.blocks:
                    _merge(block, {})


def _merge(block: Block, known: _Known) -> None:
    for op in list(block.ops):
        for region in op.regions:
            for inner in region.blocks:
                _merge(inner, ChainMap({}, known))  # pyright: ignore[reportArgumentType]
        if not isinstance(op, OnnxOp) or not _repeatable(op):
            continue
        key = (
            op.name,
            tuple(op.operands),
            tuple(sorted(op.attributes.items(), key=lambda item: item[0])),
            tuple(op.result_types),
        )
        first = known.setdefault(key, op)
        if first is not op:
            for old, new in zip(op.results, first.results, strict=True):
                old.replace_all_uses_with(new)
            block.erase_op(op)


def _repeatable(op: OnnxOp) -> bool:
    if isinstance(op, NoValue):
        return True
    spec = op.spec()
    return spec is not None and spec.deterministic and not op.regions and not isinstance(op, Custom)
