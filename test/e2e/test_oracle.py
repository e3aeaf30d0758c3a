"""Random models through the whole road, against ``onnx.reference`` on their exported integer form.

``numerics.md`` says what must hold: operators without an f32 function agree on every element;
those with one agree to a step of the output type; and neither tiling, nor swaps, nor the npu_mode,
nor the order of the jobs, nor threads change a bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from random_graphs import EXACT as CORE
from random_graphs import (
    FUNCTIONS,
    SENSITIVE,
    Sketch,
    conv,
    cum_sum,
    models,
    norm_reduction,
    prelu,
)
from random_images import IMAGES
from random_integers import INTEGERS
from road import Program, Quantized, Tensors, evaluate_reference, quantize, random_inputs

from pulsar2.diagnostics import UserError
from pulsar2.targets import target_names

EXACT = (*CORE, *IMAGES, *INTEGERS)
_FORMATS = ("", "bias=FP32", "activation=S8", "activation=U16", "activation=S16 bias=FP32")


def _assert_equal(got: Tensors, expected: Tensors) -> None:
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, strict=True, err_msg=name)


@pytest.mark.parametrize("operator", EXACT + SENSITIVE, ids=lambda operator: operator.__name__)
def test_single_operators_agree_with_onnx(operator: Callable[[Sketch], None]) -> None:
    @settings(max_examples=100 if operator is conv else 30)
    @given(models((operator,), steps=1))
    def check(model: onnx.ModelProto) -> None:
        inputs = random_inputs(model, 3)
        quantized = quantize(model, inputs[:2])
        expected = evaluate_reference(quantized.reference(), inputs[2])
        _assert_equal(quantized.compile().run(inputs[2]), expected)

    check()


@settings(max_examples=60)
@given(models(EXACT + SENSITIVE, steps=5))
def test_small_graphs_agree_with_onnx(model: onnx.ModelProto) -> None:
    inputs = random_inputs(model, 3)
    quantized = quantize(model, inputs[:2])
    program = quantized.compile()
    assert program.findings() == []
    expected = evaluate_reference(quantized.reference(), inputs[2])
    _assert_equal(program.run(inputs[2]), expected)


@pytest.mark.parametrize("options", _FORMATS[1:])
def test_other_formats_agree_with_onnx(options: str) -> None:
    @settings(max_examples=15)
    @given(models(EXACT + SENSITIVE, steps=3))
    def check(model: onnx.ModelProto) -> None:
        inputs = random_inputs(model, 2)
        quantized = quantize(model, inputs[:1], options)
        expected = evaluate_reference(quantized.reference(), inputs[1])
        _assert_equal(quantized.compile().run(inputs[1]), expected)

    check()


def _output_steps(reference: onnx.ModelProto) -> dict[str, float]:
    """The scale of each output: that of the DequantizeLinear that makes it."""
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in reference.graph.initializer}
    producers = {node.output[0]: node for node in reference.graph.node}
    steps: dict[str, float] = {}
    for output in reference.graph.output:
        node = producers[output.name]
        while node.op_type in ("Identity", "Reshape", "Transpose"):
            node = producers[node.input[0]]
        assert node.op_type == "DequantizeLinear"
        steps[output.name] = constants[node.input[1]].item()
    return steps


@settings(max_examples=60)
@given(models(FUNCTIONS, steps=1))
def test_functions_are_within_a_step_of_onnx(model: onnx.ModelProto) -> None:
    inputs = random_inputs(model, 3)
    quantized = quantize(model, inputs[:2])
    reference = quantized.reference()
    expected = evaluate_reference(reference, inputs[2])
    got = quantized.compile().run(inputs[2])
    steps = _output_steps(reference)
    for name, values in expected.items():
        assert np.abs(got[name] - values).max() <= 1.001 * steps[name]


@settings(max_examples=20)
@given(models(SENSITIVE, steps=1))
def test_normalizations_in_f32_are_near_onnxruntime(model: onnx.ModelProto) -> None:
    """Not ``onnx.reference``, whose LpNormalization with p = 1 takes no magnitudes."""
    (inputs,) = random_inputs(model, 1)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)
    got = quantize(model, [inputs], precision="highest=true").compile().run(inputs)
    names = [output.name for output in model.graph.output]
    for name, values in zip(names, expected, strict=True):
        np.testing.assert_allclose(got[name], values, rtol=1e-3, atol=1e-4)


def _shrunk(quantized: Quantized) -> list[Program]:
    """The model compiled for less and less OCM, until an operator no longer fits."""
    programs: list[Program] = []
    for ocm_bytes in (1 << 16, 1 << 14, 1 << 13, 1 << 12):
        try:
            programs.append(quantized.compile(ocm_bytes=ocm_bytes))
        except UserError:
            break
    return programs


@settings(max_examples=20)
@given(models(EXACT + SENSITIVE + FUNCTIONS, steps=6))
def test_schedules_do_not_change_a_bit(model: onnx.ModelProto) -> None:
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1])
    whole = quantized.compile()
    expected = whole.run(inputs[1])
    others = [quantized.compile(npu_mode) for npu_mode in ("NPU2", "NPU3")]
    for program in (*others, *_shrunk(quantized)):
        assert program.findings() == []
        _assert_equal(program.run(inputs[1], threads=2), expected)


@settings(max_examples=6)
@given(models((*SENSITIVE, norm_reduction, cum_sum, prelu, *FUNCTIONS), steps=2))
def test_targets_do_not_change_a_bit(model: onnx.ModelProto) -> None:
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1])
    expected = quantized.compile().run(inputs[1])
    for target in target_names():
        program = quantized.compile(target=target, ocm_bytes=1 << 14)
        assert program.findings() == []
        _assert_equal(program.run(inputs[1]), expected)


@settings(max_examples=20)
@given(models(EXACT + SENSITIVE + FUNCTIONS, steps=6))
def test_job_orders_do_not_change_a_bit(model: onnx.ModelProto) -> None:
    inputs = random_inputs(model, 2)
    quantized = quantize(model, inputs[:1])
    for program in (quantized.compile("NPU3"), *_shrunk(quantized)[-1:]):
        if len(program.compiled.programs) != 1:
            continue
        expected = program.run_in_order(inputs[1], None)
        for order in range(3):
            for got, wanted in zip(program.run_in_order(inputs[1], order), expected, strict=True):
                _assert_equal(got, wanted)
