"""`quant-load-decisions`: what was decided for layers, from a file into the IR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant.types import F32Array
from pulsar2.locations import node_name
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.load_ranges import change_ranges_by_name, parse_ranges, ranges_by_name
from pulsar2.lowering.quant.ranges import Range
from pulsar2.lowering.quant.rules.weight_scales import (
    given_bias_shifts,
    given_weight_scales,
    write_bias_shifts,
    write_weight_scales,
)
from pulsar2.weights import WeightStore

_ACCEPTED = (
    'expected an object such as {"ranges": {"tensor": [-1.0, 2.5]}, '
    '"weight_scales": {"node": [0.5, 0.25]}, "bias_shifts": {"node": [0.0, 0.125]}}'
)


@dataclass(frozen=True)
class QuantLoadDecisions(AxPass):
    """Gives tensors ranges, and operators scales of their weights and shifts of their biases, that
    a file holds, as a search for them would.

    The file is JSON of up to three objects: `ranges` by tensor, `weight_scales` and `bias_shifts`
    by node, a number per output channel.

    Needs: `onnx` operations with their nodes' names as locations. Leaves: `quant.ranges`,
    `quant.weight_scales` and `quant.bias_shifts` as the file has them; others stay. Every node in
    the file must be there.

    Options: `file`, the path.

    ```
    // {"weight_scales": {"conv_0": [0.5, 0.25]}}
    %y = onnx.Conv(%x, %w) : ..
    // becomes
    %y = onnx.Conv(%x, %w) {quant.weight_scales = dense<[0.5, 0.25]> : tensor<2xf32>} : ..
    ```
    """

    name = "quant-load-decisions"

    file: str

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        decisions = read_decisions(self.file)
        names: set[str] = set()
        for op in module.ops:
            if isinstance(op, FuncOp) and not op.is_declaration:
                names |= {node_name(o) for o in op.body.block.ops if isinstance(o, OnnxOp)}
                apply_decisions(op, decisions, ctx.weights)
        errors = Diagnostics()
        for name in sorted({*decisions.weight_scales, *decisions.bias_shifts} - names):
            errors.error(f"the module has no node '{name}'", self.file, nearest(name, names))
        errors.raise_if_any()


@dataclass(frozen=True)
class Decisions:
    """Ranges by tensor, and numbers per output channel by node."""

    ranges: Mapping[str, Range] = field(default_factory=dict[str, Range])
    weight_scales: Mapping[str, F32Array] = field(default_factory=dict[str, F32Array])
    bias_shifts: Mapping[str, F32Array] = field(default_factory=dict[str, F32Array])

    @staticmethod
    def of(func: FuncOp, weights: WeightStore) -> Decisions:
        """What the operators of a function hold."""
        ops = list(func.body.block.ops)
        scales = {node_name(op): given_weight_scales(op, weights) for op in ops}
        shifts = {node_name(op): given_bias_shifts(op, weights) for op in ops}
        return Decisions(
            ranges_by_name(func) or {},
            {name: found for name, found in scales.items() if found is not None},
            {name: found for name, found in shifts.items() if found is not None},
        )

    def text(self) -> str:
        """The content of a file that says the same."""
        content = {
            "ranges": dict(self.ranges),
            "weight_scales": {n: v.tolist() for n, v in self.weight_scales.items()},
            "bias_shifts": {n: v.tolist() for n, v in self.bias_shifts.items()},
        }
        return json.dumps(content, indent=1) + "\n"


def read_decisions(path: str) -> Decisions:
    """The content of a file; `UserError` with everything that is wrong with it."""
    try:
        content: object = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError.of(f"cannot read decisions: {error}", path) from None
    errors = Diagnostics()
    parts: dict[str, dict[str, object]] = {"ranges": {}, "weight_scales": {}, "bias_shifts": {}}
    given = cast(dict[str, object], content) if isinstance(content, dict) else {"": content}
    for key, part in given.items():
        if key in parts and isinstance(part, dict):
            parts[key] = cast(dict[str, object], part)
        else:
            errors.error(f"'{key}' is not one of the objects that decisions are", path, _ACCEPTED)
    found = Decisions(
        parse_ranges(parts["ranges"], path, errors),
        _numbers(parts["weight_scales"], path, errors),
        _numbers(parts["bias_shifts"], path, errors),
    )
    errors.raise_if_any()
    return found


def _numbers(part: Mapping[str, object], path: str, errors: Diagnostics) -> dict[str, F32Array]:
    found: dict[str, F32Array] = {}
    for name, value in part.items():
        listed = cast(list[object], value) if isinstance(value, list) else []
        numbers = [float(n) for n in listed if isinstance(n, int | float)]
        if listed and len(numbers) == len(listed):
            found[name] = np.asarray(numbers, np.float32)
        else:
            errors.error(f"'{name}' has no list of numbers", path, _ACCEPTED)
    return found


def apply_decisions(func: FuncOp, decisions: Decisions, weights: WeightStore) -> None:
    """Gives the tensors and nodes of `func` what was decided; those it lacks have no effect."""
    change_ranges_by_name(func, decisions.ranges)
    for op in func.body.block.ops:
        name = node_name(op)
        if not isinstance(op, OnnxOp):
            continue
        if name in decisions.weight_scales:
            write_weight_scales(op, decisions.weight_scales[name], weights)
        if name in decisions.bias_shifts:
            write_bias_shifts(op, decisions.bias_shifts[name], weights)
