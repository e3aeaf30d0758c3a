"""Real models that come quantized: built as they are, and computed as ONNX says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models import SMART_TURN
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import decode_axmodel, encode_axmodel
from pulsar2.context import AxContext, make_context
from pulsar2.driver.check import exposed
from pulsar2.driver.container import compile_container
from pulsar2.driver.float_check import FloatModel
from pulsar2.driver.lockstep import differences
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_export import export_qlinear
from pulsar2.runtime import InferenceSession

Quantized = tuple[ModuleOp, AxContext]


@pytest.fixture(scope="module")
def smart_turn() -> Quantized:
    context = make_context()
    module = import_onnx(SMART_TURN.file(), context, input_shapes=SMART_TURN.shapes)
    stages = "import-quantized,optimize,precision{floating=true},place{target=AX650}"
    run_passes(context, module, parse_passes(f"{stages},quantize-imported"))
    return module, context


def compiled(module: ModuleOp, context: AxContext) -> bytes:
    module = module.clone()
    run_passes(context, module, parse_passes("partition,schedule{target=AX650},emit"))
    return encode_axmodel(compile_container(module, context, macs=0).model)


def outputs(data: bytes, number: int) -> dict[str, Any]:
    session = InferenceSession(data, threads=1)
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, SMART_TURN.sample(number)), strict=True))


def test_smart_turn_is_the_npus_and_near_onnx_runtime(smart_turn: Quantized) -> None:
    """ONNX Runtime fuses roundings, so its results are near, but not the same."""
    data = compiled(*smart_turn)
    container = decode_axmodel(data)
    assert len(container.npu_subgraphs) == 1
    assert not container.cpu_subgraphs
    original = FloatModel(SMART_TURN.file())
    for number in range(2):
        wanted = original.run(SMART_TURN.sample(number))["logits"].item()
        assert np.isclose(outputs(data, number)["logits"].item(), wanted, atol=0.02)


def test_every_operator_of_smart_turn_computes_what_onnx_says(smart_turn: Quantized) -> None:
    """Integers are the same but where a function of f32 is rounded: there at most by one step."""
    module = exposed(*smart_turn)
    integers = export_qlinear(module, smart_turn[1])
    emulated = outputs(compiled(module, smart_turn[1]), 0)
    found = differences(integers, SMART_TURN.sample(0), emulated)
    quantized = [d for d in found if d.relative == 0.0]
    assert len(quantized) > 80
    assert max(d.steps for d in found) <= 1, [d for d in found if d.steps > 1]
    assert max(d.relative for d in found) < 1e-5
    assert sum(d.differing for d in quantized) < 1e-4 * sum(d.elements for d in quantized)
