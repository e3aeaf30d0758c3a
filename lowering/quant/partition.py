"""`quant-partition`: what the NPU runs, and what the CPU runs, moves into functions of its own."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, BoolAttr, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.onnx.control_flow import used_values, user_in
from pulsar2.locations import name_location, node_name, output_names, tensor_name
from pulsar2.lowering.analysis.batches import assign_batches
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.span import operations_between

SLICE_MODE, TILE_MODE = "ax.slice_mode", "ax.tile_mode"
"""Attributes of a subgraph that say how it is scheduled, whatever the others are."""
DDR_LIMIT = "ax.ddr_limit"
"""Attribute of a subgraph: the DDR bandwidth to plan with, in bytes per second; 0: none."""
RANGE_INDEX = "ax.range"
"""Attribute of a subgraph that lies in one of the ranges given: which one."""
DEVICE = "ax.device"
"""Attribute of a function that is a subgraph: which machine runs it."""
NPU, CPU = "NPU", "CPU"


@dataclass(frozen=True)
class QuantPartition(AxPass):
    """Outlines the operations of `@main` into private functions, one per subgraph.

    The `quant` operations, casts included, are the NPU's, all others the CPU's. Subgraphs run one
    after the other, and there are as few as can be: all that is ready of one machine, then all of
    the other, and so on, beginning with the machine that makes fewer of it. So no subgraph depends
    on itself through another. A constant goes to every subgraph that uses it.

    Options: `ranges`, subgraphs of the NPU that are to be for themselves: words `start=TENSOR` and
    `end=TENSOR`, each as often as need be, and `slice-mode=true|false`, `tile-mode=true|false` and
    `ddr-bw-limit=GB/s` for how it is scheduled. They become the attributes `ax.range` (which range
    it is), `ax.slice_mode`, `ax.tile_mode` and `ax.ddr_limit`. Names with blanks stand in quotes.

    Needs: a function `@main` of one block. Leaves: calls of `@subgraph_npu_0`, `@subgraph_cpu_0`
    and so on in `@main`, in the order in which they run; these functions carry the names of their
    inputs and outputs, and `ax.device`. Every tensor has a name of its own.

    ```
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = quant.qcast %x : ..
      ...
    // becomes
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = func.call @subgraph_npu_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
      func.return %0 : tensor<4xf32>
    }
    func.func private @subgraph_npu_0(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = quant.qcast %x : ..
      ...
    ```
    """

    name = "quant-partition"

    ranges: tuple[str, ...] = ()

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        ranges = [parse_range(text) for text in self.ranges if text]
        for op in list(module.ops):
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                partition(module, op, ranges)


@dataclass(frozen=True)
class TensorRange:
    """An NPU subgraph of its own: the tensors between which it lies, and how it is scheduled."""

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    slice_mode: bool | None = None
    ddr_bw_limit: float | None = None
    tile_mode: bool | None = None

    def __str__(self) -> str:
        """The text that `parse_range` reads."""
        words = [f"start={n}" for n in self.starts] + [f"end={n}" for n in self.ends]
        for word, mode in (("slice-mode", self.slice_mode), ("tile-mode", self.tile_mode)):
            if mode is not None:
                words.append(f"{word}={str(mode).lower()}")
        if self.ddr_bw_limit is not None:
            words.append(f"ddr-bw-limit={self.ddr_bw_limit!r}")
        return shlex.join(words)


def parse_range(text: str) -> TensorRange:
    """The range that `text` writes; `UserError` otherwise."""
    lists: dict[str, list[str]] = {
        key: [] for key in ("start", "end", "slice-mode", "tile-mode", "ddr-bw-limit")
    }
    problems = Diagnostics()
    for word in shlex.split(text):
        key, _, value = word.partition("=")
        if key not in lists or not value:
            accepted = f"{', '.join(f'{k}=..' for k in lists)}"
            problems.error(f"'{word}' is not part of a range", QuantPartition.name, accepted)
        lists.setdefault(key, []).append(value)
    limits = [_limit(word) for word in lists["ddr-bw-limit"]]
    if (
        not lists["start"]
        or not lists["end"]
        or any(m not in ("true", "false") for m in (*lists["slice-mode"], *lists["tile-mode"]))
        or None in limits
    ):
        accepted = "start=.. end=.. slice-mode=true|false tile-mode=true|false ddr-bw-limit=GB/s"
        problems.error(f"'{text}' is not a range", QuantPartition.name, accepted)
    problems.raise_if_any()
    slices, tiles = (
        lists[key][-1] == "true" if lists[key] else None for key in ("slice-mode", "tile-mode")
    )
    limit = limits[-1] if limits else None
    return TensorRange(tuple(lists["start"]), tuple(lists["end"]), slices, limit, tiles)


def _limit(word: str) -> float | None:
    """The GB/s of a word, None where it is no such number."""
    try:
        limit = float(word)
    except ValueError:
        return None
    return limit if math.isfinite(limit) and limit >= 0 else None


def bytes_per_second(limit: float) -> int:
    """The bytes per second of a limit in GB/s."""
    return round(limit * 1e9)


def device_of(func: FuncOp) -> str:
    """The machine that runs a function: NPU unless the function says otherwise."""
    found = func.attributes.get(DEVICE)
    return found.data if isinstance(found, StringAttr) else NPU


def partition(module: ModuleOp, main: FuncOp, ranges: Sequence[TensorRange] = ()) -> None:
    """Outlines the subgraphs of `main` behind it in `module`.

    Raises `UserError` for every range that cannot be a subgraph.
    """
    block = main.body.block
    terminator = block.last_op
    assert isinstance(terminator, ReturnOp)
    _name_tensors(block)
    last: Operation = main
    counts = {NPU: 0, CPU: 0}
    chosen = _members(block, ranges)
    for ops in _batches(block, chosen):
        device = _device(ops[0])
        name = f"subgraph_{device.lower()}_{counts[device]}"
        counts[device] += 1
        func, call = _outline(name, device, ops)
        within = chosen.get(ops[0])
        if within is not None:
            func.attributes[RANGE_INDEX] = IntegerAttr(within, i64)
            for name, mode in (
                (SLICE_MODE, ranges[within].slice_mode),
                (TILE_MODE, ranges[within].tile_mode),
            ):
                if mode is not None:
                    func.attributes[name] = BoolAttr.from_bool(mode)
            limit = ranges[within].ddr_bw_limit
            if limit is not None:
                func.attributes[DDR_LIMIT] = IntegerAttr(bytes_per_second(limit), i64)
        block.insert_op_before(call, terminator)
        module.body.block.insert_op_after(func, last)
        last = func
    for op in list(block.ops):
        if is_constant_like(op) and not op.results[0].uses:
            op.detach()
            op.erase()


def _name_tensors(block: Block) -> None:
    """Gives each tensor that has none, or one that is taken, a name: subgraphs meet by names."""
    taken = {tensor_name(a) for a in block.args}
    for op in block.ops:
        if is_constant_like(op) or not op.results:
            continue
        names: list[str] = []
        for index, result in enumerate(op.results):
            wanted = tensor_name(result) or f"{node_name(op) or op.name}_output_{index}"
            name, count = wanted, 0
            while name in taken:
                count += 1
                name = f"{wanted}_{count}"
            taken.add(name)
            names.append(name)
        if tuple(names) != output_names(op):
            op.location = name_location(node_name(op), names)


def _device(op: Operation) -> str:
    return NPU if op.name.startswith("quant.") else CPU


def _operations(block: Block) -> list[Operation]:
    return [op for op in block.ops if not is_constant_like(op) and not isinstance(op, ReturnOp)]


def _members(block: Block, ranges: Sequence[TensorRange]) -> dict[Operation, int]:
    """The range of each operation that lies in one."""
    ops = _operations(block)
    tensors = {tensor_name(v): v for v in (*block.args, *(r for op in ops for r in op.results))}
    problems = Diagnostics()
    chosen: dict[Operation, int] = {}
    for index, each in enumerate(ranges):
        where = f"subgraph from {', '.join(each.starts)} to {', '.join(each.ends)}"
        missing = [n for n in (*each.starts, *each.ends) if n not in tensors]
        for name in missing:
            accepted = nearest(name, tensors) or "--debug.dump_frontend_graph shows their names"
            problems.error(f"the quantized graph has no tensor '{name}'", where, accepted)
        if missing:
            continue
        starts, ends = ([tensors[n] for n in names] for names in (each.starts, each.ends))
        inside = operations_between(ops, starts, ends)
        if not inside:
            problems.error("no operator lies between its tensors", where)
        foreign = [node_name(op) for op in inside if _device(op) == CPU]
        if foreign:
            problems.error(f"the CPU runs a part of it: {', '.join(foreign)}", where)
        shared = [node_name(op) for op in inside if op in chosen]
        if shared:
            problems.error(f"another one has {', '.join(shared)} too", where)
        chosen |= dict.fromkeys(inside, index)
    problems.raise_if_any()
    return chosen


def _batches(block: Block, chosen: Mapping[Operation, int]) -> list[list[Operation]]:
    """The operations of each subgraph, in the order in which subgraphs run."""
    ops = _operations(block)
    numbers: dict[object, int] = {op: i for i, op in enumerate(ops)}
    needs = [[numbers[v.owner] for v in used_values(op) if v.owner in numbers] for op in ops]
    kinds = [chosen[op] + 2 if op in chosen else int(_device(op) == CPU) for op in ops]
    try:
        assigned = assign_batches(kinds, needs)
    except ValueError:
        raise UserError.of(
            "a subgraph with options of its own needs a result of what needs a result of it",
            accepted="other start and end tensors",
        ) from None
    batches: list[list[Operation]] = [[] for _ in range(max(assigned, default=-1) + 1)]
    for op, batch in zip(ops, assigned, strict=True):
        batches[batch].append(op)
    return batches


def _outline(name: str, device: str, ops: Sequence[Operation]) -> tuple[FuncOp, CallOp]:
    """The function of `ops`, and the call that takes their place (not yet in the block)."""
    inside = set(ops)
    home = ops[0].parent_block()
    assert home is not None
    inputs: dict[SSAValue, None] = {}
    constants: dict[Operation, None] = {}
    for op in ops:
        for value in used_values(op):
            owner = value.owner
            if isinstance(owner, Operation) and is_constant_like(owner):
                constants[owner] = None
            elif owner not in inside:
                inputs[value] = None
    outputs = [
        result
        for op in ops
        for result in op.results
        if any(user_in(home, use.operation) not in inside for use in result.uses)
    ]
    call = CallOp(name, list(inputs), [v.type for v in outputs])
    names = [tensor_name(v) for v in inputs], [tensor_name(v) for v in outputs]
    call.location = name_location(name, names[1])
    block = Block(arg_types=[v.type for v in inputs])
    for value, argument in zip(inputs, block.args, strict=True):
        argument.location = name_location(tensor_name(value))
        argument.name_hint = value.name_hint
        _replace(value, argument, home, inside, within=True)
    for constant in constants:
        copy = constant.clone()
        block.add_op(copy)
        copy.results[0].name_hint = constant.results[0].name_hint
        _replace(constant.results[0], copy.results[0], home, inside, within=True)
    for value, result in zip(outputs, call.results, strict=True):
        result.name_hint = value.name_hint
        _replace(value, result, home, inside, within=False)
    for op in ops:
        op.detach()
        block.add_op(op)
    returned = ReturnOp(*outputs)
    returned.location = name_location(name)
    block.add_op(returned)
    types = [v.type for v in inputs], [v.type for v in outputs]
    func = FuncOp(name, types, Region(block), "private")
    func.location = name_location(name)
    func.attributes[DEVICE] = StringAttr(device)
    func.attributes["ax.input_names"] = ArrayAttr([StringAttr(n) for n in names[0]])
    func.attributes["ax.output_names"] = ArrayAttr([StringAttr(n) for n in names[1]])
    return func, call


def _replace(
    old: SSAValue, new: SSAValue, home: Block, inside: set[Operation], *, within: bool
) -> None:
    """Puts `new` where the operations `inside` use `old`, or, not `within`, where others do."""
    old.replace_uses_with_if(
        new,
        lambda use: (
            use.operation.parent_block() is not None
            and (user_in(home, use.operation) in inside) == within
        ),
    )
