"""`quant-store-outputs`: outputs leave the graph as the integers that they are stored as."""

from __future__ import annotations

from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.quant import DCastOp, RequantizeOp
from pulsar2.dialects.quant.types import UniformType, shape_of, storage_name, uniform_of
from pulsar2.locations import name_location, node_name, output_names
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.parameters import activation_type
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import OUTPUT_NAMES

_STORAGE = "u8"


@dataclass(frozen=True)
class QuantStoreOutputs(AxPass):
    """Returns outputs in U8: `scale * (stored - zero point)` is what they stand for.

    The `quant.dcast` that makes such an output FP32 goes. What is quantized, but not in U8, is
    requantized to U8 over the same range. The log tells scale and zero point of each.

    Needs: `quant` operations, before `quant-partition`. An output that the NPU does not quantize is
    an error.

    Options: `outputs`, their names.

    ```
    %2 = quant.dcast %1 : tensor<4x!quant.uniform<u8:f32, 0.1>> -> tensor<4xf32>
    func.return %2 : tensor<4xf32>
    // becomes with outputs=y
    func.return %1 : tensor<4x!quant.uniform<u8:f32, 0.1>>
    ```
    """

    name = "quant-store-outputs"

    outputs: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                _store(op, [name for name in self.outputs if name])


def _store(function: FuncOp, wanted: list[str]) -> None:
    last = function.body.block.last_op
    assert isinstance(last, ReturnOp)
    names = tensor_names(function, OUTPUT_NAMES, "output", len(last.operands))
    problems = Diagnostics()
    for name in wanted:
        if name not in names:
            problems.error(
                f"'{name}' is not an output of the graph",
                QuantStoreOutputs.name,
                nearest(name, names) or f"its outputs are {', '.join(names)}",
            )
            continue
        index = names.index(name)
        value = last.operands[index]
        cast = value.owner
        given = uniform_of(cast.x) if isinstance(cast, DCastOp) else None
        if not isinstance(cast, DCastOp) or given is None:
            problems.error(
                f"the output '{name}' is not quantized, so it has no form in U8",
                accepted="output_dtype FP32, or a data_type for the operator that makes it",
            )
            continue
        last.operands[index] = _in_storage(cast, given, name, last)
        if not value.uses:
            Rewriter.erase_op(cast)
    problems.raise_if_any()
    update_signature(function)


def _in_storage(cast: DCastOp, given: UniformType, name: str, last: Operation) -> SSAValue:
    """What `cast` dequantizes, in U8 and under the output's name."""
    stored = cast.x
    kept = storage_name(given.storage) == _STORAGE and isinstance(stored, OpResult)
    if kept and stored.has_one_use():
        assert isinstance(stored, OpResult)
        told = list(output_names(stored.op)) or [""] * len(stored.op.results)
        told[stored.index] = name
        stored.op.location = name_location(node_name(stored.op), told)
        type_ = given
        result: SSAValue = stored
    else:
        low, high = (float(given.scale) * (bound - given.zero_point) for bound in given.bounds)
        type_ = given if kept else activation_type(low, high, _STORAGE)
        made = RequantizeOp(stored, TensorType(type_, shape_of(stored)))
        made.location = name_location(f"{name}_Requantize", [name])
        Rewriter.insert_op(made, InsertPoint.before(last))
        result = made.results[0]
    logger.info(
        "output [{}] is U8: scale {}, zero point {}", name, float(type_.scale), type_.zero_point
    )
    return result
