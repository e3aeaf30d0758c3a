"""The topologies that come with the `onnx` package: real networks, with weights that nodes make."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from onnx_cases import optimize, run_runtime

from pulsar2.context import make_context
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx


def check_topology(proto: ModelProto) -> None:
    """Imports and optimizes a network; its result must stay within 1e-4 of the largest element."""
    context = make_context()
    module = import_onnx(proto, context)
    optimize(context, module)
    module.verify()
    exported = export_onnx(module, context)
    constants = {t.name for t in proto.graph.initializer}
    rng = np.random.default_rng(0)
    feeds = [
        rng.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim]).astype(np.float32)
        for i in proto.graph.input
        if i.name not in constants
    ]
    for before, after in zip(run_runtime(proto, feeds), run_runtime(exported, feeds), strict=True):
        scale = float(np.abs(before).max())
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * scale)
