"""ONNX's node cases through a build: NPU and CPU subgraphs.

A case passes when the compiled model computes what ONNX Runtime makes of the case's model (or what
the case expects, where ONNX Runtime does not run it): within the case's own tolerance where the CPU
runs all of it, and only in form where the numbers are random. What the NPU runs is quantized, so
there the results have the same shapes and types, and numbers near those of the case; or else they
are, to a step, what the quantized form computes in ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto
from onnx_cases import Outcome, Result, alike, arrays_of, close, operator_of, run_runtime
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import decode_axmodel, encode_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.schema import op_spec
from pulsar2.dialects.quant.casts import DCastOp
from pulsar2.dialects.quant.types import uniform_of
from pulsar2.driver.container import compile_container
from pulsar2.driver.placement import check_runtime
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_export import export_qdq
from pulsar2.quant_export.session import reference_session
from pulsar2.runtime import InferenceSession
from pulsar2.values import description

_QUANTIZED_ERROR = 0.1
"""Share of the greatest magnitude that quantized results may be off in these tiny cases."""
_QUANTIZED_STEPS = 1.001
"""Steps that they may be off what the quantized form of the model computes: the numerics page."""


COARSE = {
    "test_attention_4d_softcap_neginf_mask_poison_expanded": "1,000 beside numbers below 1",
    "test_gridsample_nearest": "a grid of 8 bits takes the other neighbour of a half",
    "test_logsoftmax_large_number": "10,000 and 10,001 are within a step of 8 bits",
    "test_logsoftmax_large_number_expanded": "10,000 and 10,001 are within a step of 8 bits",
    "test_logsoftmax_large_number_expanded_ver18": "10,000 and 10,001 are within a step of 8 bits",
    "test_round": "a half is rounded before it is quantized, or after",
    "test_softmax_large_number": "10,000 and 10,001 are within a step of 8 bits",
    "test_softmax_large_number_expanded": "10,000 and 10,001 are within a step of 8 bits",
    "test_softmax_large_number_expanded_ver18": "10,000 and 10,001 are within a step of 8 bits",
    "test_thresholdedrelu_example_expanded_ver18": "2 is compared with 2, quantized",
}
"""Cases whose results hang on less than a step of the numbers that they are quantized to.

They are what the quantized form of the model computes, to a step, and not what the float one does.
"""


def build_case(model: ModelProto, feeds: dict[str, Any], target: str = "AX650") -> bytes:
    """The container that the stages of a build make of a model, calibrated with its own inputs."""
    module, context = quantized_case(model, feeds, target)
    pipeline = f"partition,schedule{{target={target}}},emit"
    run_passes(context, module, parse_passes(pipeline))
    return encode_axmodel(compile_container(module, context, macs=0).model)


def quantized_case(
    model: ModelProto, feeds: dict[str, Any], target: str = "AX650"
) -> tuple[ModuleOp, AxContext]:
    """The quantized module of a build, calibrated with the model's own inputs."""
    context = make_context()
    module = import_onnx(model, context, input_shapes=shapes_of(model, feeds))
    run_passes(context, module, parse_passes(f"optimize,place{{target={target}}}"))
    check_runtime(module, context)
    calibrate(module, context, [Sample("case", feeds)], threads=1)
    run_passes(context, module, parse_passes("quantize"))
    return module, context


def steps_from_quantized(model: ModelProto, feeds: dict[str, Any], got: Sequence[Any]) -> float:
    """How far results are from those of the quantized form in ONNX Runtime, in steps of theirs.

    That is the form with QuantizeLinear and DequantizeLinear around each operator. Infinite where
    results leave the model in another way than dequantized, and differ.
    """
    module, context = quantized_case(model, feeds)
    session = reference_session(export_qdq(module, context))
    wanted = session.run(None, dict(feeds))
    terminator = main_function(module).body.block.last_op
    assert terminator is not None
    worst = 0.0
    for value, after, before in zip(terminator.operands, got, wanted, strict=True):
        error = float(np.max(np.abs(np.asarray(after, np.float64) - np.asarray(before)), initial=0))
        if isinstance(value.owner, DCastOp) and (type_ := uniform_of(value.owner.x)) is not None:
            worst = max(worst, error / float(type_.scale))
        elif error:
            return np.inf
    return worst


def shapes_of(model: ModelProto, feeds: dict[str, Any]) -> dict[str, Sequence[int]]:
    """What a user gives as `input_shapes`: the shapes of the inputs that the model leaves open."""
    found: dict[str, Sequence[int]] = {}
    for info in model.graph.input:
        type_ = info.type.tensor_type
        fixed = type_.HasField("shape") and all(d.HasField("dim_value") for d in type_.shape.dim)
        if info.type.HasField("tensor_type") and not fixed:
            found[info.name] = np.shape(feeds[info.name])
    return found


