"""Rows of layers, EasyQuant and bias correction, on layers by themselves."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper
from test_calibrate import imported, model_of

from pulsar2._kernels import ScaleReader, search_scales
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.correct_biases import correct_biases
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.easy_quant import easy_quant
from pulsar2.calibration.layers import layers_of
from pulsar2.lowering.quant.load_decisions import Decisions
from pulsar2.lowering.quant.parameters import quantize_weight
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.onnx_export import main_function

RANDOM = np.random.default_rng(0)


def conv_model(shape=(1, 4, 9, 8), outputs=6, kernel=3, group=1, **attributes):
    weight = RANDOM.normal(size=(outputs, shape[1] // group, kernel, kernel)).astype(np.float32)
    bias = RANDOM.normal(size=outputs).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "conv", group=group, **attributes)
    return model_of([node], shape, w=weight, b=bias)


def samples_of(shape, count=4, mean=0.0):
    numbers = RANDOM.normal(mean, 1, (count, *shape)).astype(np.float32)
    return [Sample(str(i), {"x": x}) for i, x in enumerate(numbers)]


def calibrated(model, samples):
    module, context = imported(model)
    calibrate(module, context, samples)
    return module, context


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 2, 0, 1], "strides": [2, 1]},
        {"dilations": [2, 3], "pads": [2, 2, 2, 2]},
        {"group": 2},
        {"group": 4, "outputs": 8, "kernel": 2},
        {"shape": (2, 4, 5, 5)},
    ],
)
def test_rows_times_weights_are_the_results(attributes) -> None:
    model = conv_model(**attributes)
    shape = attributes.get("shape", (1, 4, 9, 8))
    (sample,) = samples_of(shape, 1)
    module, context = calibrated(model, [sample])
    (layer,) = layers_of(QuantPlan(main_function(module), context.weights))
    rows = layer.rows.cut(sample.inputs["x"], np.arange(layer.rows.count))
    weight = layer.rows.weight.reshape(rows.shape[1], -1, rows.shape[2])
    found = np.einsum("rgk,gok->rgo", rows, weight).reshape(len(rows), -1) + layer.rows.bias
    session = ort.InferenceSession(model.SerializeToString())
    expected = np.moveaxis(session.run(None, dict(sample.inputs))[0], 1, -1)
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-4, atol=1e-5)


def test_gemm_rows() -> None:
    weight = RANDOM.normal(size=(5, 3)).astype(np.float32)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], "g", alpha=0.5, transB=0)
    model = model_of([node], (4, 5), w=weight)
    (sample,) = samples_of((4, 5), 1)
    module, context = calibrated(model, [sample])
    (layer,) = layers_of(QuantPlan(main_function(module), context.weights))
    rows = layer.rows.cut(sample.inputs["x"], np.arange(4))[:, 0]
    np.testing.assert_allclose(rows @ layer.rows.weight.T, sample.inputs["x"] @ weight * 0.5, 1e-5)


def error_of(x, weight, scales, limit):
    rounded = np.clip(np.rint(weight / scales[:, None]), -limit, limit) * scales[:, None]
    return ((x @ weight.T - x @ rounded.T) ** 2).sum(axis=0)


def test_searched_scales_are_no_worse_in_any_channel() -> None:
    x = RANDOM.normal(size=(300, 20)).astype(np.float32)
    weight = RANDOM.normal(size=(37, 20)).astype(np.float32)
    first = np.abs(weight).max(axis=1) / np.float32(7)
    reader = ScaleReader(x[None], weight, None, first, (-np.inf, np.inf), 7)
    found = search_scales(
        [reader], (-9.0, 9.0), (0, 255),
        fixed_range=False, exact_input=True, own_error=False, rounds=2,
    )  # fmt: skip
    assert found == (-9.0, 9.0)
    before, after = error_of(x, weight, first, 7), error_of(x, weight, reader.scales, 7)
    assert (after <= before * 1.0001).all()
    assert (after / before).mean() < 0.95
    assert (first == np.abs(weight).max(axis=1) / np.float32(7)).all(), "the given array stays"


def test_a_range_is_drawn_in_around_what_matters() -> None:
    x = RANDOM.normal(size=(1, 400, 16)).astype(np.float32)
    x[0, 0, 0] = 40.0
    weight = RANDOM.normal(size=(8, 16)).astype(np.float32)
    weight[:, 0] = 0.0
    reader = ScaleReader(x, weight, None, np.full(8, 0.03, np.float32), (-np.inf, np.inf), 127)
    low, high = search_scales(
        [reader], (-40.0, 40.0), (0, 255),
        fixed_range=False, exact_input=False, own_error=False, rounds=1,
    )  # fmt: skip
    assert -14 < low < 0 < high < 14


def test_easy_quant_does_not_depend_on_threads() -> None:
    model, samples = conv_model(), samples_of((1, 4, 9, 8))
    texts = set()
    for threads in (1, 3):
        module, context = calibrated(model, samples)
        assert easy_quant(module, context, samples, threads=threads).layers == 1
        correct_biases(module, context, samples, threads=threads)
        texts.add(Decisions.of(main_function(module), context.weights).text())
    assert len(texts) == 1


def test_bias_correction_takes_the_average_error_back() -> None:
    samples = samples_of((1, 4, 9, 8), mean=3.0)
    module, context = calibrated(conv_model(), samples)
    (layer,) = layers_of(QuantPlan(main_function(module), context.weights))
    correct_biases(module, context, samples)
    shifts = Decisions.of(main_function(module), context.weights).bias_shifts["conv"]
    x = np.concatenate(
        [layer.rows.cut(s.inputs["x"], np.arange(layer.rows.count))[:, 0] for s in samples]
    )
    weight = layer.rows.weight
    scales = np.abs(weight).max(axis=1) / np.float32(127)
    rounded = quantize_weight(weight, scales, 0) * scales[:, None]
    average = (x @ weight.T - x @ rounded.T).mean(axis=0)
    assert np.abs(average).max() > 1e-3
    np.testing.assert_allclose(shifts, average, atol=1e-4)
