"""Names survive: after every pass, each operation says which ONNX node it comes from."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given, settings
from random_graphs import EXACT, FUNCTIONS, models
from road import random_inputs
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from bench.networks import mobilenet_v2
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.ir import VerifyError, parse_module, print_module, verify_locations
from pulsar2.locations import node_name
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes


def _check(each: ModulePass, module: ModuleOp) -> None:
    try:
        verify_locations(module)
    except VerifyError as error:
        pytest.fail(f"{each.name} loses names:\n{error}")


def _walk_the_road(model: onnx.ModelProto) -> ModuleOp:
    context = make_context()
    module = import_onnx(model, context)
    verify_locations(module)
    run_passes(context, module, parse_passes("optimize"), after=_check)
    samples = [Sample("sample", inputs) for inputs in random_inputs(model, 1)]
    calibrate(module, context, samples, threads=1)
    passes = parse_passes("quantize,partition,schedule,emit")
    run_passes(context, module, passes, after=_check)
    text = print_module(module)
    assert print_module(parse_module(text, make_context(), "again").module) == text
    return module


@settings(max_examples=30)
@given(model=models((*EXACT, *FUNCTIONS), steps=5))
def test_names_survive_on_random_graphs(model: onnx.ModelProto) -> None:
    _walk_the_road(model)


def test_jobs_have_the_names_of_nodes() -> None:
    model = mobilenet_v2(size=64)
    tensors = {t.name for t in (*model.graph.input, *model.graph.output)}
    casts = {f"{t}_{kind}" for t in tensors for kind in ("QuantizeLinear", "DequantizeLinear")}
    known = {node.name for node in model.graph.node} | casts
    module = _walk_the_road(model)
    labels = {node_name(op) for op in module.walk() if op.name.endswith(".job")}
    assert labels - known == set()
