"""Tensors of a float model as they lie in ONNX Runtime's blocked layout.

ONNX Runtime computes convolutions in a blocked layout, and a tensor that anything else reads must
be put back into ONNX's order, which can cost as much as the convolutions do. What an observer takes
does not depend on the order. So the tensors to observe are marked by a GlobalMaxPool, an operator
that ONNX Runtime computes in the blocked layout too; the model is optimized with the marks, saved,
and in the saved model each mark stands for its operand, as it lies in memory.

A tensor in the blocked layout has more elements than its shape says: padding, which holds what the
operator gives for channels of zeros. Only operators that give 0 are taken in such a layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from pulsar2.calibration.sessions import (
    OPTIMIZED,
    one_thread_session,
    with_outputs,
    write_model,
)

_MARK = "observed:"
_REORDERS = ("ReorderInput", "ReorderOutput")

_ZERO_KEEPING = frozenset(
    (
        "Add",
        "AveragePool",
        "Clip",
        "Concat",
        "Conv",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSwish",
        "LeakyRelu",
        "MaxPool",
        "Mul",
        "QuickGelu",
        "Relu",
        "Tanh",
    )
)
"""Operators that give 0 for channels of zeros, a Clip where 0 is within its bounds."""


def in_blocked_layout(
    model: ModelProto, observed: Sequence[str], path: Path, saved: Path
) -> tuple[ModelProto, dict[str, str]] | None:
    """The optimized model, and under which name it holds each observed tensor.

    The model goes through the file `path`, with its weights beside it; those of the optimized one
    are beside `saved`. None where no tensor may be in the blocked layout, or when ONNX Runtime did
    with a mark what is not known here.
    """
    marked = _markable(model, observed)
    if not marked:
        return None
    chosen = set(marked)
    outputs = [_MARK + name if name in chosen else name for name in observed]
    made = with_outputs(model, outputs)
    made.graph.node.extend(
        helper.make_node("GlobalMaxPool", [name], [_MARK + name]) for name in marked
    )
    write_model(made, path)
    one_thread_session(path, OPTIMIZED, saved)
    optimized = ModelProto.FromString(saved.read_bytes())
    nodes = list(optimized.graph.node)
    producers = {name: node for node in nodes for name in node.output}
    uses = Counter(name for node in nodes for name in node.input)
    places: dict[str, str] = {}
    dropped: list[NodeProto] = []
    for name in observed:
        places[name] = name
        if name not in chosen:
            continue
        at: NodeProto | None = producers.get(_MARK + name)
        if at is not None and at.op_type == "ReorderOutput":
            dropped.append(at)
            at = producers.get(at.input[0])
        if at is None or at.op_type != "GlobalMaxPool":
            return None
        dropped.append(at)
        source = at.input[0]
        before = producers.get(source)
        if before is not None and before.op_type in _REORDERS and uses[source] == 1:
            dropped.append(before)
            source = before.input[0]
        places[name] = source
    gone = {id(node) for node in dropped}
    del optimized.graph.node[:]
    optimized.graph.node.extend(n for n in nodes if id(n) not in gone)
    return optimized, places


def _markable(model: ModelProto, observed: Sequence[str]) -> list[str]:
    """The observed tensors that may be computed in the blocked layout: those near convolutions."""
    shapes = {
        v.name: len(v.type.tensor_type.shape.dim)
        for v in (*model.graph.value_info, *model.graph.output)
    }
    if not any(node.op_type == "Conv" for node in model.graph.node):
        return []
    if any(a.type == onnx.AttributeProto.GRAPH for n in model.graph.node for a in n.attribute):
        return []  # versions of ONNX Runtime up to 1.30 do not load what they saved of bodies
    numbers = {
        t.name: float(numpy_helper.to_array(t).reshape(-1)[0])
        for t in model.graph.initializer
        if t.data_type == onnx.TensorProto.FLOAT and not any(d != 1 for d in t.dims)
    }
    producers = {
        name: node.op_type
        for node in model.graph.node
        for name in node.output
        if node.op_type != "Clip" or _clips_around_zero(node, numbers)
    }
    return [n for n in observed if shapes.get(n) == 4 and producers.get(n) in _ZERO_KEEPING]


def _clips_around_zero(node: NodeProto, numbers: Mapping[str, float]) -> bool:
    low, high = [*node.input[1:], "", ""][:2]
    return (not low or numbers.get(low, 1.0) <= 0) and (not high or numbers.get(high, -1.0) >= 0)
