"""What keeps a model at its batch size, and how it is freed: for compiling it for other batches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from onnx import ModelProto, NodeProto, helper
from onnx import numpy_helper as arrays
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue
from xdsl.traits import Pure

from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.locations import node_name, place_of, tensor_name
from pulsar2.weights import WeightStore


@dataclass(frozen=True)
class BatchRepairs:
    """Changes to a model that let its first dimension grow.

    `shapes` are the shapes of Reshape nodes, by the tensor that they write, -1 in front. `tiles`
    are the operands of Concat nodes that depend on no input, and so have to be repeated `factor`
    times along the first dimension: by the tensor that the node writes, position and rank.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    tiles: Mapping[str, tuple[tuple[int, int], ...]] = field(
        default_factory=dict[str, tuple[tuple[int, int], ...]]
    )
    factor: int = 1

    def __bool__(self) -> bool:
        return bool(self.shapes or self.tiles)

    def apply(self, model: ModelProto) -> None:
        """Changes the nodes of the graph of `model`."""
        added: list[tuple[int, NodeProto]] = []
        for place, node in enumerate(model.graph.node):
            name = node.output[0] if node.output else ""
            if node.op_type == "Reshape" and name in self.shapes:
                constant = f"{name}/batch_shape"
                shape = np.array(self.shapes[name], np.int64)
                model.graph.initializer.append(arrays.from_array(shape, constant))
                node.input[1] = constant
            elif node.op_type == "Concat" and name in self.tiles:
                for index, rank in self.tiles[name]:
                    repeats = np.array([self.factor] + [1] * (rank - 1), np.int64)
                    constant, tiled = f"{name}/repeats_{index}", f"{name}/tiled_{index}"
                    model.graph.initializer.append(arrays.from_array(repeats, constant))
                    tile = helper.make_node("Tile", [node.input[index], constant], [tiled], tiled)
                    added.append((place, tile))
                    node.input[index] = tiled
        for place, node in reversed(added):
            model.graph.node.insert(place, node)


def batch_repairs(function: FuncOp, weights: WeightStore, kept: Collection[str]) -> BatchRepairs:
    """What has to change of an imported model for another batch; the factor is still to be set.

    A Reshape to a constant shape gets that shape as it is now, with -1 in front, unless 0 or -1
    stands there already. `kept` names the nodes and shape constants that the user has changed,
    which stay as they are.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    tiles: dict[str, tuple[tuple[int, int], ...]] = {}
    free = _independent(function)
    for op in function.body.block.ops:
        if not isinstance(op, OnnxOp) or not op.results:
            continue
        name = tensor_name(op.results[0])
        shape = static_shape_of(op.results[0].type)
        if not name or not shape or op.results[0] in free or node_name(op) in kept:
            continue
        if op.op_type == "Reshape":
            wanted = _constant_shape(op.operands[1], weights)
            if wanted and wanted[0] > 0 and tensor_name(op.operands[1]) not in kept:
                shapes[name] = (-1, *shape[1:])
        elif op.op_type == "Concat":
            fixed = tuple((i, len(shape)) for i, v in enumerate(op.operands) if v in free)
            if fixed and op.value_of("axis") % len(shape) != 0:
                tiles[name] = fixed
    return BatchRepairs(shapes, tiles)


def check_reshapes(function: FuncOp) -> None:
    """Raises `UserError` with every Reshape whose shape cannot hold what comes in."""
    problems = Diagnostics()
    for op in function.walk():
        if isinstance(op, OnnxOp) and op.op_type == "Reshape":
            shapes = [static_shape_of(v.type) for v in (op.operands[0], op.result)]
            given, wanted = shapes
            if given is not None and wanted is not None and prod(given) != prod(wanted):
                problems.error(
                    f"it cannot make {list(wanted)} of {list(given)}",
                    place_of(op),
                    "a shape with -1 in front; const_processors changes it",
                )
    problems.raise_if_any()


def _constant_shape(value: SSAValue, weights: WeightStore) -> tuple[int, ...]:
    owner = value.owner
    if not isinstance(owner, Constant):
        return ()
    return tuple(int(d) for d in owner.array(weights).reshape(-1))


def _independent(function: FuncOp) -> set[SSAValue]:
    """The values that follow from constants alone."""
    free: set[SSAValue] = set()
    for op in function.body.block.ops:
        pure = isinstance(op, OnnxOp) and op.has_trait(Pure) and not op.regions
        if pure and all(v in free for v in op.operands):
            free |= set(op.results)
    return free
