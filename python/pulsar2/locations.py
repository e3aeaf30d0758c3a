"""ONNX names as locations.

An operation that carries out ONNX node N with outputs t1, t2 has the location
`loc("N"(fused["t1", "t2"]))`, with one output `loc("N"("t1"))`. These survive every rewrite, up to
the job's label in `trace.json` and the row of the precision table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    FusedLoc,
    LocationAttr,
    NameLoc,
    NoneAttr,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue


def name_location(name: str, outputs: Sequence[str] = ()) -> NameLoc:
    """The location of a node (or, without outputs, of a graph input) of that name."""
    child: Attribute
    if not outputs:
        child = NoneAttr()
    elif len(outputs) == 1:
        child = NameLoc(StringAttr(outputs[0]), NoneAttr())
    else:
        child = FusedLoc(
            ArrayAttr([NameLoc(StringAttr(o), NoneAttr()) for o in outputs]), NoneAttr()
        )
    return NameLoc(StringAttr(name), child)


def node_name(op: Operation) -> str:
    """The ONNX node that `op` carries out, or '' for an unknown location."""
    return location_name(op.location)


def place_of(op: Operation) -> str:
    """How messages name the place of `op`: by its ONNX node, '' when that is unknown."""
    name = node_name(op)
    return f"node '{name}'" if name else ""


def location_name(location: LocationAttr) -> str:
    return location.desc.data if isinstance(location, NameLoc) else ""


def output_names(op: Operation) -> tuple[str, ...]:
    """The ONNX names of the tensors that `op` results in, () when none are known."""
    if not isinstance(op.location, NameLoc):
        return ()
    child = op.location.location
    if isinstance(child, FusedLoc):
        names = cast(ArrayAttr[Attribute], child.locations)
        return tuple(n.desc.data for n in names if isinstance(n, NameLoc))
    return (child.desc.data,) if isinstance(child, NameLoc) else ()


def tensor_name(value: SSAValue) -> str:
    """The ONNX name of the tensor `value`, or ''."""
    if isinstance(value, BlockArgument):
        return location_name(value.location)
    op = value.owner
    assert isinstance(op, Operation)
    names = output_names(op)
    index = op.results.index(value)  # pyright: ignore
    return names[index] if index < len(names) else ""


def has_location(op: Operation) -> bool:
    return not isinstance(op.location, UnknownLoc)


def unique_name(base: str, taken: set[str]) -> str:
    """`base`, or else `base` with the first number that makes it a new name; it is taken then."""
    label, count = base, 0
    while label in taken:
        count += 1
        label = f"{base}_{count}"
    taken.add(label)
    return label
