"""Operators that are spelled out, in the forms that exporters give them, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from onnx_models import Outcome, check, pipeline
from onnx_sketch import Sketch

from pulsar2.lowering.onnx.eliminate_common import EliminateCommonPass
from pulsar2.lowering.onnx.eliminate_dead import EliminateDeadPass
from pulsar2.lowering.onnx.expand_einsum import ExpandEinsumPass
from pulsar2.lowering.onnx.fuse_gates import FuseGatesPass
from pulsar2.lowering.onnx.fuse_normalizations import FuseNormalizationsPass

Formula = Callable[[Sketch, str], str]

ROOT2 = float(np.sqrt(2))


def fused(formula: Formula, shape: Sequence[int] = (2, 3, 8), rtol: float = 1e-5) -> Outcome:
    """The formula of an input `x` after the passes that recognize it."""
    sketch = Sketch()
    proto = sketch.model({"x": shape}, formula(sketch, "x"))
    passes = [EliminateCommonPass(), FuseGatesPass(), FuseNormalizationsPass(), EliminateDeadPass()]
    return check(proto, passes, rtol=rtol)


def gelu_torch(s: Sketch, x: str) -> str:
    gate = s("Add", s("Erf", s("Div", x, 1.4142135381698608)), 1.0)
    return s("Mul", s("Mul", x, gate), 0.5)


def gelu_half_first(s: Sketch, x: str) -> str:
    gate = s("Add", 1.0, s("Erf", s("Mul", 1 / ROOT2, x)))
    return s("Mul", s("Mul", x, 0.5), gate)


def gelu_half_inside(s: Sketch, x: str) -> str:
    erf = s("Erf", s("Mul", x, 0.70710677))
    return s("Mul", s("Add", s("Mul", erf, 0.5), 0.5), x)


def gelu_short_number(s: Sketch, x: str) -> str:
    return s("Mul", 0.5, s("Mul", s("Add", s("Erf", s("Div", x, 1.41421)), 1.0), x))


def tanh_gate(s: Sketch, x: str, cube: str) -> str:
    inner = s("Mul", s("Add", x, s("Mul", cube, 0.044715)), 0.7978845608)
    return s("Add", s("Tanh", inner), 1.0)


def gelu_tanh_pow(s: Sketch, x: str) -> str:
    return s("Mul", s("Mul", x, 0.5), tanh_gate(s, x, s("Pow", x, 3.0)))


def gelu_tanh_products(s: Sketch, x: str) -> str:
    cube = s("Mul", s("Mul", x, x), x)
    return s("Mul", 0.5, s("Mul", x, tanh_gate(s, x, cube)))


def gelu_tanh_factored(s: Sketch, x: str) -> str:
    square = s("Mul", s("Mul", x, x), 0.044715)
    inner = s("Mul", s("Mul", x, 0.79788456), s("Add", square, 1.0))
    return s("Mul", x, s("Mul", s("Add", s("Tanh", inner), 1.0), 0.5))


def gelu_tanh_sigmoid(s: Sketch, x: str) -> str:
    inner = s("Add", x, s("Mul", s("Pow", x, 3.0), 0.044715))
    return s("Mul", x, s("Sigmoid", s("Mul", inner, 1.5957691216)))


@pytest.mark.parametrize("form", [gelu_torch, gelu_half_first, gelu_half_inside, gelu_short_number])
def test_gelu(form: Formula) -> None:
    outcome = fused(form)
    assert outcome.operators == {"Gelu": 1}
    assert not outcome.node("Gelu").attribute


@pytest.mark.parametrize(
    "form", [gelu_tanh_pow, gelu_tanh_products, gelu_tanh_factored, gelu_tanh_sigmoid]
)
def test_gelu_by_tanh(form: Formula) -> None:
    outcome = fused(form)
    assert outcome.operators == {"Gelu": 1}
    assert outcome.node("Gelu").attribute[0].s == b"tanh"


def exp_sigmoid(s: Sketch, x: str) -> str:
    return s("Add", s("Exp", s("Neg", x)), 1.0)


SIGMOIDS: list[tuple[Formula, dict[str, int]]] = [
    (lambda s, x: s("Div", 1.0, exp_sigmoid(s, x)), {"Sigmoid": 1}),
    (lambda s, x: s("Reciprocal", exp_sigmoid(s, x)), {"Sigmoid": 1}),
    (lambda s, x: s("Div", 1.0, s("Add", 1.0, s("Exp", x))), {"Neg": 1, "Sigmoid": 1}),
    (lambda s, x: s("Div", x, exp_sigmoid(s, x)), {"Swish": 1}),
    (lambda s, x: s("Mul", x, s("Sigmoid", x)), {"Swish": 1}),
    (
        lambda s, x: s("Mul", x, s("Add", s("Mul", s("Tanh", s("Mul", x, 0.5)), 0.5), 0.5)),
        {"Swish": 1},
    ),
    (lambda s, x: s("Log", s("Add", s("Exp", x), 1.0)), {"Softplus": 1}),
    (lambda s, x: s("Mul", x, s("Tanh", s("Softplus", x))), {"Mish": 1}),
    (lambda s, x: s("Mul", s("Tanh", s("Log", s("Add", 1.0, s("Exp", x)))), x), {"Mish": 1}),
]


@pytest.mark.parametrize(("form", "operators"), SIGMOIDS)
def test_sigmoids(form: Formula, operators: dict[str, int]) -> None:
    assert fused(form).operators == operators


def quick_gelu(s: Sketch, x: str) -> str:
    return s("Mul", x, s("Sigmoid", s("Mul", x, 1.702)))


def gate_of_something_else(s: Sketch, x: str) -> str:
    return s("Mul", x, s("Sigmoid", s("Tanh", x)))


def other_number(s: Sketch, x: str) -> str:
    return s("Mul", s("Mul", x, s("Add", s("Erf", s("Div", x, 1.4)), 1.0)), 0.5)


def gate_that_others_use(s: Sketch, x: str) -> str:
    gate = s("Sigmoid", x)
    return s("Sub", s("Mul", x, gate), gate)


@pytest.mark.parametrize(
    "form", [quick_gelu, gate_of_something_else, other_number, gate_that_others_use]
)
def test_what_is_no_gate_of_x_stays(form: Formula) -> None:
    assert not {"Swish", "Gelu", "Mish"} & set(fused(form).operators)


def gamma(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(0.5, 2, shape).astype(np.float32)


def centred(s: Sketch, x: str, axes: Sequence[int]) -> str:
    return s("Sub", x, s.mean(x, axes))


def squared_mean(s: Sketch, v: str, axes: Sequence[int]) -> str:
    return s("Add", s.mean(s("Mul", v, v), axes), 1e-5)


def layer_norm(s: Sketch, x: str, axes: Sequence[int] = (-1,)) -> str:
    v = centred(s, x, axes)
    return s("Div", v, s("Sqrt", squared_mean(s, v, axes)))


def layer_norm_pow(s: Sketch, x: str) -> str:
    mean = s.mean(x, [-1])
    square = s("Pow", s("Sub", x, mean), 2.0)
    root = s("Pow", s("Add", s.mean(square, [-1]), 1e-5), 0.5)
    return s("Div", s("Sub", x, mean), root)


def layer_norm_inverse(s: Sketch, x: str) -> str:
    v = centred(s, x, [-1])
    return s("Mul", v, s("Reciprocal", s("Sqrt", squared_mean(s, v, [-1]))))


def layer_norm_one_over(s: Sketch, x: str) -> str:
    v = centred(s, x, [-1])
    return s("Mul", s("Div", 1.0, s("Sqrt", squared_mean(s, v, [-1]))), v)


def layer_norm_minus_half(s: Sketch, x: str) -> str:
    v = centred(s, x, [-1])
    return s("Mul", v, s("Pow", squared_mean(s, v, [-1]), -0.5))


def layer_norm_sums(s: Sketch, x: str) -> str:
    axes = np.array([-1], np.int64)
    v = s("Sub", x, s("Mul", s("ReduceSum", x, axes, keepdims=1), 1 / 8))
    variance = s("Div", s("ReduceSum", s("Mul", v, v), axes, keepdims=1), 8.0)
    return s("Div", v, s("Sqrt", s("Add", variance, 1e-5)))


LAYER_NORMS = [
    layer_norm,
    layer_norm_pow,
    layer_norm_inverse,
    layer_norm_one_over,
    layer_norm_minus_half,
    layer_norm_sums,
]


@pytest.mark.parametrize("form", LAYER_NORMS)
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm(form: Formula, affine: bool) -> None:
    def formula(s: Sketch, x: str) -> str:
        y = form(s, x)
        return s("Add", s("Mul", gamma(8), y), gamma(8)) if affine else y

    outcome = fused(formula)
    assert outcome.operators == {"LayerNormalization": 1}
    assert len(outcome.node("LayerNormalization").input) == (3 if affine else 2)


def test_layer_norm_of_tensorflow() -> None:
    def formula(s: Sketch, x: str) -> str:
        v = centred(s, x, [-1])
        r = s("Mul", s("Reciprocal", s("Sqrt", squared_mean(s, v, [-1]))), gamma(8))
        shift = s("Sub", gamma(8) - 1, s("Mul", s.mean(x, [-1]), r))
        return s("Add", s("Mul", x, r), shift)

    assert fused(formula).operators == {"LayerNormalization": 1}


def test_layer_norm_of_the_channels() -> None:
    def formula(s: Sketch, x: str) -> str:
        y = layer_norm(s, x, [1])
        return s("Add", s("Mul", gamma(6, 1, 1), y), gamma(6, 1, 1))

    outcome = fused(formula, (2, 6, 4, 5))
    assert outcome.operators["LayerNormalization"] == 1
    sketch = Sketch()
    whole = check(sketch.model({"x": (2, 6, 4, 5)}, formula(sketch, "x")), pipeline(), rtol=1e-5)
    assert whole.operators == {"Transpose": 2, "LayerNormalization": 1}


def rms_norm(s: Sketch, x: str) -> str:
    return s("Div", x, s("Sqrt", squared_mean(s, x, [-1])))


def rms_norm_llama(s: Sketch, x: str) -> str:
    mean = s.mean(s("Pow", x, 2.0), [-1])
    return s("Mul", x, s("Div", 1.0, s("Sqrt", s("Add", mean, 1e-6))))


@pytest.mark.parametrize("form", [rms_norm, rms_norm_llama])
def test_rms_norm(form: Formula) -> None:
    assert fused(form).operators == {"RMSNormalization": 1}
    scaled = fused(lambda s, x: s("Add", s("Mul", gamma(8), form(s, x)), gamma(8)))
    assert scaled.operators == {"RMSNormalization": 1, "Add": 1}


def test_instance_norm() -> None:
    plain = fused(lambda s, x: layer_norm(s, x, [2, 3]), (2, 3, 4, 5))
    assert plain.operators == {"InstanceNormalization": 1}

    def formula(s: Sketch, x: str) -> str:
        y = layer_norm(s, x, [-1])
        return s("Add", s("Mul", y, gamma(3, 1)), gamma(1, 3, 1))

    assert fused(formula).operators == {"InstanceNormalization": 1}


def test_instance_norm_by_global_pooling() -> None:
    def formula(s: Sketch, x: str) -> str:
        v = s("Sub", x, s("GlobalAveragePool", x))
        square = s("GlobalAveragePool", s("Mul", v, v))
        y = s("Div", v, s("Sqrt", s("Add", square, 1e-3)))
        return s("Add", s("Mul", y, gamma(1, 3, 1, 1)), gamma(3, 1, 1))

    assert fused(formula, (2, 3, 4, 5)).operators == {"InstanceNormalization": 1}


def test_group_norm_of_one_group() -> None:
    def formula(s: Sketch, x: str) -> str:
        return s("Mul", layer_norm(s, x, [1, 2, 3]), gamma(6, 1, 1))

    assert fused(formula, (2, 6, 4, 5)).operators == {"GroupNormalization": 1}


def group_norm_torch(s: Sketch, x: str) -> str:
    split = s("Reshape", x, np.array([0, 3, -1], np.int64))
    y = s("InstanceNormalization", split, gamma(3), gamma(3), epsilon=1e-5)
    return s("Reshape", y, np.array([2, 6, 4, 5], np.int64))


def group_norm_keras(s: Sketch, x: str) -> str:
    split = s("Reshape", x, np.array([2, 3, 2, 4, 5], np.int64))
    return s("Reshape", layer_norm(s, split, [2, 3, 4]), np.array([2, 6, 4, 5], np.int64))


def group_norm_flat(s: Sketch, x: str) -> str:
    split = s("Reshape", x, np.array([6, -1], np.int64))
    return s("Reshape", layer_norm(s, split), np.array([2, 6, 4, 5], np.int64))


@pytest.mark.parametrize("form", [group_norm_torch, group_norm_keras, group_norm_flat])
def test_group_norm_by_reshapes(form: Formula) -> None:
    def formula(s: Sketch, x: str) -> str:
        return s("Add", s("Mul", form(s, x), gamma(6, 1, 1)), gamma(6, 1, 1))

    outcome = fused(formula, (2, 6, 4, 5))
    assert outcome.operators == {"GroupNormalization": 1}
    (groups,) = (a.i for a in outcome.node("GroupNormalization").attribute if a.name != "epsilon")
    assert groups == 3


def test_groups_of_one_channel() -> None:
    def formula(s: Sketch, x: str) -> str:
        split = s("Reshape", x, np.array([2, 6, 20], np.int64))
        return s("Reshape", layer_norm(s, split), np.array([2, 6, 4, 5], np.int64))

    assert fused(formula, (2, 6, 4, 5)).operators == {"InstanceNormalization": 1}


def no_epsilon(s: Sketch, x: str) -> str:
    v = centred(s, x, [-1])
    return s("Div", v, s("Sqrt", s.mean(s("Mul", v, v), [-1])))


def other_axes(s: Sketch, x: str) -> str:
    v = centred(s, x, [-1])
    return s("Div", v, s("Sqrt", squared_mean(s, v, [-2])))


def middle_axis(s: Sketch, x: str) -> str:
    return layer_norm(s, x, [0])


def groups_across_channels(s: Sketch, x: str) -> str:
    split = s("Reshape", x, np.array([24, 10], np.int64))
    return s("Reshape", layer_norm(s, split), np.array([2, 6, 4, 5], np.int64))


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        (no_epsilon, (2, 3, 8)),
        (other_axes, (2, 3, 8)),
        (middle_axis, (2, 3, 8)),
        (groups_across_channels, (2, 6, 4, 5)),
    ],
)
def test_what_is_no_normalization_stays(form: Formula, shape: tuple[int, ...]) -> None:
    found = set(fused(form, shape).operators)
    assert not {"RMSNormalization", "InstanceNormalization", "GroupNormalization"} & found


def attention(
    s: Sketch, x: str, *, queries: float = 1, keys: float = 1, scores: float = 1, bias: bool = True
) -> str:
    """Two heads of 4 elements on tokens [2, 3, 8]."""

    def project(seed: int) -> str:
        weight = np.random.default_rng(seed).normal(0, 0.3, (8, 8)).astype(np.float32)
        y = s("MatMul", x, weight)
        y = s("Add", gamma(8), y) if bias else y
        return s("Reshape", y, np.array([2, 3, 2, 4], np.int64))

    q, k, v = (s("Transpose", project(i), perm=[0, 2, 1, 3]) for i in range(3))
    q = s("Mul", q, queries) if queries != 1 else q
    k = s("Transpose", k, perm=[0, 1, 3, 2])
    k = s("Mul", k, keys) if keys != 1 else k
    y = s("MatMul", q, k)
    y = s("Div", y, 1 / scores) if scores != 1 else y
    y = s("MatMul", s("Softmax", y, axis=-1), v)
    return s("Reshape", s("Transpose", y, perm=[0, 2, 1, 3]), np.array([2, 3, 8], np.int64))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "factors", [{"scores": 0.5}, {"queries": 0.5}, {"queries": 0.7, "keys": 0.7}]
)
def test_the_scale_of_attention_goes_into_weights(factors: dict[str, float], bias: bool) -> None:
    sketch = Sketch()
    y = attention(sketch, "x", bias=bias, **factors)
    outcome = check(sketch.model({"x": (2, 3, 8)}, y), pipeline())
    assert "Mul" not in outcome.operators
    assert outcome.operators["MatMul"] == 5


def test_one_factor_of_a_product_is_left() -> None:
    def formula(s: Sketch, x: str) -> str:
        a, b = s("Mul", s("Tanh", x), 0.7), s("Mul", s("Sin", x), 0.7)
        return s("MatMul", a, s("Transpose", b, perm=[0, 2, 1]))

    sketch = Sketch()
    outcome = check(sketch.model({"x": (2, 3, 8)}, formula(sketch, "x")), pipeline())
    assert outcome.operators["Mul"] == 1


EINSUMS = [
    ("bhid,bhjd->bhij", (2, 3, 4, 8), (2, 3, 5, 8), {"Transpose": 1, "MatMul": 1}),
    ("bhij,bhjd->bhid", (2, 3, 4, 5), (2, 3, 5, 8), {"MatMul": 1}),
    ("bqhd,bkhd->bhqk", (2, 4, 3, 8), (2, 5, 3, 8), {"Transpose": 2, "MatMul": 1}),
    ("nctw,cvd->ntvd", (2, 3, 4, 5), (3, 6, 7), {}),
    ("bchw,bkc->bkhw", (1, 6, 4, 5), (1, 3, 6), {}),
    ("bi,bj->bij", (2, 5), (2, 6), {"Mul": 1}),
    ("i,i->", (7,), (7,), {}),
    ("ij,jk", (3, 4), (4, 5), {"MatMul": 1}),
    ("ba,cb", (3, 4), (5, 3), {}),
    ("bij,bij->bij", (2, 3, 4), (2, 3, 4), {"Mul": 1}),
    ("bij,k->bk", (2, 3, 4), (5,), {}),
]


@pytest.mark.parametrize(("equation", "a", "b", "operators"), EINSUMS)
def test_einsum(
    equation: str, a: tuple[int, ...], b: tuple[int, ...], operators: dict[str, int]
) -> None:
    sketch = Sketch()
    y = sketch("Einsum", "a", "b", equation=equation)
    outcome = check(sketch.model({"a": a, "b": b}, y), [ExpandEinsumPass()], rtol=1e-5)
    assert "Einsum" not in outcome.operators
    assert operators.items() <= dict(outcome.operators).items()


@pytest.mark.parametrize("equation", ["bij->bji", "bij->b", "bij->jb", "bij->ijb", "bij->bij"])
def test_einsum_of_one_tensor(equation: str) -> None:
    sketch = Sketch()
    y = sketch("Einsum", "a", equation=equation)
    outcome = check(sketch.model({"a": (2, 3, 4)}, y), [ExpandEinsumPass()])
    assert "Einsum" not in outcome.operators


@pytest.mark.parametrize("equation", ["btc,cd->btd", "btc,dc->btd", "bct,dc->bdt", "btc,chd->bhtd"])
def test_einsum_with_weights(equation: str) -> None:
    sketch = Sketch()
    shape = {"cd": (8, 6), "dc": (6, 8), "chd": (8, 2, 3)}[equation[4:].split("->")[0]]
    x = (2, 8, 5) if equation.startswith("bct") else (2, 5, 8)
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = sketch("Einsum", "x", weight, equation=equation)
    outcome = check(sketch.model({"x": x}, y), pipeline(), rtol=1e-5)
    assert outcome.operators["MatMul"] == 1
    assert not {"Einsum", "Mul"} & set(outcome.operators)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (2, 3, 8)), (1, (2, 6, 4, 5))])
def test_vectors_of_length_one(axis: int, shape: tuple[int, ...]) -> None:
    """`torch.nn.functional.normalize`."""
    sketch = Sketch()
    length = sketch("ReduceL2", "x", np.array([axis], np.int64), keepdims=1)
    bounded = sketch("Clip", length, 1e-12)
    wide = sketch("Expand", bounded, sketch("Shape", "x"))
    y = sketch("Div", "x", wide)
    outcome = check(sketch.model({"x": shape}, y), pipeline(), rtol=1e-5)
    assert outcome.operators == {"LpNormalization": 1} | ({"Transpose": 2} if axis == 1 else {})


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("shared", [1, 2])
def test_attention_of_opset_23(causal: int, shared: int) -> None:
    sketch = Sketch(23)
    shapes = {"q": (1, 5, 24), "k": (1, 7, 24 // shared), "v": (1, 7, 16 // shared)}
    mask = np.ones((5, 7), bool)
    mask[:, 6] = False
    y = sketch(
        "Attention", "q", "k", "v", mask,
        q_num_heads=4, kv_num_heads=4 // shared, is_causal=causal,
    )  # fmt: skip
    outcome = check(sketch.model(shapes, y), pipeline(), rtol=1e-4)
    assert outcome.operators["MatMul"] == 2
    assert outcome.operators["Softmax"] == 1
    assert "Attention" not in outcome.operators
