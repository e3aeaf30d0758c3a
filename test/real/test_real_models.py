"""Real models import, keep their meaning through optimization, build, and run on the emulator."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from models import MODELS

from pulsar2.axmodel import decode_axmodel, encode_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.driver.container import compile_container
from pulsar2.driver.float_check import FloatModel, difference
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.runtime import InferenceSession

SPELLED_OUT = ("LSTM", "BatchNormalization", "If", "Shape", "Erf", "Identity", "Dropout")
"""Operators that optimization leaves in none of these models, but for an If known at run time."""


@dataclass
class Optimized:
    """A model after the pipeline `optimize`, and the original in ONNX Runtime."""

    module: Any
    context: AxContext
    original: FloatModel

    @property
    def operators(self) -> Counter[str]:
        return Counter(op.op_type for op in self.module.walk() if isinstance(op, OnnxOp))


@cache
def optimized(name: str) -> Optimized:
    model = MODELS[name]
    context = make_context()
    module = import_onnx(model.file(), context, input_shapes=model.shapes)
    run_passes(context, module, parse_passes("optimize"))
    return Optimized(module, context, FloatModel(model.file()))


@pytest.mark.parametrize("name", MODELS)
def test_optimization_keeps_the_meaning(name: str) -> None:
    found = optimized(name)
    after = FloatModel.of(found.module, found.context)
    for number in range(3):
        feeds = MODELS[name].sample(number)
        got = after.run(feeds)
        for output, wanted in found.original.run(feeds).items():
            assert difference(got[output], wanted) == "", f"{output} of sample {number}"


@pytest.mark.parametrize("name", MODELS)
def test_idioms_are_recognized(name: str) -> None:
    operators = optimized(name).operators
    left = {o for o in SPELLED_OUT if operators[o]}
    assert left <= ({"If"} if name == "silero-vad-without-if" else set())


def test_activations_and_normalizations_of_text_recognition() -> None:
    operators = optimized("ppocr-recognition").operators
    assert operators["LayerNormalization"] == 5
    assert operators["Swish"] == 7
    assert operators["HardSwish"] == 28
    assert operators["ReduceMean"] == 0


def test_a_branch_that_cannot_run_is_left_out() -> None:
    assert optimized("silero-vad").operators["Conv"] == 6


LARGEST_ERROR = {
    "ppocr-detection": 0.15,
    "ppocr-direction": 0.002,
    "ppocr-recognition": 0.01,
    "silero-vad": 0.02,
    "silero-vad-without-rate": 0.02,
    "silero-vad-without-if": 1e-6,
    "silero-vad-sequence": 0.08,
    "magika": 0.002,
}
"""Root mean square of the error of outputs (probabilities and states, all within -1..1) on a sample
that is not in the calibration data."""

_SAMPLES = 8


def _compiled(name: str) -> bytes:
    found = optimized(name)
    module = found.module.clone()
    samples = [Sample(f"{n}", MODELS[name].sample(n)) for n in range(_SAMPLES)]

    def run(pipeline: str) -> None:
        run_passes(found.context, module, parse_passes(pipeline))

    run("place{target=AX650}")
    calibrate(module, found.context, samples, threads=1)
    run("quantize{activation=U16},partition,schedule{target=AX650},emit")
    return encode_axmodel(compile_container(module, found.context, macs=0).model)


@pytest.mark.parametrize("name", LARGEST_ERROR)
def test_it_builds_and_runs(name: str) -> None:
    data = _compiled(name)
    session = InferenceSession(data, threads=1)
    names = [o.name for o in session.get_outputs()]
    feeds = MODELS[name].sample(9)
    got = dict(zip(names, session.run(names, feeds), strict=True))
    for output, wanted in optimized(name).original.run(feeds).items():
        error = float(np.sqrt(np.mean(np.square(got[output] - wanted, dtype=np.float64))))
        assert error <= LARGEST_ERROR[name], output
    assert decode_axmodel(data).npu_subgraphs
