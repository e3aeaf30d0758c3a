"""`quant-load-ranges`: observed ranges from a file into the IR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.locations import tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.ranges import Range, change_ranges, range_of, write_ranges

_ACCEPTED = 'expected an object such as {"tensor": [-1.0, 2.5]}'


@dataclass(frozen=True)
class QuantLoadRanges(AxPass):
    """Gives tensors the ranges that a file holds for them, as calibration would.

    The file is JSON: the least and greatest number by the tensor's ONNX name. Ranges that are
    already there stay where the file has none.

    Needs: `onnx` operations with their tensors' names as locations. Leaves: `quant.ranges` on the
    operations and `quant.range` on the arguments of the tensors in the file. Every name in the file
    must be a tensor's.

    Options: `file`, the path.

    ```
    // {"y": [0.0, 4.0]}
    %y = onnx.Relu(%x) : ..
    // becomes
    %y = onnx.Relu(%x) {quant.ranges = [array<f32: 0.0, 4.0>]} : ..
    ```
    """

    name = "quant-load-ranges"

    file: str

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        ranges = read_ranges(self.file)
        names: set[str] = set()
        for op in module.ops:
            if isinstance(op, FuncOp) and not op.is_declaration:
                names |= set(_named_values(op))
                apply_ranges(op, ranges)
        errors = Diagnostics()
        for name in sorted(set(ranges) - names):
            errors.error(f"the module has no tensor '{name}'", self.file, nearest(name, names))
        errors.raise_if_any()


def read_ranges(path: str) -> dict[str, Range]:
    """The ranges of a file; `UserError` with everything that is wrong with it."""
    try:
        content: object = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError.of(f"cannot read ranges: {error}", path) from None
    if not isinstance(content, dict):
        raise UserError.of("the file does not hold ranges by tensor name", path, _ACCEPTED)
    errors = Diagnostics()
    ranges = parse_ranges(cast(dict[str, object], content), path, errors)
    errors.raise_if_any()
    return ranges


def parse_ranges(content: Mapping[str, object], path: str, errors: Diagnostics) -> dict[str, Range]:
    """The ranges in an object of JSON from `path`; what is wrong goes into `errors`."""
    ranges: dict[str, Range] = {}
    for name, pair in content.items():
        numbers = cast(list[object], pair) if isinstance(pair, list) else []
        found = [float(n) for n in numbers if isinstance(n, int | float)]
        if len(numbers) == len(found) == 2 and -1e38 < found[0] <= found[1] < 1e38:
            ranges[name] = found[0], found[1]
        else:
            errors.error(f"'{name}' has no range of two ordered finite numbers", path, _ACCEPTED)
    return ranges


def ranges_by_name(func: FuncOp) -> dict[str, Range] | None:
    """The observed ranges of `func` by tensor name; None where a name does not tell one tensor."""
    named = _named_values(func)
    values = [*func.args, *(r for op in func.body.block.ops for r in op.results)]
    ranges: dict[SSAValue, Range] = {v: pair for v in values if (pair := range_of(v)) is not None}
    found = {name: ranges[v] for name, v in named.items() if v in ranges}
    return found if len(found) == len(ranges) else None


def apply_ranges(func: FuncOp, ranges: Mapping[str, Range]) -> None:
    """Gives the tensors of `func` their ranges; those that it lacks have no effect."""
    values = _named_values(func)
    write_ranges(func, {v: ranges[n] for n, v in values.items() if n in ranges})


def change_ranges_by_name(func: FuncOp, ranges: Mapping[str, Range]) -> None:
    """As `apply_ranges`, where other results of an operation keep what they have."""
    values = _named_values(func)
    change_ranges(func, {v: ranges[n] for n, v in values.items() if n in ranges})


def _named_values(func: FuncOp) -> dict[str, SSAValue]:
    values: dict[str, SSAValue] = {}
    for argument in func.args:
        values.setdefault(tensor_name(argument), argument)
    for op in func.body.block.ops:
        for result in op.results:
            values.setdefault(tensor_name(result), result)
    values.pop("", None)
    return values
