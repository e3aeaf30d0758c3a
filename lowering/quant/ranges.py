"""Observed ranges in the IR, as calibration leaves them.

An operation holds `quant.ranges`, one `array<f32: min, max>` per result (empty where a result was
not observed); a function argument holds `quant.range` among its argument attributes.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, Float32Type, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, OpResult, SSAValue
from xdsl.utils.exceptions import PassFailedException
from xdsl.utils.hints import isa

RANGES = "quant.ranges"
RANGE = "quant.range"

Range = tuple[float, float]
"""Least and greatest number that a tensor was seen to hold."""


def _pair(attribute: Attribute, where: str) -> Range | None:
    if isa(attribute, DenseArrayBase[Float32Type]):
        values = attribute.get_values()
        if not values:
            return None
        if len(values) == 2 and values[0] <= values[1]:
            return float(values[0]), float(values[1])
    raise PassFailedException(f"{where} holds {attribute}, which is not array<f32: min, max>")


def _main_function(argument: BlockArgument) -> FuncOp | None:
    parent = argument.block.parent_op()
    return parent if isinstance(parent, FuncOp) else None


def range_of(value: SSAValue) -> Range | None:
    """The observed range of a tensor, or None where it was not observed."""
    if isinstance(value, BlockArgument):
        func = _main_function(value)
        if func is None or func.arg_attrs is None:
            return None
        found = func.arg_attrs.data[value.index].data.get(RANGE)
        return None if found is None else _pair(found, f"'{RANGE}' of an argument")
    assert isinstance(value, OpResult)
    op = value.op
    ranges = op.attributes.get(RANGES)
    if ranges is None:
        return None
    if not isa(ranges, ArrayAttr[Attribute]) or len(ranges) != len(op.results):
        raise PassFailedException(f"'{RANGES}' of {op.name} holds one range per result")
    return _pair(ranges.data[value.index], f"'{RANGES}' of {op.name}")


def write_ranges(func: FuncOp, ranges: Mapping[SSAValue, Range]) -> None:
    """Writes the observed ranges of `func`'s values into its IR."""
    of_ops: dict[Operation, dict[int, Range]] = {}
    of_arguments: dict[int, Range] = {}
    for value, pair in ranges.items():
        if isinstance(value, BlockArgument):
            of_arguments[value.index] = pair
        else:
            assert isinstance(value, OpResult)
            of_ops.setdefault(value.op, {})[value.index] = pair
    for op, pairs in of_ops.items():
        op.attributes[RANGES] = ArrayAttr(
            [DenseArrayBase.from_list(f32, list(pairs.get(i, ()))) for i in range(len(op.results))]
        )
    if of_arguments:
        before = func.arg_attrs.data if func.arg_attrs is not None else ()
        attributes = [
            dict(before[i].data) if i < len(before) else dict[str, Attribute]()
            for i in range(len(func.args))
        ]
        for index, pair in of_arguments.items():
            attributes[index][RANGE] = DenseArrayBase.from_list(f32, list(pair))
        func.arg_attrs = ArrayAttr([DictionaryAttr(a) for a in attributes])


def change_ranges(func: FuncOp, ranges: Mapping[SSAValue, Range]) -> None:
    """Writes ranges of some of `func`'s values; the others keep what they have."""
    values = [*func.args, *(r for op in func.body.block.ops for r in op.results)]
    kept = {v: pair for v in values if (pair := range_of(v)) is not None}
    write_ranges(func, {**kept, **ranges})
