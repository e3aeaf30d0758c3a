"""What `op_processors` and `const_processors` change of a model before it is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from loguru import logger
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx import numpy_helper as arrays

from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.frontend.batch import BatchRepairs
from pulsar2.weights import AnyArray

_LOG_TYPES = {
    "float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL",
    **{f"{kind}int{bits}": f"{'U' if kind else 'S'}{bits}"
       for kind in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


@dataclass(frozen=True)
class ModelPatch:
    """New attributes by node name, new data by the name of a constant.

    Data are numbers in row-major order, or a file: `.npy`, `.txt` (numbers between blanks or
    commas), `.bin` (raw bytes of the constant's type). They keep the constant's type, and its shape
    where they are as many; else a `.npy` file brings its shape, and a constant of one dimension
    gets another length. `repairs` free the model's batch, after all else.
    """

    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    constants: Mapping[str, Sequence[float] | Path] = field(
        default_factory=dict[str, "Sequence[float] | Path"]
    )
    repairs: BatchRepairs = field(default_factory=BatchRepairs)

    def __bool__(self) -> bool:
        return bool(self.attributes or self.constants or self.repairs)

    def apply(self, model: ModelProto, folder: Path | None) -> None:
        """Changes `model`, whose external data lie in `folder`.

        Raises `UserError` with every name that the model lacks and every value that does not fit.
        """
        problems = Diagnostics()
        nodes = list(_nodes(model.graph))
        known = {n.name: n for n in nodes if n.name}
        for name, values in self.attributes.items():
            if name not in known:
                problems.error(
                    f"the model has no operator '{name}'", "op_processors", nearest(name, known)
                )
                continue
            for attribute, value in values.items():
                _set_attribute(known[name], attribute, value, model, problems)
        constants = _constants(model.graph, nodes)
        for name, data in self.constants.items():
            if name not in constants:
                problems.error(
                    f"the model has no constant '{name}'",
                    "const_processors",
                    nearest(name, constants),
                )
                continue
            try:
                _set_data(constants[name], name, data, folder)
            except UserError as error:
                problems.errors += error.diagnostics
        problems.raise_if_any()
        self.repairs.apply(model)


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _nodes(inner)


def _constants(graph: GraphProto, nodes: Sequence[NodeProto]) -> dict[str, TensorProto]:
    found = {t.name: t for t in graph.initializer}
    for node in nodes:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found


def _set_attribute(
    node: NodeProto, name: str, value: Any, model: ModelProto, problems: Diagnostics
) -> None:
    where = f"op_processors: operator '{node.name}' ({node.op_type})"
    old = next((a for a in node.attribute if a.name == name), None)
    kind: int = old.type if old is not None else AttributeProto.UNDEFINED
    versions = {o.domain: o.version for o in model.opset_import}
    try:
        schema = onnx.defs.get_schema(
            node.op_type, versions.get(node.domain, onnx.defs.onnx_opset_version()), node.domain
        )
    except onnx.defs.SchemaError:
        schema = None
    if schema is not None:
        if name not in schema.attributes:
            known = sorted(schema.attributes)
            hint = nearest(name, known) or f"it has {', '.join(known) or 'none'}"
            problems.error(f"it has no attribute '{name}'", where, hint)
            return
        declared: Any = schema.attributes[name].type  # the stubs lack what pybind11 gives enums
        kind = int(declared.value)
    try:
        made = helper.make_attribute(name, _as_kind(value, kind), attr_type=kind or None)
    except (TypeError, ValueError):
        problems.error(
            f"the attribute '{name}' cannot be {value!r}", where, f"expected {_KINDS.get(kind, '')}"
        )
        return
    if old is not None:
        old.CopyFrom(made)
    else:
        node.attribute.append(made)
    logger.info("set op [{}] attr [{}] to {}", node.name, name, value)


_KINDS: dict[int, str] = {
    AttributeProto.UNDEFINED: "a number, a text or a list",
    AttributeProto.INT: "an integer",
    AttributeProto.FLOAT: "a number",
    AttributeProto.STRING: "a text",
    AttributeProto.INTS: "a list of integers",
    AttributeProto.FLOATS: "a list of numbers",
    AttributeProto.STRINGS: "a list of texts",
}
_OF_LISTS: dict[int, int] = {
    AttributeProto.INTS: AttributeProto.INT,
    AttributeProto.FLOATS: AttributeProto.FLOAT,
    AttributeProto.STRINGS: AttributeProto.STRING,
}


def _as_kind(value: Any, kind: int) -> Any:
    """`value` as an attribute of that kind takes it; ValueError where it does not."""
    if kind in _OF_LISTS and isinstance(value, list):
        return [_as_kind(item, _OF_LISTS[kind]) for item in cast(list[Any], value)]
    if kind == AttributeProto.UNDEFINED:
        return value
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if kind == AttributeProto.INT and whole:
        return int(value)
    if kind == AttributeProto.FLOAT and isinstance(value, int | float):
        return float(value)
    if kind == AttributeProto.STRING and isinstance(value, str):
        return value
    raise ValueError


def _set_data(
    tensor: TensorProto, name: str, data: Sequence[float] | Path, folder: Path | None
) -> None:
    where = f"const_processors: constant '{name}'"
    try:
        old = arrays.to_array(tensor, "" if folder is None else str(folder))
    except (OSError, ValueError) as error:
        raise UserError.of(f"its data cannot be read: {error}", where) from None
    if isinstance(data, Path):
        values = _read(data, old.dtype, where)
    else:
        values = np.asarray(data, np.float64)
    if values.size == old.size:
        values = values.reshape(old.shape)
    elif values.ndim > 1 or old.ndim > 1:
        given_shape = isinstance(data, Path) and data.suffix == ".npy"
        if not given_shape:
            raise UserError.of(
                f"it has {old.size} elements of shape {list(old.shape)}, given are {values.size}",
                where,
                f"{old.size} numbers, or a .npy file",
            )
    with np.errstate(invalid="ignore", over="ignore"):
        converted = values.astype(old.dtype)
    if old.dtype.kind in "iu" and not np.array_equal(converted.astype(values.dtype), values):
        raise UserError.of(f"its type {old.dtype} cannot hold all values given", where)
    tensor.CopyFrom(arrays.from_array(converted, tensor.name))
    shape = ", ".join(map(str, converted.shape))
    kind = _LOG_TYPES.get(old.dtype.name, old.dtype.name)
    logger.warning("update data of const tensor [{}], ({}), {}", name, shape, kind)


def _read(path: Path, dtype: np.dtype[Any], where: str) -> AnyArray:
    accepted = "a .npy, .txt or .bin file"
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".txt":
            return np.array([float(v) for v in path.read_text().replace(",", " ").split()])
        if path.suffix == ".bin":
            return np.frombuffer(path.read_bytes(), dtype)
    except OSError as error:
        raise UserError.of(f"cannot read {path}: {error.strerror or error}", where) from None
    except ValueError as error:
        raise UserError.of(f"{path}: {error}", where, accepted) from None
    raise UserError.of(f"{path} is of an unknown kind", where, accepted)
