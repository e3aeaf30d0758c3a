"""`quant-set-attributes`: attributes of operators of the quantized graph, as a person wants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

from loguru import logger
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.quant import CastOp, DCastOp, QCastOp, RequantizeOp, ReshapeOp, UnaryOp
from pulsar2.dialects.quant.types import element_type, shape_of
from pulsar2.locations import node_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.quant_axmodel.schema import attribute_names, attribute_value, ax_type, shown_value

_ACCEPTED = 'an object such as {"op_name": "Flatten_4", "attrs": {"shape": [1, -1]}}'
_ELEMENTWISE = (CastOp, DCastOp, QCastOp, RequantizeOp, UnaryOp)


@dataclass(frozen=True)
class QuantSetAttributes(AxPass):
    """Changes attributes of operators by their names, and checks the graph that it gives.

    Operators and attributes have the names that they have in `quant_axmodel.onnx`; an `AxReshape`
    has its `shape`, in which one dimension may be -1 and 0 is the input's, and casts and functions
    of its elements take the shape on. Other results keep theirs, so a value that asks for another
    shape is an error.
    Names that the graph lacks are told with those that are near, and every mistake at once.

    Needs: `quant` operations, before `quant-partition`.

    Options: `operators`, each a JSON text of `op_name` and `attrs`.

    ```
    %1 = quant.reshape %0 : tensor<1x8x2x2xf32> -> tensor<1x32xf32> loc("Flatten_4"("y"))
    // becomes with operators={"op_name": "Flatten_4", "attrs": {"shape": [32, 1]}}
    %1 = quant.reshape %0 : tensor<1x8x2x2xf32> -> tensor<32x1xf32> loc("Flatten_4"("y"))
    ```
    """

    name = "quant-set-attributes"

    operators: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        wanted = [_read(text) for text in self.operators if text]
        for op in module.ops:
            if wanted and isinstance(op, FuncOp) and op.sym_name.data == "main":
                _apply(op, wanted)


def attributes_option(name: str, attributes: dict[str, Any]) -> str:
    """One operator of the pass's option."""
    return json.dumps({"op_name": name, "attrs": attributes})


def _read(text: str) -> tuple[str, dict[str, Any]]:
    try:
        value: Any = json.loads(text)
        name, attributes = value["op_name"], value["attrs"]
    except (ValueError, KeyError, TypeError):
        name, attributes = None, None
    if not isinstance(name, str) or not isinstance(attributes, dict):
        raise UserError.of(f"{text} is not the attributes of an operator", "operators", _ACCEPTED)
    return name, cast("dict[str, Any]", attributes)


def _apply(function: FuncOp, wanted: Sequence[tuple[str, dict[str, Any]]]) -> None:
    block = function.body.block
    known = {
        node_name(op): op
        for op in block.ops
        if not is_constant_like(op) and not isinstance(op, ReturnOp)
    }
    problems = Diagnostics()
    changed: list[Operation] = []
    for name, attributes in wanted:
        where = f"quant_op_processors: operator '{name}'"
        op = known.get(name)
        if op is None:
            problems.error(
                f"the quantized graph has no operator '{name}'",
                "quant_op_processors",
                nearest(name, known)
                or f"see the names in quant_axmodel.onnx, such as {min(known)}",
            )
            continue
        if is_on_cpu(op):
            problems.error("it runs on the CPU, as the model has it", where, "op_processors", op)
            continue
        where += f" ({ax_type(op)})"
        for attribute, value in attributes.items():
            names = attribute_names(op)
            if attribute not in names:
                hint = nearest(attribute, names) or f"it has {', '.join(names) or 'none'}"
                problems.error(f"it has no attribute '{attribute}'", where, hint, op)
                continue
            try:
                _set(op, attribute, value)
            except ValueError as error:
                problems.error(
                    f"the attribute '{attribute}' cannot be {value!r}", where, str(error), op
                )
                continue
            logger.info("set op [{}] attr [{}] to {}", name, attribute, value)
        changed.append(op)
    problems.raise_if_any()
    _verify(changed, problems)
    problems.raise_if_any()
    update_signature(function)


def _set(op: Operation, name: str, value: Any) -> None:
    """Sets one attribute. ValueError says what would be accepted."""
    if isinstance(op, ReshapeOp) and name == "shape":
        _reshape(op.y, _shape(value, shape_of(op.x), shape_of(op.y)))
        return
    present = op.properties.get(name)
    try:
        made = attribute_value(op, name, value)
    except ValueError:
        told = "it is not set" if present is None else f"it is {shown_value(present)}"
        raise ValueError(told) from None
    if made is None:
        op.properties.pop(name, None)
    else:
        op.properties[name] = made


def _reshape(value: SSAValue, shape: tuple[int, ...]) -> None:
    """Gives a tensor another shape, and with it what is computed element by element of it alone."""
    before = shape_of(value)
    made = Rewriter.replace_value_with_new_type(value, TensorType(element_type(value), shape))
    for use in list(made.uses):
        if isinstance(use.operation, _ELEMENTWISE) and shape_of(use.operation.results[0]) == before:
            _reshape(use.operation.results[0], shape)


def _shape(value: Any, given: tuple[int, ...], present: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of as many elements as the present one, as ONNX's Reshape reads it.

    A dimension of 0 is that of the input at its place, one of -1 is what remains.
    """
    items: list[Any] = list(cast("list[Any]", value)) if isinstance(value, list) else []
    for index, length in enumerate(given[: len(items)]):
        if type(items[index]) is int and items[index] == 0:
            items[index] = length
    size = prod(present)
    known = [i for i in items if type(i) is int and i >= 1]
    free = sum(type(i) is int and i == -1 for i in items)
    fits = size % prod(known) == 0 if free else size == prod(known)
    if not items or len(known) + free != len(items) or free > 1 or not fits:
        raise ValueError(
            f"it is {list(present)}: {size} elements, one dimension may be -1, and 0 is the input's"
        )
    return tuple(size // prod(known) if i == -1 else i for i in items)


def _verify(changed: Sequence[Operation], problems: Diagnostics) -> None:
    """Holds what has changed, and what reads it, against what their operators ask for."""
    readers = (use.operation for op in changed for r in op.results for use in r.uses)
    for op in dict.fromkeys((*changed, *readers)):
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            text = str(error).strip().splitlines()[-1].strip()
            problems.error(
                f"the graph does not fit together: {text}",
                f"quant_op_processors: operator '{node_name(op)}'",
                source=op,
            )
