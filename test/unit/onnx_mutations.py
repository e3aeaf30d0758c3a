"""ONNX models with mistakes in them: valid ones, changed at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto

_INTEGERS = (-1, 0, 1, 2, 7, -5, 1 << 40, -(1 << 62))
_FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e30)
_TEXTS = (b"", b"xyz", b"\xff\xfe", b"linear", b"constant")
_TYPES = (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 16, 17, 21, 22, 99)
_EXTENTS = (0, 1, 2, 5, -3, 1 << 31)
_OPSETS = (1, 6, 7, 8, 9, 10, 11, 12, 13, 18, 21, 25, 28, 0, -1, 30)


class Mutator:
    """Makes mistakes in models, always the same ones for a seed.

    `operators` are the names that a node may get.
    """

    def __init__(self, seed: int, operators: Sequence[str]):
        self._random = Random(seed)
        self._operators = operators

    def mutated(self, models: Sequence[ModelProto]) -> ModelProto:
        """One of the models, with one to three mistakes."""
        made = ModelProto()
        made.CopyFrom(self._random.choice(models))
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            # Protobuf refuses some values, and a model may have nothing of a kind to change.
            with suppress(ValueError, TypeError, IndexError):
                self._change(made)
        return made

    def _change(self, model: ModelProto) -> None:
        graph = self._random.choice(list(_graphs(model.graph)))
        node = self._random.choice(graph.node)
        self._random.choice(
            (
                lambda: self._input(graph, node),
                lambda: node.input.pop(self._random.randrange(len(node.input))),
                lambda: node.input.append(self._name(graph)),
                lambda: node.output.pop(self._random.randrange(len(node.output))),
                lambda: node.attribute.pop(self._random.randrange(len(node.attribute))),
                lambda: self._attribute(self._random.choice(node.attribute)),
                lambda: self._attribute_type(self._random.choice(node.attribute)),
                lambda: setattr(node, "op_type", self._random.choice(self._operators)),
                lambda: self._type(self._random.choice(_values(graph))),
                lambda: self._initializer(graph),
                lambda: graph.node.pop(self._random.randrange(len(graph.node))),
                lambda: setattr(self._random.choice(graph.output), "name", self._name(graph)),
                lambda: graph.node.add().CopyFrom(node),
                lambda: self._opset(model),
            )
        )()

    def _name(self, graph: GraphProto) -> str:
        names = [n for node in graph.node for n in (*node.input, *node.output)]
        return self._random.choice(["", "nowhere", *names, *(i.name for i in graph.input)])

    def _input(self, graph: GraphProto, node: NodeProto) -> None:
        node.input[self._random.randrange(len(node.input))] = self._name(graph)

    def _attribute(self, attribute: AttributeProto) -> None:
        choice = self._random.choice
        if attribute.type == AttributeProto.INT:
            attribute.i = choice(_INTEGERS)
        elif attribute.type == AttributeProto.INTS:
            place = self._random.randrange(len(attribute.ints) + 1)
            attribute.ints[place:] = [choice(_INTEGERS), *attribute.ints[place + choice((0, 1)) :]]
        elif attribute.type == AttributeProto.FLOAT:
            attribute.f = choice(_FLOATS)
        elif attribute.type == AttributeProto.STRING:
            attribute.s = choice(_TEXTS)
        elif attribute.type == AttributeProto.TENSOR:
            attribute.t.data_type = choice(_TYPES)

    def _attribute_type(self, attribute: AttributeProto) -> None:
        attribute.type = self._random.choice(AttributeProto.AttributeType.values())

    def _type(self, value: ValueInfoProto) -> None:
        tensor = value.type.tensor_type
        kind = self._random.randrange(4)
        if kind == 0:
            tensor.elem_type = self._random.choice(_TYPES)
        elif kind == 1:
            self._random.choice(tensor.shape.dim).dim_value = self._random.choice(_EXTENTS)
        elif kind == 2:
            tensor.shape.dim.pop(self._random.randrange(len(tensor.shape.dim)))
        else:
            tensor.shape.dim.add().dim_value = self._random.choice((1, 2))

    def _initializer(self, graph: GraphProto) -> None:
        tensor = self._random.choice(graph.initializer)
        kind = self._random.randrange(4)
        if kind == 0:
            tensor.data_type = self._random.choice(_TYPES)
        elif kind == 1:
            tensor.dims[self._random.randrange(len(tensor.dims))] = self._random.choice(_EXTENTS)
        elif kind == 2:
            tensor.raw_data = tensor.raw_data[:-1]
        else:
            tensor.name = "renamed"

    def _opset(self, model: ModelProto) -> None:
        self._random.choice(model.opset_import).version = self._random.choice(_OPSETS)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    if graph.node:
        yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _values(graph: GraphProto) -> list[Any]:
    values = (*graph.input, *graph.output, *graph.value_info)
    return [v for v in values if v.type.HasField("tensor_type")]
