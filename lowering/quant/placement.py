"""The mark of operations that go to the CPU: `quant.cpu`, a dictionary that says why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Operation

from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.locations import node_name
from pulsar2.lowering.quant.stored import is_constant_op
from pulsar2.lowering.quant.support import Refusal

CPU = "quant.cpu"
"""Attribute of an operation of the `onnx` dialect that runs on the CPU."""

CHOSEN = "chosen"
"""The kind of a mark that is a person's choice, and stays whatever the chip could do."""


@dataclass(frozen=True)
class CpuNode:
    """A node that runs on the CPU, and why."""

    node: str
    operator: str
    why: Refusal


def mark_cpu(op: Operation, why: Refusal) -> None:
    entries = {k: StringAttr(v) for k, v in asdict(why).items() if v}
    op.attributes[CPU] = DictionaryAttr(dict(sorted(entries.items())))


def mark_along(ops: Iterable[Operation], neighbours: Iterable[Operation]) -> None:
    """Marks operations that were put in beside others, where all of these are on the CPU."""
    others = [n for n in neighbours if isinstance(n, OnnxOp)]
    if others and all(is_on_cpu(n) for n in others):
        for op in ops:
            if isinstance(op, OnnxOp) and not is_constant_op(op):
                mark_cpu(op, Refusal("neighbour", "it prepares data of operators on the CPU"))


def is_on_cpu(op: Operation, *, chosen: bool = False) -> bool:
    """Whether an operation is marked; with `chosen`, by a person."""
    reason = reason_of(op)
    return reason is not None and (not chosen or reason.kind == CHOSEN)


def reason_of(op: Operation) -> Refusal | None:
    """Why an operation runs on the CPU, None where it is not marked."""
    mark = op.attributes.get(CPU)
    if not isinstance(mark, DictionaryAttr):
        return None
    fields = {k: v.data for k, v in mark.data.items() if isinstance(v, StringAttr)}
    fields = {k: v for k, v in fields.items() if k in Refusal.__dataclass_fields__}
    return Refusal(**{"kind": CHOSEN, "message": "", **fields})


def cpu_nodes(module: ModuleOp) -> Iterator[CpuNode]:
    """The nodes of `module` that are marked, in order."""
    for op in module.walk():
        why = reason_of(op)
        if why is not None and isinstance(op, OnnxOp):
            operator = f"{op.domain}.{op.function}" if isinstance(op, Custom) else op.op_type
            yield CpuNode(node_name(op), operator, why)
