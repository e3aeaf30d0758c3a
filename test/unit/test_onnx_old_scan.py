"""Scan of opset 8 is raised to later opsets, and computes what it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx

_F = TensorProto.FLOAT


def model(batch: int | str, lengths: str = "", start: str = "sum", **attributes: Any) -> ModelProto:
    """The sums of `x` [batch, 4, 3] along its second axis, from `s` [batch, 3] on; and a Relu."""
    value = helper.make_tensor_value_info
    step = [helper.make_node("Add", [start, "next"], ["total"])]
    step.append(helper.make_node("Flatten", ["total"], ["flat"], axis=1))
    step.append(helper.make_node("Squeeze", ["flat"], ["each"], axes=[1]))
    body = helper.make_graph(
        step,
        "body",
        [value("sum", _F, [3]), value("next", _F, [3])],
        [value("total", _F, [3]), value("each", _F, [3])],
    )
    nodes: list[NodeProto] = [
        helper.make_node(
            "Scan", [lengths, "s", "x"], ["y", "z"], "scan", num_scan_inputs=1, body=body,
            **attributes,
        ),
        helper.make_node("Relu", ["z"], ["r"], "relu"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [value("s", _F, [batch, 3]), value("x", _F, [batch, 4, 3])],
        [value("y", _F, [batch, 3]), value("r", _F, [batch, 4, 3])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4)


def outputs(proto: ModelProto, feeds: dict[str, Any]) -> list[Any]:
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


@pytest.mark.parametrize("attributes", [{}, {"directions": [1]}])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_computes_the_same(batch: int, attributes: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    feeds = {
        "s": rng.normal(size=(batch, 3)).astype(np.float32),
        "x": rng.normal(size=(batch, 4, 3)).astype(np.float32),
    }
    proto = model(batch, **attributes)
    context = make_context()
    exported = export_onnx(import_onnx(proto, context), context)
    for got, wanted in zip(outputs(exported, feeds), outputs(proto, feeds), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (model(2, lengths="s"), "sequence_lens of a Scan of opset 8"),
        (model("n"), "the batch of a Scan of opset 8 must be known"),
        (model(2, start="x"), "its body uses x from around it"),
    ],
)
def test_what_cannot_be_raised_is_refused(proto: ModelProto, words: str) -> None:
    with pytest.raises(UserError) as caught:
        import_onnx(proto, make_context())
    assert "node 'scan' (Scan)" in str(caught.value)
    assert words in str(caught.value)