def run_case_compiled(case: Any) -> Result:
    """Builds a case's model and runs it."""
    operator, placement = operator_of(case.model), ""
    for inputs, outputs in case.data_sets:
        arrays = [np.asarray(a) if isinstance(a, np.generic) else a for a in arrays_of(inputs)]
        expected = wanted = arrays_of(outputs)
        random = _is_random(case.model.graph)
        with suppress(Exception):  # whatever ONNX Runtime has against the model
            wanted = run_runtime(case.model, arrays)
            pairs = zip(wanted, expected, strict=True)
            random |= not all(close(a, b, case.rtol, case.atol) for a, b in pairs)
        names = [v.name for v in case.model.graph.input][: len(arrays)]
        try:
            data = build_case(case.model, feeds := dict(zip(names, arrays, strict=True)))
            placement = _placement(data)
            outcome, reason = _compare(case, data, feeds, wanted, random)
        except UserError as error:
            outcome, reason = Outcome.REFUSED, str(error)
        except Exception as error:
            outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
        if outcome is not Outcome.PASSED:
            return Result(case.name, operator, outcome, reason, placement)
    return Result(case.name, operator, Outcome.PASSED, placement=placement)


def _is_random(graph: GraphProto) -> bool:
    """Whether an operator draws numbers; an operator with a body is as random as that."""
    for node in graph.node:
        bodies = [a.g for a in node.attribute if a.HasField("g")]
        spec = None if node.domain else op_spec(node.op_type)
        if not bodies and spec is not None and not spec.deterministic:
            return True
        if any(map(_is_random, bodies)):
            return True
    return False


def _placement(data: bytes) -> str:
    """Where the subgraphs of a container run; a model that is all constants has none."""
    model = decode_axmodel(data)
    places = ("NPU", model.npu_subgraphs), ("CPU", model.cpu_subgraphs)
    return " and ".join(name for name, parts in places if parts) or "CPU"


def _compare(
    case: Any, data: bytes, feeds: dict[str, Any], wanted: Sequence[Any], random: bool
) -> tuple[Outcome, str]:
    quantized = bool(decode_axmodel(data).npu_subgraphs)
    got = InferenceSession(data, threads=1).run(None, feeds)
    outcome, reason = _against_float(case, got, wanted, random, quantized)
    if outcome is Outcome.FAILED and quantized and not any(isinstance(v, list) for v in got):
        steps = steps_from_quantized(case.model, feeds, got)
        if steps <= _QUANTIZED_STEPS:
            return Outcome.COARSE, f"{reason}; {steps:.2g} steps from the quantized form"
    return outcome, reason


def _against_float(
    case: Any, got: Sequence[Any], wanted: Sequence[Any], random: bool, quantized: bool
) -> tuple[Outcome, str]:
    for index, (after, before) in enumerate(zip(got, wanted, strict=True)):
        if random and alike(after, before):
            continue
        fault = _value_fault(after, before, case, quantized)
        if fault:
            return Outcome.FAILED, f"output {index} {fault}"
    return Outcome.PASSED, ""


def _value_fault(got: Any, wanted: Any, case: Any, quantized: bool) -> str:
    """As `_fault`; a sequence is compared tensor by tensor."""
    if got is None or wanted is None:
        return "" if got is wanted else f"is {description(got)}, not {description(wanted)}"
    if isinstance(got, list) and isinstance(wanted, list):
        if len(got) != len(wanted):
            return f"has {len(got)} tensors, not {len(wanted)}"
        pairs = zip(got, wanted, strict=True)
        faults = [_fault(np.asarray(a), np.asarray(b), case, quantized) for a, b in pairs]
        return next(filter(None, faults), "")
    return _fault(np.asarray(got), np.asarray(wanted), case, quantized)


def _fault(got: Any, wanted: Any, case: Any, quantized: bool) -> str:
    if got.shape != wanted.shape or got.dtype.kind != wanted.dtype.kind:
        return f"is {got.dtype}{list(got.shape)}, not {wanted.dtype}{list(wanted.shape)}"
    if wanted.dtype.kind in "OUS":
        return "" if got.tolist() == wanted.tolist() else "differs"
    if wanted.dtype.kind != "f" or not quantized:
        left, right = got.astype(np.float64), wanted.astype(np.float64)
        same = np.allclose(left, right, rtol=case.rtol, atol=case.atol, equal_nan=True)
        return "" if same or (quantized and wanted.dtype.kind != "f") else "differs"
    finite = np.isfinite(wanted)
    if not finite.any():
        return ""
    scale = float(np.abs(wanted[finite]).max()) or 1.0
    worst = float(np.abs(got[finite] - wanted[finite]).max())
    return "" if worst <= _QUANTIZED_ERROR * scale else f"is off by {worst:g} of {scale:g}"
