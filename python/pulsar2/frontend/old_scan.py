"""Scan of opset 8, which has a batch dimension that no later opset has, as Scan of opset 9.

A Scan of n samples is n of the later ones, each on its own sample. ONNX's version converter does
not know that, so these nodes go through it under a name of their own, and are written anew then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from onnx import AttributeProto, ModelProto, NodeProto, helper, shape_inference

from pulsar2.diagnostics import Diagnostics
from pulsar2.frontend.check import free_names, node_label, subgraphs

_DOMAIN = "pulsar2.scan8"
_BATCH = "batch"


def hold_scans(model: ModelProto, raised: Callable[[ModelProto], ModelProto]) -> ModelProto:
    """The model, of opset 8, with its Scan nodes as nodes that the version converter passes over.

    Their bodies are `raised` here, each as a model by itself. Raises `UserError` with the nodes
    that cannot be written anew.
    """
    if not any(_is_scan(node) for node in model.graph.node):
        return model
    inferred = shape_inference.infer_shapes(model).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    batches = {v.name: _first_extent(v.type.tensor_type.shape.dim) for v in values}
    batches |= {t.name: t.dims[0] for t in model.graph.initializer if t.dims}
    made = ModelProto()
    made.CopyFrom(model)
    made.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    problems = Diagnostics()
    for index, node in enumerate(made.graph.node):
        if not _is_scan(node):
            continue
        batch = max((batches.get(name, 0) for name in node.input[1:]), default=0)
        outer = free_names(NodeProto(attribute=node.attribute))
        where = f"node '{node_label(node, index)}' (Scan)"
        if node.input[:1] != [""]:
            problems.error("sequence_lens of a Scan of opset 8 are not supported", where)
        elif not batch:
            problems.error("the batch of a Scan of opset 8 must be known", where)
        elif outer:
            problems.error(f"its body uses {', '.join(sorted(outer))} from around it", where)
        else:
            for _, body in subgraphs(node):
                alone = helper.make_model(body, opset_imports=[helper.make_opsetid("", 8)])
                alone.ir_version = model.ir_version
                body.CopyFrom(raised(alone).graph)
        node.domain = _DOMAIN
        node.attribute.append(helper.make_attribute(_BATCH, batch))
    problems.raise_if_any()
    return made


def release_scans(model: ModelProto) -> None:
    """Writes the nodes that were held as Scan of opset 9, in place."""
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for index, node in enumerate(nodes):
        if node.domain == _DOMAIN:
            model.graph.node.extend(_later_scans(node, node_label(node, index)))
        else:
            model.graph.node.append(node)
    kept = [o for o in model.opset_import if o.domain != _DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _later_scans(node: NodeProto, label: str) -> Iterator[NodeProto]:
    """One Scan for each sample of the batch, the samples taken apart before and joined after."""
    given: dict[str, AttributeProto] = {a.name: a for a in node.attribute}
    batch = given.pop(_BATCH).i
    if "directions" in given:
        given["directions"].name = "scan_input_directions"
    inputs, outputs = node.input[1:], node.output
    samples: list[list[str]] = [[] for _ in range(batch)]
    for number, name in enumerate(inputs):
        parts = [f"{label}_in{number}_{i}" for i in range(batch)]
        yield helper.make_node("Split", [name], parts, f"{label}_split{number}", axis=0)
        for sample, part in zip(samples, parts, strict=True):
            sample.append(f"{part}_sample")
            yield helper.make_node("Squeeze", [part], sample[-1:], f"{part}_squeeze", axes=[0])
    for i, sample in enumerate(samples):
        results = [f"{label}_out{number}_{i}" for number in range(len(outputs))]
        scan = helper.make_node("Scan", sample, results, f"{label}_{i}")
        scan.attribute.extend(given.values())
        yield scan
        for result in results:
            wide = f"{result}_wide"
            yield helper.make_node("Unsqueeze", [result], [wide], f"{wide}n", axes=[0])
    for number, name in enumerate(outputs):
        parts = [f"{label}_out{number}_{i}_wide" for i in range(batch)]
        yield helper.make_node("Concat", parts, [name], f"{label}_join{number}", axis=0)


def _is_scan(node: NodeProto) -> bool:
    return node.op_type == "Scan" and node.domain in ("", "ai.onnx")


def _first_extent(dims: object) -> int:
    found = list(dims)  # pyright: ignore
    return int(found[0].dim_value) if found else 0  # pyright: ignore
