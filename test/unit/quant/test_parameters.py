"""From ranges and weights to quantization parameters."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from pulsar2.dialects.quant.types import UniformType
from pulsar2.lowering.quant.parameters import (
    activation_type,
    bias_scales,
    constant_type,
    quantize,
    quantize_bias,
    quantize_number,
    quantize_weight,
    weight_scales,
    widen_for_bias,
)

FINITE = st.floats(-1e6, 1e6, width=32).filter(lambda v: v == 0 or abs(v) > 1e-15)


@given(FINITE, FINITE, st.sampled_from(["u8", "i8", "u16", "i16"]))
def test_activation_type_spans_the_range(a: float, b: float, storage: str) -> None:
    low, high = min(a, b), max(a, b)
    type_ = activation_type(low, high, storage)
    least, greatest = type_.bounds
    scale, zero = float(type_.scale), type_.zero_point
    assert quantize_number(0.0, type_) == zero  # zero is exact
    # Both ends are representable to half a step, which the zero point's rounding may cost.
    assert (greatest - zero) * scale >= max(high, 0.0) - 0.51 * scale
    assert (least - zero) * scale <= min(low, 0.0) + 0.51 * scale


def test_zero_range_has_scale_one() -> None:
    assert activation_type(0.0, 0.0, "u8") == UniformType("u8", 1.0, 0)
    assert activation_type(0.0, 1e-44, "u8").scale == 1


@given(FINITE.filter(lambda v: abs(v) > 1e-30), st.sampled_from(["u8", "i8", "u16"]))
def test_one_number_is_a_constant_without_error(value: float, storage: str) -> None:
    array = np.asarray([value, 0.0], np.float32)
    type_ = constant_type(array, storage)
    stored = quantize(array, type_).astype(np.int64)
    np.testing.assert_array_equal((stored - type_.zero_point) * type_.scale, array)


@given(st.lists(FINITE, min_size=1, max_size=50), st.sampled_from(["u8", "i8"]))
def test_quantize_is_quantize_linear(values: list[float], storage: str) -> None:
    """ONNX's reference is the oracle."""
    x = np.asarray(values, np.float32)
    type_ = activation_type(float(x.min()), float(x.max()), storage)
    dtype = np.dtype(np.uint8 if storage == "u8" else np.int8)
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None]),
        helper.make_tensor_value_info("s", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("z", helper.np_dtype_to_tensor_dtype(dtype), []),
    ]
    output = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(dtype), [None])
    model = helper.make_model(helper.make_graph([node], "q", inputs, [output]))
    feeds = {"x": x, "s": np.asarray(type_.scale), "z": np.asarray(type_.zero_point, dtype)}
    (expected,) = ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_array_equal(quantize(x, type_), expected)
    assert [quantize_number(float(v), type_) for v in x] == expected.tolist()


def test_weights_are_symmetric_per_channel() -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, [[1.0], [100.0], [0.0]], (3, 50)).astype(np.float32)
    scales = weight_scales(weight, 0, 1e-6)
    stored = quantize_weight(weight, scales, 0)
    assert stored.min() >= -127
    assert np.abs(stored[:2]).max(axis=1).tolist() == [127, 127]
    assert not stored[2].any()
    assert scales[2] == np.float32(1e-6) / np.float32(127)
    assert weight_scales(weight, 0, -1)[2] == 1
    error = np.abs(stored * scales[:, None] - weight)
    assert (error <= 0.5001 * scales[:, None]).all()


def test_large_bias_widens_the_scale() -> None:
    """A bias that 32 bits cannot hold at the product's scale must not saturate."""
    scales = np.asarray([1e-8, 1e-3], np.float32)
    bias = np.asarray([50.0, 0.5], np.float32)
    wide = widen_for_bias(scales, bias, np.float32(0.01))
    assert wide[0] > scales[0]
    assert wide[1] == scales[1]
    products = bias_scales(np.float32(0.01), wide)
    stored = quantize_bias(bias, products)
    np.testing.assert_allclose(stored * products.astype(np.float64), bias, rtol=1e-5)
