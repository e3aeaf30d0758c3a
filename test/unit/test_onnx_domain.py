"""The operators of the domain `ai.pulsar2`: their numpy meaning, and their form in ONNX's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
from onnx import helper

from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.domain import DOMAIN, reference_operators
from pulsar2.ir import parse_module, print_module
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(2, 3, 9, 7)).astype(np.float32)
_THETA = _RNG.normal(0, 0.5, (2, 2, 3)).astype(np.float32)
_ort: Any = onnxruntime

CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "stn": ("SpatialTransformer", [_X, _THETA], {"output_size": [5, 6]}),
    "stn corners": (
        "SpatialTransformer",
        [_X, _THETA],
        {"output_size": [5, 6], "align_corners": 1},
    ),
    "stn border": (
        "SpatialTransformer",
        [_X, _THETA],
        {"output_size": [5, 6], "border_value": 2.5},
    ),
    "stn nearest": (
        "SpatialTransformer",
        [_X, _THETA],
        {"output_size": [4, 8], "interpolation": "nearest"},
    ),
    "bevpool": (
        "Bevpool",
        [
            _RNG.random((1, 4, 3, 5)).astype(np.float32),
            _RNG.random((1, 3, 5, 6)).astype(np.float32),
            _RNG.integers(0, 60, 20),
            _RNG.integers(0, 15, 20),
            _RNG.integers(0, 16, 20),
        ],
        {"bev_size": [1, 1, 4, 4]},
    ),
    "inverse sigmoid": ("InverseSigmoid", [_RNG.uniform(-1, 2, (3, 50)).astype(np.float32)], {}),
}


def model_of(op_type: str, arrays: list[Any], attributes: dict[str, Any]) -> onnx.ModelProto:
    names = [f"i{i}" for i in range(len(arrays))]
    node = helper.make_node(op_type, names, ["y"], "the_node", domain=DOMAIN, **attributes)
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, arrays, strict=True)
    ]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", 1, None)])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize("name", CASES)
def test_the_exported_form_computes_what_numpy_does(name: str) -> None:
    model = model_of(*CASES[name])
    feeds = {f"i{i}": a for i, a in enumerate(CASES[name][1])}
    evaluator = onnx.reference.ReferenceEvaluator(model, new_ops=reference_operators())
    (expected,) = evaluator.run(None, feeds)  # type: ignore[misc]
    context = make_context()
    module = import_onnx(model, context)
    parsed = parse_module(print_module(module), context, "case").module
    parsed.verify()
    exported = export_onnx(parsed, context)
    assert {o.domain for o in exported.opset_import} == {""}
    session = _ort.InferenceSession(exported.SerializeToString())
    (got,) = session.run(None, feeds)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("op_type", "arrays", "attributes", "message"),
    [
        ("SpatialTransformers", [_X, _THETA], {}, "did you mean 'SpatialTransformer'"),
        ("SpatialTransformer", [_X, _THETA], {}, "needs the attribute 'output_size'"),
        ("SpatialTransformer", [_X], {"output_size": [4, 4]}, "expects 2 operands, got 1"),
        ("SpatialTransformer", [_X, _X], {"output_size": [4, 4]}, "takes a theta of [2, 2, 3]"),
        (
            "SpatialTransformer",
            [_X, _THETA],
            {"output_size": [4, 4], "interpolation": "cubic"},
            "one of bilinear, nearest",
        ),
        ("InverseSigmoid", [_X], {"eps": 0.7}, "not between 0 and 0.5"),
        ("InverseSigmoid", [_X], {"alpha": 0.7}, "has no attribute 'alpha'"),
        ("Bevpool", CASES["bevpool"][1], {"bev_size": [1, 4, 4]}, "has a bev_size of"),
    ],
)
def test_mistakes_name_the_node(
    op_type: str, arrays: list[Any], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        import_onnx(model_of(op_type, arrays, attributes), make_context())
    assert message in str(caught.value)
    assert "the_node" in str(caught.value)
