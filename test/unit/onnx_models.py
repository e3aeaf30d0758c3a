"""Small ONNX models for tests, and what tests do with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext, make_context
from pulsar2.ir import parse_module, print_module
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.pipelines import PIPELINES, load_pass
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx

Shapes = Mapping[str, Sequence[Any] | None]


def model(
    nodes: Sequence[NodeProto],
    inputs: Shapes,
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 21,
    types: Mapping[str, int] | None = None,
    domains: Mapping[str, int] | None = None,
) -> ModelProto:
    """A model of f32 inputs of these shapes, unless `types` has another ONNX type for one."""
    kinds = types or {}
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(n, kinds.get(n, 1), s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kinds.get(n, 1), None) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(d, v) for d, v in (domains or {}).items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def node(
    op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
) -> NodeProto:
    """A node, named after its first output."""
    return helper.make_node(op_type, inputs, outputs, name=f"node_{outputs[0]}", **attributes)


def run(proto: ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The model's outputs from ONNX Runtime, without its graph optimizations."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, dict(feeds)))


def random_feeds(proto: ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal numbers for each float input, small integers for the others."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, np.ndarray] = {}
    constants = {t.name for t in proto.graph.initializer}
    for info in proto.graph.input:
        if info.name in constants:
            continue
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        if dtype.kind == "f":
            feeds[info.name] = (2 * rng.standard_normal(shape)).astype(dtype)
        else:
            feeds[info.name] = rng.integers(0, 2, shape).astype(dtype)
    return feeds


def pipeline(name: str = "optimize") -> list[AxPass]:
    """The passes of a pipeline that has no options."""
    return [load_pass(p)() for p in PIPELINES[name].passes]  # pyright: ignore


@dataclass
class Outcome:
    """A model after passes, as IR and as ONNX."""

    context: AxContext
    module: ModuleOp
    model: ModelProto

    @property
    def operators(self) -> dict[str, int]:
        """How many nodes there are of each operator."""
        return dict(Counter(n.op_type for n in self.model.graph.node))

    def node(self, op_type: str) -> NodeProto:
        """The only node of an operator."""
        (found,) = (n for n in self.model.graph.node if n.op_type == op_type)
        return found

    def constant(self, name: str) -> np.ndarray:
        """The values of an initializer."""
        (found,) = (t for t in self.model.graph.initializer if t.name == name)
        return numpy_helper.to_array(found)


def apply(proto: ModelProto, passes: Sequence[AxPass] = ()) -> Outcome:
    """The model after import, passes, text, parsing and export."""
    context = make_context()
    module = import_onnx(proto, context)
    for item in passes:
        item.apply(context, module)
        module.verify()
    parsed = parse_module(print_module(module), context, "test").module
    parsed.verify()
    exported = export_onnx(parsed, context)
    onnx.checker.check_model(exported)
    return Outcome(context, parsed, exported)


def check(
    proto: ModelProto,
    passes: Sequence[AxPass] = (),
    *,
    rtol: float = 1e-5,
    feeds: Mapping[str, np.ndarray] | None = None,
) -> Outcome:
    """As `apply`; fails where the results differ by more than `rtol` of the largest element."""
    outcome = apply(proto, passes)
    values = feeds if feeds is not None else random_feeds(proto)
    for before, after in zip(run(proto, values), run(outcome.model, values), strict=True):
        assert before.dtype == after.dtype
        scale = float(np.abs(before).max()) if before.size and before.dtype.kind == "f" else 1.0
        np.testing.assert_allclose(after, before, rtol=rtol, atol=rtol * max(scale, 1e-6))
    return outcome
