"""The torch forms of operators, against what ONNX says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="fine-tuning needs torch: pip install 'pulsar2[finetune]'")

import torch
from small_models import model_of, node

from pulsar2.context import make_context
from pulsar2.dialects.onnx.evaluate import evaluate
from pulsar2.finetune.operators import ACCEPTS, FORMS, Call, compute, is_known
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import constant_of, is_constant, is_constant_op
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import import_onnx

X = (1, 4, 6, 6)
W = {"w": (4, 2, 3, 3), "b": (4,)}

Case = tuple[str, tuple[int, ...], dict[str, Any], dict[str, Any]]
CASES: list[Case] = [
    ("Conv", X, W, {"group": 2, "pads": [1, 0, 0, 1], "strides": [2, 1]}),
    ("Conv", X, {"w": (3, 4, 2, 2)}, {"dilations": [2, 2], "pads": [1, 1, 1, 1]}),
    ("Conv", (1, 4, 9), {"w": (3, 4, 3)}, {"pads": [1, 1]}),
    ("ConvTranspose", X, {"w": (4, 3, 3, 3), "b": (6,)}, {"group": 2, "strides": [2, 2]}),
    ("ConvTranspose", X, {"w": (4, 3, 3, 3)}, {"strides": [2, 2], "pads": [1, 0, 1, 2]}),
    ("ConvTranspose", X, {"w": (4, 3, 2, 2)}, {"strides": [2, 2], "output_padding": [1, 1]}),
    ("Gemm", (3, 4), {"w": (5, 4), "b": (5,)}, {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", (4, 3), {"w": (4, 5)}, {"transA": 1}),
    ("MatMul", (2, 3, 4), {"w": (4, 5)}, {}),
    *((op, X, {"w": (4, 1, 1)}, {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")),
    ("Pow", X, {"w": np.float32(3)}, {}),
    ("PRelu", X, {"w": (4, 1, 1)}, {}),
    ("Clip", X, {"low": np.float32(-0.5), "high": np.float32(0.7)}, {}),
    *((op, X, {}, {}) for op in ("Relu", "Sigmoid", "HardSwish", "Mish", "Erf", "Softplus")),
    *((op, X, {}, {}) for op in ("Tanh", "Exp", "Reciprocal", "Abs", "Neg", "Sin", "Cos")),
    ("LeakyRelu", X, {}, {"alpha": 0.1}),
    ("Elu", X, {}, {"alpha": 0.7}),
    ("HardSigmoid", X, {}, {"alpha": 0.3, "beta": 0.4}),
    ("Gelu", X, {}, {}),
    ("Gelu", X, {}, {"approximate": "tanh"}),
    ("MaxPool", X, {}, {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    ("MaxPool", (1, 4, 9), {}, {"kernel_shape": [3], "dilations": [2]}),
    ("AveragePool", X, {}, {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0]}),
    ("AveragePool", X, {}, {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    ("GlobalAveragePool", X, {}, {}),
    ("GlobalMaxPool", X, {}, {}),
    *((f"Reduce{k}", X, {"axes": np.int64([1, -1])}, {"keepdims": 0}) for k in ("Mean", "Sum")),
    *((f"Reduce{k}", X, {"axes": np.int64([2])}, {}) for k in ("Max", "Min", "L1", "L2")),
    *((f"Reduce{k}", X, {"axes": np.int64([2])}, {}) for k in ("SumSquare", "LogSumExp")),
    ("Softmax", X, {}, {"axis": 1}),
    ("LogSoftmax", X, {}, {"axis": -1}),
    ("LayerNormalization", X, {"w": (6,), "b": (6,)}, {"epsilon": 1e-3}),
    ("LayerNormalization", X, {"w": (6, 6)}, {"axis": 2}),
    ("InstanceNormalization", X, {"w": (4,), "b": (4,)}, {}),
    ("Reshape", X, {"shape": np.int64([0, -1, 9])}, {}),
    ("Flatten", X, {}, {"axis": 2}),
    ("Squeeze", X, {"axes": np.int64([0])}, {}),
    ("Unsqueeze", X, {"axes": np.int64([-1])}, {}),
    ("Identity", X, {}, {}),
    ("Transpose", X, {}, {"perm": [0, 2, 3, 1]}),
    ("Concat", X, {"w": (1, 2, 6, 6)}, {"axis": 1}),
    (
        "Slice",
        X,
        {"s": np.int64([1, -1]), "e": np.int64([4, -9]), "a": np.int64([2, -1]),
         "t": np.int64([2, -2])},
        {},
    ),
    ("Pad", X, {"pads": np.int64([0, 0, 1, 0, 0, 0, 0, 2]), "value": np.float32(0.5)}, {}),
    ("Expand", (1, 4, 1, 6), {"shape": np.int64([1, 4, 5, 6])}, {}),
    ("DepthToSpace", X, {}, {"blocksize": 2}),
    ("DepthToSpace", X, {}, {"blocksize": 2, "mode": "CRD"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_forms_compute_what_onnx_says(case: Case) -> None:
    kind, shape, given, attributes = case
    random = np.random.default_rng(0)
    constants = {
        k: random.normal(0, 1, v).astype(np.float32) if isinstance(v, tuple) else np.asarray(v)
        for k, v in given.items()
    }
    inputs = ["x", *constants]
    model = model_of([node(kind, inputs, ["y"], **attributes)], {"x": shape}, constants)
    context = make_context()
    func = main_function(import_onnx(model, context))
    (op,) = (o for o in func.body.block.ops if getattr(o, "op_type", "") == kind)
    assert is_known(op)
    x = random.normal(0, 1, shape).astype(np.float32)
    arrays = [constant_of(v, context.weights) if is_constant(v) else x for v in op.operands]
    tensors = [
        torch.from_numpy(np.array(a)) if a is not None and a.dtype == np.float32 else None
        for a in arrays
    ]
    (got,) = compute(Call(op, tensors, context.weights))
    (expected,) = evaluate(op, arrays, context.weights)
    assert tuple(got.shape) == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=2e-5, atol=2e-6)


def test_split_gives_each_part() -> None:
    nodes = [
        node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
        node("Neg", ["a"], ["y"]),
        node("Neg", ["b"], ["z"]),
    ]
    context = make_context()
    func = main_function(import_onnx(model_of(nodes, {"x": X}, {}), context))
    op = next(o for o in func.body.block.ops if getattr(o, "op_type", "") == "Split")
    x = torch.arange(144.0).reshape(X)
    a, b = compute(Call(op, [x], context.weights))
    assert torch.equal(a, x[:, :2])
    assert torch.equal(b, x[:, 2:])


def test_every_form_has_a_case_and_a_rule_of_quantization() -> None:
    assert set(FORMS) == {case[0] for case in CASES} | {"Split", "Log", "Sqrt", "Swish"}
    assert set(ACCEPTS) <= set(FORMS) <= set(RULES)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("MaxPool", {"kernel_shape": [3, 3], "ceil_mode": 1}), ("Floor", {})],
)
def test_what_is_not_known(kind: str, attributes: dict[str, Any]) -> None:
    context = make_context()
    model = model_of([node(kind, ["x"], ["y"], **attributes)], {"x": X}, {})
    func = main_function(import_onnx(model, context))
    ops = [o for o in func.body.block.ops if hasattr(o, "op_type") and not is_constant_op(o)]
    assert [is_known(o) for o in ops] == [False]
