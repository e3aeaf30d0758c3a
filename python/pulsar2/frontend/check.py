"""What must hold of an ONNX graph before it can be imported: names, order, operators.

All mistakes are collected, each with the node it is in.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

import onnx.defs
from onnx import AttributeProto, GraphProto, NodeProto

from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx.schema import onnx_schema

DEFAULT_DOMAINS = ("", "ai.onnx")


def node_label(node: NodeProto, index: int) -> str:
    """The name of a node, one made from its operator and place if it has none."""
    return node.name or f"{node.op_type}_{index}"


def subgraphs(node: NodeProto) -> Iterable[tuple[str, GraphProto]]:
    """The graph attributes of a node, by name."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.name, attribute.g


def constant_names(graph: GraphProto) -> list[str]:
    """The names of a graph's initializers."""
    return [t.name for t in graph.initializer] + [t.values.name for t in graph.sparse_initializer]


def free_names(node: NodeProto) -> set[str]:
    """The tensors that a node uses: its inputs, and what its subgraphs use from around them."""
    used = {name for name in node.input if name}
    for _, graph in subgraphs(node):
        used |= _outer_names(graph)
    return used


def _outer_names(graph: GraphProto) -> set[str]:
    own = {v.name for v in graph.input} | set(constant_names(graph))
    used = {v.name for v in graph.output}
    for node in graph.node:
        used |= free_names(node)
        own |= set(node.output)
    return used - own


def ordered_nodes(
    graph: GraphProto, outer: set[str], diagnostics: Diagnostics
) -> list[tuple[int, NodeProto]]:
    """The nodes with their places, each after those whose results it uses.

    Reports cycles, tensors that nothing defines, and tensors that two nodes define. Nodes that are
    in order already keep it.
    """
    defined = outer | {v.name for v in graph.input} | set(constant_names(graph))
    producer: dict[str, int] = {}
    for index, node in enumerate(graph.node):
        for name in node.output:
            if not name:
                continue
            if name in producer:
                first = graph.node[producer[name]]
                diagnostics.error(
                    f"the tensor '{name}' is defined by node "
                    f"'{node_label(first, producer[name])}' already",
                    _where(node, index),
                )
            producer[name] = index
    waits: list[set[int]] = []
    users: list[list[int]] = [[] for _ in graph.node]
    for index, node in enumerate(graph.node):
        needs: set[int] = set()
        for name in sorted(free_names(node)):
            if name in producer:
                needs.add(producer[name])
            elif name not in defined:
                hint = nearest(name, defined | producer.keys())
                diagnostics.error(
                    f"its input '{name}' is neither an input of the graph, nor an initializer, nor "
                    "the output of a node",
                    _where(node, index),
                    hint,
                )
        for need in needs:
            users[need].append(index)
        waits.append(needs)
    return _sorted_nodes(graph, waits, users, diagnostics)


def _sorted_nodes(
    graph: GraphProto,
    waits: list[set[int]],
    users: list[list[int]],
    diagnostics: Diagnostics,
) -> list[tuple[int, NodeProto]]:
    missing = [len(w) for w in waits]
    ready = [i for i, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for user in users[index]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, user)
    if len(order) < len(graph.node):
        cycle = _one_cycle(set(range(len(graph.node))) - set(order), waits)
        names = " -> ".join(f"'{node_label(graph.node[i], i)}'" for i in cycle)
        diagnostics.error(f"the graph has a cycle: {names}")
    return [(i, graph.node[i]) for i in order]


def _one_cycle(stuck: set[int], waits: list[set[int]]) -> list[int]:
    """One cycle among nodes that all wait, in the order of the data."""
    path: list[int] = []
    place: dict[int, int] = {}
    node = min(stuck)
    while node not in place:
        place[node] = len(path)
        path.append(node)
        node = min(waits[node] & stuck)
    cycle = [*path[place[node] :], node]
    return cycle[::-1]


def check_operators(graph: GraphProto, opsets: Mapping[str, int], diagnostics: Diagnostics) -> None:
    """Reports each node of the default domain whose operator the model's opset does not have."""
    version = opsets[""]
    for index, node in enumerate(graph.node):
        if node.domain in DEFAULT_DOMAINS:
            schema = onnx_schema(node.op_type, version)
            if schema is None or (schema.deprecated and node.op_type not in ("Scatter",)):
                state = "is not an operator of" if schema is None else "was removed from"
                diagnostics.error(
                    f"'{node.op_type}' {state} opset {version}",
                    _where(node, index),
                    nearest(node.op_type, _operators()),
                )
        elif node.domain not in opsets:
            diagnostics.error(
                f"the model does not import the domain '{node.domain}' of '{node.op_type}'",
                _where(node, index),
                f"it imports {', '.join(repr(d) for d in sorted(opsets))}",
            )
        for _, inner in subgraphs(node):
            check_operators(inner, opsets, diagnostics)


def _operators() -> list[str]:
    return sorted({s.name for s in onnx.defs.get_all_schemas() if s.domain == ""})


def _where(node: NodeProto, index: int) -> str:
    return f"node '{node_label(node, index)}' ({node.op_type})"
