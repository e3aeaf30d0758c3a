"""Random float models through calibration and quantization, judged from outside.

ONNX's reference evaluator computes the exported integer model, and must agree with the golden on
every element; ONNX Runtime computes the float model, and the quantized one must be near it.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx.reference
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from quant_golden import Evaluator
from random_graphs import EXACT, FUNCTIONS, models
from xdsl.dialects.builtin import ModuleOp

from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes
from pulsar2.quant_axmodel import make_quant_axmodel, quant_configs, read_quant_axmodel
from pulsar2.quant_export import export_qdq, export_qlinear, reference_session


def quantized(model: onnx.ModelProto, samples: list[Sample]) -> tuple[ModuleOp, AxContext]:
    ctx = make_context()
    module = import_onnx(model, ctx)
    calibrate(module, ctx, samples, threads=1)
    for item in parse_passes("quantize"):
        item.apply(ctx, module)
    module.verify()
    return module, ctx


def samples_for(model: onnx.ModelProto, count: int, seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    for index in range(count):
        arrays = {
            value.name: rng.normal(
                0, 1, [d.dim_value for d in value.type.tensor_type.shape.dim]
            ).astype(np.float32)
            for value in model.graph.input
        }
        samples.append(Sample(str(index), arrays))
    return samples


def signal_to_noise(expected: np.ndarray, got: np.ndarray) -> float:
    noise = float(np.square((expected - got).astype(np.float64)).sum())
    signal = float(np.square(expected.astype(np.float64)).sum())
    return 10 * np.log10(max(signal, 1e-12) / max(noise, 1e-12))


@settings(max_examples=40)
@given(models(EXACT, steps=5), st.integers(0, 2**31))
def test_integer_model_is_the_golden_and_near_the_float_model(
    model: onnx.ModelProto, seed: int
) -> None:
    samples = samples_for(model, 3, seed)
    module, ctx = quantized(model, samples)
    inputs = samples[0].inputs
    expected = Evaluator(ctx.weights).run(main_function(module), inputs)
    got = onnx.reference.ReferenceEvaluator(export_qlinear(module, ctx)).run(None, inputs)
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(other, one)
    session = ort.InferenceSession(model.SerializeToString())
    runs = [session.run(None, sample.inputs) for sample in samples]
    for index, other in enumerate(got):
        # An output may be a difference that all but cancels, so noise is judged by what the output
        # takes on over all samples.
        peak = max(float(np.abs(run[index]).max(initial=0)) for run in runs)
        noise = np.sqrt(np.square((runs[0][index] - other).astype(np.float64)).mean())
        assert noise <= 0.15 * peak + 1e-3


@settings(max_examples=25)
@given(models((*EXACT, *FUNCTIONS), steps=5), st.integers(0, 2**31))
def test_qdq_model_is_within_a_step_per_layer(model: onnx.ModelProto, seed: int) -> None:
    samples = samples_for(model, 3, seed)
    module, ctx = quantized(model, samples)
    inputs = samples[0].inputs
    expected = Evaluator(ctx.weights).run(main_function(module), inputs)
    got = reference_session(export_qdq(module, ctx)).run(None, inputs)
    for one, other in zip(expected, got, strict=True):
        # A step in one layer may grow in the next, so the whole is compared by its noise.
        assert signal_to_noise(one, np.asarray(other)) > 25 or np.abs(one).max() < 1e-3


@settings(max_examples=20)
@given(models((*EXACT, *FUNCTIONS), steps=5), st.integers(0, 2**31))
def test_quant_axmodel_reads_back_as_it_was(model: onnx.ModelProto, seed: int) -> None:
    module, ctx = quantized(model, samples_for(model, 1, seed))
    again = make_context()
    read = read_quant_axmodel(make_quant_axmodel(module, ctx), again)
    assert str(read) == str(module)
    assert read.is_structurally_equivalent(module)
    assert [c.as_json() for c in quant_configs(read)] == [
        c.as_json() for c in quant_configs(module)
    ]


@settings(max_examples=15)
@given(models((*EXACT, *FUNCTIONS), steps=4), st.integers(0, 2**31))
def test_ranges_do_not_depend_on_the_number_of_threads(model: onnx.ModelProto, seed: int) -> None:
    samples = samples_for(model, 5, seed)
    texts: list[str] = []
    for threads in (1, 3):
        ctx = make_context()
        module = import_onnx(model, ctx)
        calibrate(module, ctx, samples, threads=threads)
        texts.append(str(module))
    assert texts[0] == texts[1]
