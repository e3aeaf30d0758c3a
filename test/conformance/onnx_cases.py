"""ONNX's own backend cases through import, text and export.

A case passes when the model that comes out computes what the model that went in does: on the same
engine (ONNX Runtime, or ONNX's reference where that has no kernel), on the case's inputs, within
the case's own tolerance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto
from xdsl.dialects.builtin import ModuleOp

from pulsar2.context import AxContext, make_context
from pulsar2.diagnostics import UserError
from pulsar2.ir import parse_module, print_module
from pulsar2.lowering.pipelines import PIPELINES, load_pass
from pulsar2.onnx_export import export_onnx
from pulsar2.onnx_import import import_onnx
from pulsar2.ort_values import run_session

Passes = Callable[[AxContext, ModuleOp], None]


class Outcome(Enum):
    """What became of a case."""

    PASSED = "passed"
    REFUSED = "refused"
    FAILED = "failed"
    COARSE = "coarse"
    """A built case that computes, to a step, what its quantized form does, not its float form."""
    NO_ENGINE = "no engine"


@dataclass(frozen=True)
class Result:
    """The outcome of one case, and why."""

    case: str
    operator: str
    outcome: Outcome
    reason: str = ""
    placement: str = ""
    """Where a built case runs: `NPU`, `CPU`, or `NPU and CPU`."""


def node_cases() -> list[Any]:
    """ONNX's node test cases that have a model, sorted by name."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases()
    return sorted((c for c in cases if c.model is not None), key=lambda c: c.name)


def operator_of(model: ModelProto) -> str:
    """The operator that a case is about: that of its last node, in the order of the file."""
    node = model.graph.node[-1]
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def optimize(context: AxContext, module: ModuleOp) -> None:
    """Runs the passes of the pipeline `optimize`."""
    for name in PIPELINES["optimize"].passes:
        load_pass(name)().apply(context, module)


def through_text(model: ModelProto, context: AxContext) -> ModuleOp:
    """The model after import, text and parsing."""
    module = import_onnx(model, context, allow_dynamic=True)
    module.verify()
    parsed = parse_module(print_module(module), context, "case").module
    parsed.verify()
    return parsed


def exported(module: ModuleOp, context: AxContext, passes: Passes | None) -> ModelProto:
    """The model after `passes` (of context and module) and export; they change the module."""
    if passes is not None:
        passes(context, module)
        module.verify()
    return export_onnx(module, context)


def run_case(case: Any, passes: Passes | None = None) -> Result:
    """Round-trips a case's model, and compares the results."""
    (result,) = run_variants(case, [passes])
    return result


def run_variants(case: Any, variants: Sequence[Passes | None]) -> list[Result]:
    """As `run_case` for several lists of passes, each applied to the outcome of those before it."""
    operator = operator_of(case.model)
    results: list[Result] = []
    wanted: list[_Wanted | str] | None = None
    context = make_context()
    module: ModuleOp | None = None
    for passes in variants:
        try:
            if module is None:
                module = through_text(case.model, context)
            model = exported(module, context, passes)
        except UserError as error:
            results.append(Result(case.name, operator, Outcome.REFUSED, str(error)))
            continue
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            results.append(Result(case.name, operator, Outcome.FAILED, reason))
            continue
        if wanted is None:
            wanted = [_wanted(case, arrays_of(i), arrays_of(o)) for i, o in case.data_sets]
        outcome, reason = Outcome.PASSED, ""
        for item in wanted:
            outcome, reason = _compare(case, model, item)
            if outcome is not Outcome.PASSED:
                break
        results.append(Result(case.name, operator, outcome, reason))
    return results


@dataclass(frozen=True)
class _Wanted:
    """What an engine makes of a case's model. `random`: something else than the case expects."""

    engine: Callable[[ModelProto, Sequence[Any]], list[Any]]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    random: bool


def _wanted(case: Any, inputs: Sequence[Any], expected: Sequence[Any]) -> _Wanted | str:
    """The outputs of the first engine that runs the case's model, or why none does."""
    errors: list[str] = []
    for engine in (run_runtime, run_reference):
        try:
            outputs = engine(case.model, inputs)
        except Exception as error:
            errors.append(f"{engine.__name__}: {error}")
            continue
        pairs = zip(outputs, expected, strict=True)
        random = not all(close(o, e, case.rtol, case.atol) for o, e in pairs)
        return _Wanted(engine, inputs, outputs, random)
    return "; ".join(errors)


def _compare(case: Any, exported: ModelProto, wanted: _Wanted | str) -> tuple[Outcome, str]:
    if isinstance(wanted, str):
        return Outcome.NO_ENGINE, wanted
    try:
        outputs = wanted.engine(exported, wanted.inputs)
    except Exception as error:
        return Outcome.FAILED, f"{wanted.engine.__name__} cannot run the export: {error}"
    for index, (after, before) in enumerate(zip(outputs, wanted.outputs, strict=True)):
        same = close(after, before, case.rtol, case.atol)
        if not same and not (wanted.random and alike(after, before)):
            return Outcome.FAILED, f"output {index} differs"
    return Outcome.PASSED, ""


def arrays_of(values: Sequence[Any]) -> list[Any]:
    """A data set's values, those that are ONNX tensors as arrays."""
    return [onnx.numpy_helper.to_array(v) if isinstance(v, TensorProto) else v for v in values]


def run_runtime(model: ModelProto, inputs: Sequence[Any]) -> list[Any]:
    """The model's outputs from ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [i.name for i in session.get_inputs()]
    return run_session(session, None, dict(zip(names, inputs, strict=False)))


def run_reference(model: ModelProto, inputs: Sequence[Any]) -> list[Any]:
    """The model's outputs from ONNX's reference."""
    from onnx.reference import ReferenceEvaluator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = ReferenceEvaluator(model)
        return list(session.run(None, dict(zip(session.input_names, inputs, strict=False))))


def close(a: Any, b: Any, rtol: float, atol: float) -> bool:
    """Whether two results are the same within tolerances; sequences element by element."""
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        return (
            isinstance(a, list | tuple)
            and isinstance(b, list | tuple)
            and len(a) == len(b)
            and all(close(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
        )
    if a is None or b is None:
        return a is b
    left, right = np.asarray(a), np.asarray(b)
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return False
    if left.dtype.kind in "OUS":
        return left.tolist() == right.tolist()
    if left.dtype.kind == "V" or left.dtype.type.__module__ != "numpy":
        left, right = left.astype(np.float64), right.astype(np.float64)
    return bool(np.allclose(left, right, rtol=rtol, atol=atol, equal_nan=True))


def alike(a: Any, b: Any) -> bool:
    """Whether two random results have the same form."""
    return np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype


def light_models() -> list[tuple[str, ModelProto]]:
    """The topologies that come with the `onnx` package, by name."""
    from pathlib import Path

    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return [(p.stem, onnx.load(p)) for p in sorted(folder.glob("*.onnx"))]
