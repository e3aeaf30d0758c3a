"""The exported models compute what the kernels' golden definitions say, on random operations.

Three that nobody wrote with the others in view: the golden (numpy, from the numerics), ONNX's own
reference evaluator, and ONNX Runtime.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quant_golden import Evaluator
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from pulsar2.context import AxContext, make_context
from pulsar2.dialects import quant
from pulsar2.dialects.quant.base import window_size
from pulsar2.dialects.quant.types import (
    element_type,
    storage_dtype,
    storage_range,
    storage_type,
)
from pulsar2.locations import name_location
from pulsar2.quant_export import export_qlinear, export_quant, reference_session

Array = np.ndarray[Any, Any]
ACTIVATIONS = ("u8", "i8", "u16", "i16")


class Maker:
    """A function of random quantized inputs, in the making."""

    def __init__(self, data: st.DataObject):
        self.data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        self.ctx: AxContext = make_context()
        self.func = FuncOp("main", ([], []))
        self.inputs: dict[str, Array] = {}

    def integer(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def type(self, *storages: str) -> quant.UniformType:
        storage = self.data.draw(st.sampled_from(storages or ACTIVATIONS))
        low, high = storage_range(storage_type(storage))
        scale = float(np.float32(2.0 ** self.rng.uniform(-9, 1)))
        return quant.UniformType(storage, scale, int(self.rng.integers(low, high + 1)))

    def stored(self, type_: Attribute, shape: tuple[int, ...]) -> Array:
        if type_ == f32:
            return self.rng.normal(0, 2, shape).astype(np.float32)
        assert isinstance(type_, quant.UniformType)
        low, high = type_.bounds
        return self.rng.integers(low, high + 1, shape).astype(storage_dtype(type_))

    def input(self, type_: Attribute, *shape: int) -> SSAValue:
        name = f"x{len(self.inputs)}"
        block = self.func.body.block
        argument = block.insert_arg(TensorType(type_, shape), len(block.args))
        argument.location = name_location(name)
        self.inputs[name] = self.stored(type_, shape)
        return argument

    def constant(self, array: Array, type_: Attribute) -> SSAValue:
        return self.add(quant.ConstantOp.of(array, type_, self.ctx.weights))

    def weight(self, axis: int, *shape: int) -> SSAValue:
        """A weight quantized per axis, or per tensor with a zero point."""
        if self.data.draw(st.booleans()):
            type_ = self.type("u8", "i8", "i4")
            return self.constant(self.stored(type_, shape), type_)
        scales = (2.0 ** self.rng.uniform(-9, -3, shape[axis])).astype(np.float32)
        array = self.rng.integers(-127, 128, shape).astype(np.int8)
        weights = self.ctx.weights
        return self.constant(array, quant.UniformPerAxisType.of("i8", axis, scales, None, weights))

    def bias(self, x: SSAValue, w: SSAValue, channels: int) -> SSAValue | None:
        kind = self.data.draw(st.sampled_from(("none", "s32", "f32")))
        if kind == "none":
            return None
        if kind == "f32":
            return self.constant(self.rng.normal(0, 1, channels).astype(np.float32), f32)
        x_type, w_type = element_type(x), element_type(w)
        assert isinstance(x_type, quant.UniformType)
        array = self.rng.integers(-(10**5), 10**5, channels).astype(np.int32)
        if isinstance(w_type, quant.UniformType):
            type_: Attribute = quant.UniformType("i32", float(x_type.scale * w_type.scale))
        else:
            assert isinstance(w_type, quant.UniformPerAxisType)
            products = x_type.scale * w_type.scales(self.ctx.weights)
            type_ = quant.UniformPerAxisType.of("i32", 0, products, None, self.ctx.weights)
        return self.constant(array, type_)

    def output(self, shape: tuple[int, ...], *storages: str) -> TensorType:
        if self.data.draw(st.integers(0, 3)) == 0:
            return TensorType(f32, shape)
        return TensorType(self.type(*storages), shape)

    def clamp(self, type_: TensorType) -> tuple[int, int] | None:
        element = type_.get_element_type()
        if not isinstance(element, quant.UniformType) or self.data.draw(st.booleans()):
            return None
        low, high = sorted(self.rng.integers(element.bounds[0], element.bounds[1] + 1, 2))
        return int(low), int(high)

    def add(self, op: Operation) -> SSAValue:
        op.location = name_location(f"n{len(list(self.func.body.block.ops))}")
        self.func.body.block.add_op(op)
        return op.results[0]

    def module(self, result: SSAValue) -> ModuleOp:
        self.func.body.block.add_op(ReturnOp(result))
        block = self.func.body.block
        self.func.function_type = type(self.func.function_type).from_lists(
            block.arg_types, [result.type]
        )
        names = ArrayAttr([StringAttr(n) for n in self.inputs])
        self.func.attributes["ax.input_names"] = names
        self.func.attributes["ax.output_names"] = ArrayAttr([StringAttr("out")])
        module = ModuleOp([self.func])
        module.verify()
        return module


def check(maker: Maker, result: SSAValue, *, steps: int = 0) -> None:
    """The integer model, by ONNX's reference and by ONNX Runtime, against the golden."""
    module = maker.module(result)
    (expected,) = Evaluator(maker.ctx.weights).run(maker.func, maker.inputs)
    model = export_qlinear(module, maker.ctx)
    onnx.checker.check_model(model)
    (got,) = onnx.reference.ReferenceEvaluator(model).run(None, maker.inputs)
    assert got.dtype == expected.dtype
    if steps == 0:
        np.testing.assert_array_equal(got, expected)
    elif got.dtype == np.float32:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    else:
        difference = np.abs(got.astype(np.int64) - expected.astype(np.int64))
        assert difference.max(initial=0) <= steps
    _check_qdq(maker, module, expected)


