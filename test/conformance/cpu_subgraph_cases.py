"""ONNX's node cases through a build, where ONNX Runtime runs their models: NPU and CPU subgraphs.

A case passes when the compiled model computes what ONNX Runtime makes of the case's model: within
the case's own tolerance where the CPU runs all of it. What the NPU runs is quantized, so there the
results have the same shapes and types, and numbers near those of the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto
from onnx_cases import Outcome, Result, operator_of, run_runtime

from pulsar2.axmodel import decode_axmodel, encode_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import make_context
from pulsar2.diagnostics import UserError
from pulsar2.driver.container import compile_container
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.runtime import InferenceSession

_QUANTIZED_ERROR = 0.1
"""Share of the greatest magnitude that quantized results may be off in these tiny cases."""


def build_case(model: ModelProto, feeds: dict[str, Any], target: str = "AX650") -> bytes:
    """The container that the stages of a build make of a model, calibrated with its own inputs."""
    context = make_context()
    module = import_onnx(model, context)

    def run(pipeline: str) -> None:
        run_passes(context, module, parse_passes(pipeline))

    run(f"optimize,place{{target={target}}}")
    calibrate(module, context, [Sample("case", feeds)], threads=1)
    run(f"quantize,partition,schedule{{target={target}}},emit")
    return encode_axmodel(compile_container(module, context, macs=0).model)


def run_case_compiled(case: Any) -> Result:
    """Builds a case's model and runs it; `no engine` where ONNX Runtime does not run it itself."""
    operator = operator_of(case.model)
    for inputs, _ in case.data_sets:
        arrays = [
            onnx.numpy_helper.to_array(v) if isinstance(v, TensorProto) else v for v in inputs
        ]
        try:
            wanted = run_runtime(case.model, arrays)
        except Exception as error:
            return Result(case.name, operator, Outcome.NO_ENGINE, str(error).splitlines()[0])
        names = [v.name for v in case.model.graph.input][: len(arrays)]
        try:
            outcome, reason = _compare(case, dict(zip(names, arrays, strict=True)), wanted)
        except UserError as error:
            outcome, reason = Outcome.REFUSED, str(error)
        except Exception as error:
            outcome, reason = Outcome.FAILED, f"{type(error).__name__}: {error}"
        if outcome is not Outcome.PASSED:
            return Result(case.name, operator, outcome, reason)
    return Result(case.name, operator, Outcome.PASSED)


def _compare(case: Any, feeds: dict[str, Any], wanted: Sequence[Any]) -> tuple[Outcome, str]:
    data = build_case(case.model, feeds)
    quantized = bool(decode_axmodel(data).npu_subgraphs)
    got = InferenceSession(data, threads=1).run(None, feeds)
    for index, (after, before) in enumerate(zip(got, wanted, strict=True)):
        fault = _fault(np.asarray(after), np.asarray(before), case, quantized)
        if fault:
            return Outcome.FAILED, f"output {index} {fault}"
    return Outcome.PASSED, ""


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
