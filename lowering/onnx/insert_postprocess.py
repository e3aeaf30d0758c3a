"""The pass `onnx-insert-postprocess`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.types import shape_of
from pulsar2.locations import name_location, node_name, output_names
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.placement import mark_along
from pulsar2.lowering.quant.ranges import range_of, write_ranges
from pulsar2.onnx_export import tensor_names
from pulsar2.onnx_import import OUTPUT_NAMES

_TEXT = re.compile(r"(.*)\s+perm=([\d,]+)")


@dataclass(frozen=True)
class InsertPostprocessPass(AxPass):
    """Makes the graph's outputs the runtime's: their axes in another order.

    The Transpose of an output is named `<output>_Transpose`; its result takes over the output's
    name, and has the observed range of what it permutes, now `<output>_before_Transpose`.

    Options:
    - `outputs`: one text per output, its name and ` perm=0,2,3,1`, the axes in their new order.

    Precondition: `@main` is a float graph, calibrated or not.

    ```
    func.return %y : tensor<1x3x8x8xf32>
    ```
    becomes with `outputs="y perm=0,2,3,1"`
    ```
    %1 = onnx.Transpose(%y) {perm = array<i64: 0, 2, 3, 1>} : (..) -> tensor<1x8x8x3xf32>
    func.return %1 : tensor<1x8x8x3xf32>
    ```
    """

    name = "onnx-insert-postprocess"

    outputs: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        diagnostics = Diagnostics()
        perms = dict(filter(None, (_parse(text, diagnostics) for text in self.outputs if text)))
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                _check(op, perms, diagnostics)
                diagnostics.raise_if_any()
                _insert(ctx, op, perms)
        diagnostics.raise_if_any()


def _parse(text: str, diagnostics: Diagnostics) -> tuple[str, tuple[int, ...]] | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        diagnostics.error(f"'{text}' is not an output's name and perm=..", "option 'outputs'")
        return None
    return match.group(1), tuple(int(v) for v in match.group(2).split(",") if v)


def _check(function: FuncOp, perms: dict[str, tuple[int, ...]], diagnostics: Diagnostics) -> None:
    last = _returned(function)
    names = _names(function)
    for name, perm in perms.items():
        if name not in names:
            diagnostics.error(
                f"'{name}' is not an output of the graph",
                InsertPostprocessPass.name,
                nearest(name, names) or f"its outputs are {', '.join(names)}",
            )
            continue
        shape = shape_of(last.operands[names.index(name)].type)
        if shape is None or sorted(perm) != list(range(len(shape))):
            axes = "axes that are not known" if shape is None else f"{len(shape)} axes"
            diagnostics.error(
                f"perm={','.join(map(str, perm))} does not fit its {axes}",
                f"output '{name}'",
                "each axis once",
            )


def _insert(ctx: AxContext, function: FuncOp, perms: dict[str, tuple[int, ...]]) -> None:
    last = _returned(function)
    for index, name in enumerate(_names(function)):
        perm = perms.get(name)
        if perm is None or list(perm) == sorted(perm):
            continue
        made: list[Operation] = []
        value = last.operands[index]
        label = f"{name}_Transpose"
        op = OpBuilder(ctx.weights, made.append).op(
            "Transpose", [value], {"perm": perm}, location=name_location(label, [name])
        )
        _rename(value, f"{name}_before_Transpose")
        logger.info("postprocess tensor [{}]", name)
        logger.info("op: AxTranspose, {}", op.result.type)
        Rewriter.insert_op(made, InsertPoint.before(last))
        if isinstance(value, OpResult):
            mark_along(made, [value.op])
        last.operands[index] = op.result
        observed = range_of(value)
        if observed is not None:
            write_ranges(function, {op.result: observed})
    update_signature(function)


def _rename(value: SSAValue, name: str) -> None:
    """Gives the tensor that an operation computes another name."""
    if isinstance(value, OpResult):
        names = list(output_names(value.op))
        if value.index < len(names):
            names[value.index] = name
            value.op.location = name_location(node_name(value.op), names)


def _returned(function: FuncOp) -> ReturnOp:
    last = function.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last


def _names(function: FuncOp) -> list[str]:
    return tensor_names(function, OUTPUT_NAMES, "output", len(_returned(function).operands))