def _check_qdq(maker: Maker, module: ModuleOp, expected: Array) -> None:
    """The float model, by ONNX Runtime, is within a step."""
    model = export_quant(module, maker.ctx, "float").model
    onnx.checker.check_model(model)
    try:
        session = reference_session(model)
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:
        return  # a type, such as a 16-bit one, that ONNX Runtime's kernel lacks
    (got,) = session.run(None, maker.inputs)
    if got.dtype == np.float32:
        scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=1e-3))
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3 * scale)
        return
    difference = np.abs(got.astype(np.int64) - expected.astype(np.int64))
    assert difference.max(initial=0) <= 1 + (expected.dtype.itemsize > 1) * 2


@given(st.data())
def test_conv(data: st.DataObject) -> None:
    maker = Maker(data)
    group = maker.integer(1, 3)
    n, c, o = maker.integer(1, 2), group * maker.integer(1, 3), group * maker.integer(1, 3)
    kh, kw = maker.integer(1, 3), maker.integer(1, 3)
    sh, sw, dh, dw = (maker.integer(1, 2) for _ in range(4))
    pads = [maker.integer(0, 2) for _ in range(4)]
    h, w = maker.integer(5, 9), maker.integer(5, 9)
    oh = (h + pads[0] + pads[2] - dh * (kh - 1) - 1) // sh + 1
    ow = (w + pads[1] + pads[3] - dw * (kw - 1) - 1) // sw + 1
    x = maker.input(maker.type(), n, c, h, w)
    weight = maker.weight(0, o, c // group, kh, kw)
    y = maker.output((n, o, oh, ow))
    op = quant.ConvOp(
        x,
        weight,
        maker.bias(x, weight, o),
        y,
        strides=(sh, sw),
        pads=pads,
        dilations=(dh, dw),
        group=group,
        clamp=maker.clamp(y),
    )
    check(maker, maker.add(op))


@given(st.data())
def test_matmul_with_constant(data: st.DataObject) -> None:
    maker = Maker(data)
    m, k, n = (maker.integer(1, 6) for _ in range(3))
    batch = [maker.integer(1, 2) for _ in range(maker.integer(0, 2))]
    a = maker.input(maker.type(), *batch, m, k)
    b = maker.weight(1, k, n)
    y = maker.output((*batch, m, n))
    op = quant.MatMulOp(a, b, maker.bias(a, b, n), y, clamp=maker.clamp(y))
    check(maker, maker.add(op))


@given(st.data())
def test_matmul_of_activations(data: st.DataObject) -> None:
    maker = Maker(data)
    m, k, n = (maker.integer(1, 6) for _ in range(3))
    a = maker.input(maker.type(), 2, m, k)
    b = maker.input(maker.type(), maker.integer(1, 2), k, n)
    y = maker.output((2, m, n))
    check(maker, maker.add(quant.MatMulOp(a, b, None, y, clamp=maker.clamp(y))))


_BINARY = (quant.AddOp, quant.SubOp, quant.MulOp, quant.MinOp, quant.PReluOp)


@given(st.data(), st.sampled_from(_BINARY))
def test_binary(data: st.DataObject, cls: type[quant.BinaryOp]) -> None:
    maker = Maker(data)
    a = maker.input(maker.type(), 2, 3, 4)
    b = maker.input(maker.type(), *data.draw(st.sampled_from(((2, 3, 4), (3, 1), (4,), (1,)))))
    y = maker.output((2, 3, 4))
    check(maker, maker.add(cls(a, b, y, clamp=maker.clamp(y))))


EXACT = ("identity", "relu", "abs", "neg", "floor", "ceil", "round")
FUNCTIONS = (
    "sigmoid tanh exp sqrt erf gelu gelu_tanh softplus mish silu sin cos hard_swish reciprocal"
)


@given(st.data(), st.sampled_from((*EXACT, *FUNCTIONS.split())))
def test_unary(data: st.DataObject, name: str) -> None:
    maker = Maker(data)
    type_ = maker.type("u8", "i8")
    if name in ("sqrt", "reciprocal"):  # of positive numbers only
        type_ = quant.UniformType("u8", float(type_.scale), 0)
    x = maker.input(type_, 3, 50)
    if name == "reciprocal":
        maker.inputs["x0"] = np.maximum(maker.inputs["x0"], 1)
    y = TensorType(maker.type("u8", "i8"), (3, 50))
    check(maker, maker.add(quant.UnaryOp(quant.UnaryFn(name), x, y)), steps=int(name not in EXACT))


_PARAMETRIC = ("clip", "hard_sigmoid", "leaky_relu", "elu", "pow", "inverse_sigmoid")


@given(st.data(), st.sampled_from(_PARAMETRIC))
def test_unary_with_parameters(data: st.DataObject, name: str) -> None:
    maker = Maker(data)
    type_ = maker.type()
    if name == "pow":  # of numbers that are not negative
        type_ = quant.UniformType("u8", float(type_.scale), 0)
    x = maker.input(type_, 4, 20)
    parameters = {"alpha": float(np.float32(maker.rng.uniform(0.1, 0.4)))}
    if name in ("clip", "hard_sigmoid"):
        parameters["beta"] = float(np.float32(maker.rng.uniform(0.5, 1.0)))
    y = maker.output((4, 20))
    made = maker.add(quant.UnaryOp(quant.UnaryFn(name), x, y, **parameters))
    check(maker, made, steps=int(name in ("elu", "pow", "inverse_sigmoid")))


@given(st.data(), st.booleans())
def test_pool(data: st.DataObject, average: bool) -> None:
    maker = Maker(data)
    kernel = [maker.integer(1, 3) for _ in range(2)]
    strides = [maker.integer(1, 3) for _ in range(2)]
    dilations = [1, 1] if average else [maker.integer(1, 2) for _ in range(2)]
    pads = [maker.integer(0, k - 1) for k in (*kernel, *kernel)]
    ceil = data.draw(st.booleans())
    size = (maker.integer(5, 8), maker.integer(5, 8))
    out = [
        window_size(size[i], kernel[i], strides[i], pads[i], pads[i + 2], dilations[i], ceil)
        for i in range(2)
    ]
    type_ = maker.type()
    x = maker.input(type_, 1, 2, *size)
    window: dict[str, Any] = {
        "kernel": kernel,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "ceil_mode": ceil,
    }
    if average:
        y = maker.output((1, 2, *out))
        include = data.draw(st.booleans())
        check(maker, maker.add(quant.AvgPoolOp(x, y, count_include_pad=include, **window)))
    else:
        y = TensorType(type_, (1, 2, *out))
        check(maker, maker.add(quant.MaxPoolOp(x, y, **window)))


@given(st.data(), st.sampled_from(list(quant.ReduceKind)))
def test_reduce(data: st.DataObject, kind: quant.ReduceKind) -> None:
    maker = Maker(data)
    axes = sorted(data.draw(st.sets(st.integers(0, 3), min_size=1)))
    shape = [maker.integer(1, 5) for _ in range(4)]
    keep = data.draw(st.booleans())
    kept = [1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes]
    type_ = maker.type()
    x = maker.input(type_, *shape)
    exact = kind in (quant.ReduceKind.MAX, quant.ReduceKind.MIN)
    y = TensorType(type_, kept) if exact else maker.output(tuple(kept), "u8", "i8")
    steps = int(kind is quant.ReduceKind.LOG_SUM_EXP)
    check(maker, maker.add(quant.ReduceOp(kind, x, axes, y, keepdims=keep)), steps=steps)


@given(st.data(), st.sampled_from(list(quant.NormKind)))
def test_norm(data: st.DataObject, kind: quant.NormKind) -> None:
    maker = Maker(data)
    shape = [maker.integer(1, 6) for _ in range(4)]
    x = maker.input(maker.type(), *shape)
    axes = sorted(data.draw(st.sets(st.integers(0, 3), min_size=1)))
    groups: int | None = None
    if 1 in axes and data.draw(st.booleans()):
        groups = data.draw(st.sampled_from([g for g in range(1, 7) if shape[1] % g == 0]))
    factors = [
        maker.constant(maker.rng.normal(0, 1, kept).astype(np.float32), f32)
        for _ in range(maker.integer(0, 2))
        for kept in [[n if data.draw(st.booleans()) else 1 for n in shape]]
    ]
    y = maker.output(tuple(shape))
    op = quant.NormOp(
        kind,
        x,
        axes,
        y,
        scale=factors[0] if factors else None,
        bias=factors[1] if len(factors) > 1 else None,
        groups=groups,
        epsilon=1e-5 if kind in (quant.NormKind.LAYER, quant.NormKind.RMS) else None,
        clamp=maker.clamp(y),
    )
    check(maker, maker.add(op))


@given(st.data(), st.booleans(), st.booleans())
def test_cum_sum(data: st.DataObject, exclusive: bool, reverse: bool) -> None:
    maker = Maker(data)
    x = maker.input(maker.type(), 3, 5, 7)
    op = quant.CumSumOp(
        x, maker.integer(0, 2), maker.output((3, 5, 7)), exclusive=exclusive, reverse=reverse
    )
    check(maker, maker.add(op))


@given(st.data())
def test_softmax(data: st.DataObject) -> None:
    maker = Maker(data)
    x = maker.input(maker.type("u8", "i8"), 2, 5, 7)
    y = TensorType(quant.UniformType("u8", 1 / 255), (2, 5, 7))
    check(maker, maker.add(quant.SoftmaxOp(x, maker.integer(0, 2), y)), steps=1)


@given(st.data())
def test_log_softmax(data: st.DataObject) -> None:
    maker = Maker(data)
    x = maker.input(maker.type("u8", "i8"), 2, 5, 7)
    y = maker.output((2, 5, 7), "u8", "i8")
    check(maker, maker.add(quant.LogSoftmaxOp(x, maker.integer(0, 2), y)), steps=1)


@given(st.data())
def test_casts(data: st.DataObject) -> None:
    maker = Maker(data)
    x = maker.input(f32, 40)
    quantized = maker.add(quant.QCastOp(x, TensorType(maker.type(), (40,))))
    other = maker.add(quant.RequantizeOp(quantized, TensorType(maker.type(), (40,))))
    check(maker, maker.add(quant.DCastOp(other, TensorType(f32, (40,)))))


@given(st.data())
def test_normalize(data: st.DataObject) -> None:
    maker = Maker(data)
    x = maker.input(quant.UniformType("u8", 1.0), 1, 4, 4, 3)
    mean = [float(np.float32(v)) for v in maker.rng.uniform(100, 130, 3)]
    std = [float(np.float32(v)) for v in maker.rng.uniform(40, 70, 3)]
    y = maker.output((1, 4, 4, 3))
    check(maker, maker.add(quant.NormalizeOp(x, mean, std, 3, y)))


@given(st.data())
def test_movement(data: st.DataObject) -> None:
    maker = Maker(data)
    type_ = maker.type("u8", "i8")
    x = maker.input(type_, 2, 3, 4)
    turned = maker.add(quant.TransposeOp(x, (2, 0, 1), TensorType(type_, (4, 2, 3))))
    flat = maker.add(quant.ReshapeOp(turned, TensorType(type_, (4, 6))))
    joined = maker.add(quant.ConcatOp([flat, flat], 1, TensorType(type_, (4, 12))))
    value = int(maker.stored(type_, (1,))[0])
    padded = maker.add(quant.PadOp(joined, (1, 0, 0, 2), value, TensorType(type_, (5, 14))))
    step = data.draw(st.sampled_from((-3, -1, 2)))
    start = 12 if step < 0 else 1
    sliced = quant.SliceOp(padded, (0, start), (5, 4), (1, step), TensorType(type_, (5, 4)))
    check(maker, maker.add(sliced))


def test_linear_form_differs_by_a_step_at_most() -> None:
    """QLinearConv computes in another precision: rarely a step, never more."""

    class Fixed:
        def draw(self, strategy: Any) -> Any:
            return 0

    maker = Maker(Fixed())  # type: ignore[arg-type]
    x_type = quant.UniformType("u8", 0.02, 120)
    x = maker.input(x_type, 1, 16, 24, 24)
    scales = maker.rng.uniform(0.001, 0.02, 32).astype(np.float32)
    w_type = quant.UniformPerAxisType.of("i8", 0, scales, None, maker.ctx.weights)
    w = maker.constant(maker.rng.integers(-127, 128, (32, 16, 3, 3)).astype(np.int8), w_type)
    y = TensorType(quant.UniformType("u8", 0.5, 128), (1, 32, 22, 22))
    module = maker.module(maker.add(quant.ConvOp(x, w, None, y)))
    exact, linear = (
        onnx.reference.ReferenceEvaluator(export_qlinear(module, maker.ctx, exact=e)).run(
            None, maker.inputs
        )[0]
        for e in (True, False)
    )
    assert np.unique(exact).size > 200
    difference = np.abs(exact.astype(int) - linear.astype(int))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= exact.size // 1000


@pytest.mark.parametrize("terms", [1, 40000, 70000])
def test_long_sums_do_not_overflow(terms: int) -> None:
    """Beyond what 32 bits can hold the sums are exact still."""

    class Fixed:
        def draw(self, strategy: Any) -> Any:
            return 0

    maker = Maker(Fixed())  # type: ignore[arg-type]
    a = maker.input(quant.UniformType("u8", 1.0, 0), 1, terms)
    maker.inputs["x0"][:] = 255
    w_type = quant.UniformType("i8", 1.0)
    b = maker.constant(np.full((terms, 1), -127, np.int8), w_type)
    y = TensorType(f32, (1, 1))
    module = maker.module(maker.add(quant.MatMulOp(a, b, None, y)))
    model = export_qlinear(module, maker.ctx)
    (got,) = onnx.reference.ReferenceEvaluator(model).run(None, maker.inputs)
    assert got[0, 0] == np.float32(-127 * 255 * terms)
