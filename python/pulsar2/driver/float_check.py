"""Whether the optimized float model computes what the model did before, by ONNX Runtime."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, first_line
from pulsar2.onnx_export import save_onnx
from pulsar2.ort_values import FAULTY_OPTIMIZERS, run_session
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.values import Value, as_value, description
from pulsar2.weights import AnyArray

TOLERANCE = 1e-4
"""Largest norm of the error of an output, relative to that of the output."""

_SMALLEST = 1e-3
"""Root mean square that an output is taken to have at least. A Sigmoid near 0 is exact to about
1e-8 in ONNX Runtime, so the smaller numbers are, the less their digits say of a model."""

Outputs = dict[str, Value]


class TransformationError(Exception):
    """A pass changed what the model computes, which is a defect of the pass."""


class FloatModel:
    """A float model in ONNX Runtime."""

    def __init__(self, path: str | os.PathLike[str], where: str = ""):
        """Loads the model at `path`; `where` is what a mistake in it is told to be in."""
        where = where or os.fspath(path)
        ort: Any = import_module("onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Its own integer kernels, in a model with QuantizeLinear, saturate on some CPUs.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session = ort.InferenceSession(
                os.fspath(path),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=FAULTY_OPTIMIZERS,
            )
        except Exception as error:
            raise UserError.of(
                f"ONNX Runtime cannot load the model: {first_line(error)}", where
            ) from None
        self.names: list[str] = [v.name for v in self._session.get_outputs()]

    @staticmethod
    def of(module: ModuleOp, ctx: AxContext) -> FloatModel:
        with tempfile.TemporaryDirectory(prefix="pulsar2-") as folder:
            path = Path(folder) / "model.onnx"
            save_onnx(module, ctx, path)
            return FloatModel(path, "the optimized model")

    def run(self, feeds: Mapping[str, Any]) -> Outputs:
        values = run_session(self._session, None, feeds)
        return {n: as_value(v) for n, v in zip(self.names, values, strict=True)}


def difference(got: Value, expected: Value) -> str:
    """How `got` differs by more than `TOLERANCE`; '' where it does not."""
    if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray):
        return _difference(got, expected)
    if not isinstance(got, list) or not isinstance(expected, list) or len(got) != len(expected):
        same = got is None and expected is None
        return "" if same else f"{description(got)} instead of {description(expected)}"
    faults = (_difference(a, b) for a, b in zip(got, expected, strict=True))
    return next((f"element {i}: {fault}" for i, fault in enumerate(faults) if fault), "")


def _difference(got: AnyArray, expected: AnyArray) -> str:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"{got.dtype}{list(got.shape)} instead of {expected.dtype}{list(expected.shape)}"
    if got.dtype.kind != "f":
        wrong = int((got != expected).sum())
        return f"{wrong} of {got.size} elements differ" if wrong else ""
    a, b = got.astype(np.float64), expected.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return "other elements are infinite or NaN"
    finite = np.isfinite(a)
    norm = max(float(np.linalg.norm(b[finite])), _SMALLEST * max(b[finite].size, 1) ** 0.5)
    error = float(np.linalg.norm(a[finite] - b[finite])) / norm
    return f"relative error {error:.3g}, at most {TOLERANCE:g} is accepted" * (error > TOLERANCE)


def check_transformations(
    before: ModuleOp,
    after: ModuleOp,
    ctx: AxContext,
    pipeline: str,
    feeds: Mapping[str, Any],
) -> None:
    """Compares the outputs of a module before and after a pipeline of float passes on one sample.

    Where they differ the passes are run again one by one, to name the one that is wrong in
    `TransformationError`.
    """
    expected = FloatModel.of(before, ctx).run(feeds)
    fault = _first_fault(after, ctx, feeds, expected)
    if not fault:
        logger.info("the outputs before and after [{}] agree", pipeline)
        return
    module = before.clone()
    for each in parse_passes(pipeline):
        run_passes(ctx, module, [each])
        found = _first_fault(module, ctx, feeds, expected)
        if found:
            raise TransformationError(f"pass '{each.name}' changes the output {found}")
    raise TransformationError(f"'{pipeline}' changes the output {fault}")


def _first_fault(
    module: ModuleOp, ctx: AxContext, feeds: Mapping[str, Any], expected: Outputs
) -> str:
    got = FloatModel.of(module, ctx).run(feeds)
    faults = ((name, difference(got[name], value)) for name, value in expected.items())
    return next((f"'{name}': {fault}" for name, fault in faults if fault), "")


def check_model(
    original: FloatModel,
    module: ModuleOp,
    ctx: AxContext,
    samples: Sequence[tuple[str, Mapping[str, Any]]],
) -> None:
    """`onnx_opt.model_check`: the optimized model against the original on every sample.

    `samples` are labels and inputs. Raises one `UserError` with every output and sample that
    differ.
    """
    optimized = FloatModel.of(module, ctx)
    problems = Diagnostics()
    for label, feeds in samples:
        expected, got = original.run(feeds), optimized.run(feeds)
        for name, value in expected.items():
            fault = difference(got[name], value)
            if fault:
                problems.error(f"model_check failed: output '{name}': {fault}", f"sample '{label}'")
    problems.raise_if_any()
    logger.success(
        "the optimized model computes what the original does on {} sample(s)", len(samples)
    )
