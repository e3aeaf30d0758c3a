"""`compiler.check`: what the emulated program computes, against the quantized graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from loguru import logger
from xdsl.dialects.builtin import ModuleOp

from pulsar2.axmodel import CompiledModel, encode_axmodel
from pulsar2.calibration.dataset import Sample
from pulsar2.config.compiler import CompilerConfig
from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.driver.inputs import InputPlan
from pulsar2.driver.lockstep import differences
from pulsar2.driver.simulators import for_batch
from pulsar2.driver.tensors import random_tensors, read_tensors, sample_folders
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_export import export_qlinear
from pulsar2.runtime import InferenceSession
from pulsar2.values import Value, as_value, description
from pulsar2.weights import AnyArray

F64 = npt.NDArray[np.float64]


def exposed(module: ModuleOp, ctx: AxContext) -> ModuleOp:
    """A copy of a quantized module that returns all its tensors."""
    copy = module.clone()
    run_passes(ctx, copy, parse_passes("quant-expose-tensors"))
    return copy


def check_compiled(
    model: CompiledModel,
    module: ModuleOp,
    ctx: AxContext,
    config: CompilerConfig,
    feeds: Iterable[Mapping[str, Value]],
    graphs: str = "",
) -> int:
    """Compares every output of `model`, on the emulator, with the quantized `module`; how many.

    `graphs` is how messages call it, if not by its subgraphs. `module` is what was compiled, as it
    was before partition; `onnx.reference` evaluates its integer form. Raises one `UserError` with
    every tensor that fails: its worst element, and how large the error is.
    """
    graphs = graphs or ", ".join(s.name for s in model.subgraphs)
    evaluator: Any = import_module("onnx.reference").ReferenceEvaluator
    logger.info("generate gt of npu graph [{}]", graphs)
    reference = evaluator(export_qlinear(module, ctx))
    session = InferenceSession(encode_axmodel(model))
    names = [o.name for o in session.get_outputs()]
    compared = _compared(names, config)
    if config.check == 2 and model.cpu_subgraphs:
        # Two engines may round a float operator of the CPU differently.
        logger.warning("check 2 compares as check 1 does, because the CPU runs a part of the model")
        config = config.model_copy(update={"check": 1})
    problems = Diagnostics()
    for feed in feeds:
        expected = dict(zip(reference.output_names, reference.run(None, dict(feed)), strict=True))
        logger.info("simulate npu graph [{}]", graphs)
        got = dict(zip(names, session.run(None, feed), strict=True))
        for name in compared:
            fault = _compare_values(got[name], as_value(expected[name]), config)
            where = f"[{graphs}] [{name}], {_shape_text(got[name])}"
            if fault:
                problems.error(f"check {config.check} failed: {fault}", where)
            else:
                logger.success("check npu graph {} successfully!", where)
    problems.raise_if_any()
    return len(compared)


def _compared(names: Iterable[str], config: CompilerConfig) -> list[str]:
    """The tensors that the black list does not name."""
    left_out = [re.compile(pattern) for pattern in config.check_tensor_black_list]
    return [n for n in names if not any(p.fullmatch(n) for p in left_out)]


def check_operators(
    model: CompiledModel,
    layers: CompiledModel,
    module: ModuleOp,
    ctx: AxContext,
    config: CompilerConfig,
    feeds: Iterable[Mapping[str, Value]],
    graphs: str,
) -> int:
    """As `check_compiled`, of a model with f32 functions in it, which may be a last bit apart.

    That bit may tip the rounding of a function's result, and all that is computed from it differs
    then. So `layers`, compiled from `module` that returns all its tensors, is held against
    `onnx.reference` operator by operator (`lockstep`), and the outputs of `model` against those of
    `layers`, bit for bit.
    """
    logger.info("generate gt of npu graph [{}]", graphs)
    logger.info("it computes functions in f32: operators are compared one by one")
    integers = export_qlinear(module, ctx)
    inner, whole = (InferenceSession(encode_axmodel(m)) for m in (layers, model))
    exact = config.model_copy(update={"check": 2})
    problems = Diagnostics()
    compared: list[str] = []
    for feed in feeds:
        logger.info("simulate npu graph [{}]", graphs)
        tensors = cast("Mapping[str, AnyArray]", feed)
        names = [o.name for o in inner.get_outputs()]
        emulated = cast("dict[str, AnyArray]", dict(zip(names, inner.run(None, feed), strict=True)))
        wrong = {d.tensor: d for d in differences(integers, tensors, emulated) if not d.allowed}
        names = [o.name for o in whole.get_outputs()]
        compared = _compared(names, config)
        got = dict(zip(names, whole.run(None, feed), strict=True))
        for name in _compared(wrong, config):
            found = wrong[name]
            problems.error(
                f"check {config.check} failed: {found.differing} of {found.elements} elements "
                f"differ from what its operator makes of its operands; worst at "
                f"{list(found.worst)}: {found.got:g}, expected {found.expected:g}",
                f"[{graphs}] [{name}], {_shape_text(emulated[name])}",
            )
        for name in compared:
            fault = _compare_values(got[name], emulated[name], exact)
            where = f"[{graphs}] [{name}], {_shape_text(got[name])}"
            if fault:
                problems.error(f"check {config.check} failed: {fault}", where)
            elif name not in wrong:
                logger.success("check npu graph {} successfully!", where)
    problems.raise_if_any()
    return len(compared)


def _shape_text(value: Value) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape}, {value.dtype}"
    return description(value)


def _compare_values(got: Value, expected: Value, config: CompilerConfig) -> str:
    """As `compare`, of values of any form."""
    if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray):
        return compare(got, expected, config)
    if not isinstance(got, list) or not isinstance(expected, list) or len(got) != len(expected):
        same = got is None and expected is None
        return "" if same else f"{description(got)}, expected {description(expected)}"
    faults = (compare(a, b, config) for a, b in zip(got, expected, strict=True))
    return next((f"tensor {i}: {fault}" for i, fault in enumerate(faults) if fault), "")


def compare(got: AnyArray, expected: AnyArray, config: CompilerConfig) -> str:
    """What is wrong with `got` by the level of `config.check`, '' if nothing is."""
    if got.shape != expected.shape:
        return f"shape {list(got.shape)}, expected {list(expected.shape)}"
    a, b = got.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    if config.check == 3:
        cosine = _cosine(a, b)
        if cosine >= config.check_cosine_simularity:
            return ""
        limit = f"cosine similarity {cosine:.6f} is below {config.check_cosine_simularity:g}"
    else:
        loose = config.check == 1
        tolerance = config.check_atol + config.check_rtol * np.abs(b) if loose else 0.0
        wrong = int((np.abs(a - b) > tolerance).sum())
        if not wrong:
            return ""
        limit = f"{wrong} of {a.size} elements differ"
    worst = int(np.abs(a - b).argmax())
    index = [int(i) for i in np.unravel_index(worst, got.shape)]
    return f"{limit}; worst at {index}: {a[worst]:g}, expected {b[worst]:g}"


def _cosine(a: F64, b: F64) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if lengths == 0:
        return float(not a.any() and not b.any())
    return float(a @ b / lengths)


def sample_feeds(
    config: CompilerConfig,
    model: CompiledModel,
    plans: Sequence[InputPlan],
    samples: Sequence[Sample],
    largest: int,
) -> list[dict[str, Value]]:
    """What to check `model` with, which has one batch size.

    That is every sample of `input_sample_dir`, whose files hold `largest` samples, of which the
    first ones are taken; else the first calibration samples. Where calibration data do not tell
    what comes in at run time (YUV), or there are none, the inputs are random, and the log says so.
    """
    batch = model.batch
    if config.input_sample_dir:
        folders = sample_folders(Path(config.input_sample_dir))
        whole = [for_batch(t, largest, batch) for t in model.inputs]
        feeds = [read_tensors(folder, whole) for folder in folders]
        sizes = {t.name: t.shape[0] for t in model.inputs if t.shape}
        return [{n: _first(a, sizes.get(n)) for n, a in f.items()} for f in feeds]
    known = {p.model.name: p for p in plans if p.invertible} if len(samples) else {}
    feed = random_tensors([t for t in model.inputs if t.name not in known])
    for name in feed:
        logger.info("check with random data in [{}]", name)
    for tensor in model.inputs:
        if tensor.name in known:
            plan = known[tensor.name]
            chosen = [samples[i % len(samples)].inputs[tensor.name] for i in range(batch)]
            given = [plan.runtime_value(value, tensor.dtype) for value in chosen]
            arrays = [value for value in given if isinstance(value, np.ndarray)]
            feed[tensor.name] = np.concatenate(arrays) if tensor.shape else given[0]
    return [feed]


def _first(value: Value, count: int | None) -> Value:
    """The first `count` of the samples that a tensor holds; all without a number."""
    return value[:count] if isinstance(value, np.ndarray) and count is not None else value
