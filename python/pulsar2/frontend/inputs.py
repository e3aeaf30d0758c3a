"""The types of a graph's inputs, with the shapes that the user gives for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from loguru import logger
from onnx import GraphProto, TypeProto, ValueInfoProto
from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.ir import TypeAttribute

from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx.types import (
    element_of,
    from_type_proto,
    is_tensor,
    static_shape_of,
    tensor_type,
)
from pulsar2.frontend.check import constant_names

_NO_SYMBOL = re.compile(r"\W*|-?\d+|none|unk|unknown|dynamic", re.IGNORECASE)
"""Names of dimensions that exporters give to any that they do not know."""

_EXAMPLE_SIZE = {"batch": 1, "n": 1, "channels": 3, "height": 224, "width": 224}


def graph_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that a caller must give: those without an initializer."""
    constants = set(constant_names(graph))
    return [v for v in graph.input if v.name not in constants]


def input_types(
    inputs: Sequence[ValueInfoProto],
    shapes: Mapping[str, Sequence[int]],
    allow_dynamic: bool,
    diagnostics: Diagnostics,
) -> list[TypeAttribute | None]:
    """The type of each input, with a shape of `shapes` where there is one.

    A symbolic dimension of an input has the size that `shapes` gives to it elsewhere.

    Reports shapes for names that are no input, of another rank, or not positive; and inputs whose
    shape is not known, unless `allow_dynamic`. A wrong input has the type None.
    """
    names = [v.name for v in inputs]
    for name in shapes:
        if name not in names:
            diagnostics.error(
                f"input_shapes names '{name}', which is not an input of the model",
                accepted=nearest(name, names) or f"its inputs are {', '.join(map(repr, names))}",
            )
    sizes = _symbol_sizes(inputs, shapes)
    given = {v.name: shapes.get(v.name) or _shape_by_symbols(v, sizes) for v in inputs}
    types = [_input_type(v, given[v.name], diagnostics) for v in inputs]
    if not allow_dynamic:
        _refuse_dynamic(inputs, types, diagnostics)
    return types


def _symbol_sizes(
    inputs: Sequence[ValueInfoProto], shapes: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """The sizes that `shapes` gives to symbolic dimensions; the first one where they differ."""
    sizes: dict[str, int] = {}
    for info in inputs:
        declared, given = _declared_dims(info.type), shapes.get(info.name)
        if declared is None or given is None or len(declared) != len(given):
            continue
        for symbol, size in zip(declared, given, strict=True):
            if _NO_SYMBOL.fullmatch(symbol):
                continue
            if sizes.setdefault(symbol, size) != size:
                logger.warning(
                    "input_shapes: the dimension '{}' is {} for one input and {} for '{}'",
                    *(symbol, sizes[symbol], size, info.name),
                )
    return sizes


def _shape_by_symbols(info: ValueInfoProto, sizes: Mapping[str, int]) -> Sequence[int] | None:
    """The shape of an input whose symbolic dimensions all have known sizes, else None."""
    declared = _declared_dims(info.type)
    if declared is None or all(d.isdigit() for d in declared):
        return None
    if not all(d.isdigit() or d in sizes for d in declared):
        return None
    return [int(d) if d.isdigit() else sizes[d] for d in declared]


def _input_type(
    info: ValueInfoProto, shape: Sequence[int] | None, diagnostics: Diagnostics
) -> TypeAttribute | None:
    where = f"input '{info.name}'"
    try:
        type_ = from_type_proto(info.type)
    except (KeyError, ValueError) as error:
        diagnostics.error(f"its type is not supported: {error}", where)
        return None
    if shape is None:
        return type_
    if not is_tensor(type_):
        diagnostics.error("input_shapes gives a shape for an input that is not a tensor", where)
        return None
    if any(d < 1 for d in shape):
        diagnostics.error(
            f"input_shapes has {shape_text(shape)}, each dimension must be 1 or more", where
        )
        return None
    declared = _declared_dims(info.type)
    if declared is not None and len(declared) != len(shape):
        diagnostics.error(
            f"input_shapes has {len(shape)} dimensions ({shape_text(shape)}), but the model has "
            f"{len(declared)} ({'x'.join(declared)})",
            where,
        )
        return None
    element = element_of(type_)
    assert element is not None
    return tensor_type(element, tuple(shape))  # pyright: ignore


def changed_dimensions(
    inputs: Sequence[ValueInfoProto], shapes: Mapping[str, Sequence[int]]
) -> list[str]:
    """Sentences on the dimensions that the model fixes and `shapes` changes."""
    changes: list[str] = []
    for info in inputs:
        declared = _declared_dims(info.type)
        given = shapes.get(info.name)
        if declared is None or given is None:
            continue
        fixed = any(d.isdigit() and int(d) != g for d, g in zip(declared, given, strict=False))
        if fixed:
            changes.append(f"'{info.name}' from {'x'.join(declared)} to {shape_text(given)}")
    return changes


def _refuse_dynamic(
    inputs: Sequence[ValueInfoProto],
    types: Sequence[TypeAttribute | None],
    diagnostics: Diagnostics,
) -> None:
    dynamic = [
        v
        for v, t in zip(inputs, types, strict=True)
        if t is not None and is_tensor(t) and static_shape_of(t) is None
    ]
    if not dynamic:
        return
    example = ";".join(f"{v.name}:{_example(v.type)}" for v in dynamic)
    for info in dynamic:
        dims = _declared_dims(info.type)
        shape = "an unknown shape" if dims is None else f"the shape [{', '.join(dims)}]"
        diagnostics.error(
            f"has {shape}, but a model is compiled for fixed shapes",
            f"input '{info.name}'",
            f'give them with input_shapes, such as --input_shapes "{example}"',
        )


def _declared_dims(type_: TypeProto) -> list[str] | None:
    """The dimensions as the model spells them: a number, a symbol, or `?`."""
    if not type_.HasField("tensor_type") or not type_.tensor_type.HasField("shape"):
        return None
    return [
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?"
        for d in type_.tensor_type.shape.dim
    ]


def _example(type_: TypeProto) -> str:
    dims = _declared_dims(type_)
    if dims is None:
        return "1x3x224x224"
    sizes: list[str] = []
    for axis, dim in enumerate(dims):
        if dim.isdigit():
            sizes.append(dim)
        else:
            by_name = _EXAMPLE_SIZE.get(dim.lower())
            by_axis = 224 if len(dims) == 4 and axis >= 2 else 1
            sizes.append(str(by_name or by_axis))
    return "x".join(sizes)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the command line spells it: `1x3x224x224`."""
    return "x".join("?" if d == DYNAMIC_INDEX else str(d) for d in shape)
