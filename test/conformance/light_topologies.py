"""The topologies that come with the `onnx` package: real networks, with weights that nodes make."""

from __future__ import annotations

from typing import Any

import numpy as np
from cpu_subgraph_cases import build_case
from onnx import ModelProto
from onnx_cases import optimize, run_runtime

from pulsar2.axmodel import decode_axmodel
from pulsar2.context import make_context
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx
from pulsar2.runtime import InferenceSession


def check_topology(proto: ModelProto) -> None:
    """Imports and optimizes a network; its result must stay within 1e-4 of the largest element."""
    context = make_context()
    module = import_onnx(proto, context)
    optimize(context, module)
    module.verify()
    exported = export_onnx(module, context)
    feeds = list(random_feeds(proto).values())
    for before, after in zip(run_runtime(proto, feeds), run_runtime(exported, feeds), strict=True):
        scale = float(np.abs(before).max())
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * scale)


def check_build(proto: ModelProto) -> None:
    """Builds a network with random calibration data: one subgraph for the NPU, which runs.

    All weights of a layer are equal, and so are all outputs: they are compared as numbers.
    """
    feeds = random_feeds(proto)
    data = build_case(proto, feeds)
    container = decode_axmodel(data)
    assert len(container.npu_subgraphs) == 1
    assert not container.cpu_subgraphs
    wanted = run_runtime(proto, list(feeds.values()))
    for after, before in zip(
        InferenceSession(data, threads=1).run(None, feeds), wanted, strict=True
    ):
        np.testing.assert_allclose(
            after, before, rtol=0.01, atol=0.01 * float(np.abs(before).max())
        )


def random_feeds(proto: ModelProto) -> dict[str, Any]:
    """Normal numbers for every input of a network."""
    constants = {t.name for t in proto.graph.initializer}
    rng = np.random.default_rng(0)
    return {
        i.name: rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(
            np.float32
        )
        for i in proto.graph.input
        if i.name not in constants
    }
