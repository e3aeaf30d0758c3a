"""Calibration: runs the float model over a data set and writes the observed ranges into the IR."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from loguru import logger
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, SSAValue

from pulsar2.calibration.crew import InfinityError, Worker, crew_size, observe_samples
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.methods import Method, Observer, chosen_range, make_observer, merge
from pulsar2.calibration.observed_model import ObservedModel
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.control_flow import user_in
from pulsar2.driver.float_check import FloatModel
from pulsar2.locations import place_of, tensor_name
from pulsar2.lowering.quant.leveling import leveled
from pulsar2.lowering.quant.parameters import LEAST_SCALE
from pulsar2.lowering.quant.placement import is_on_cpu, mark_cpu
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.ranges import Range, write_ranges
from pulsar2.lowering.quant.support import INFINITY, Refusal
from pulsar2.onnx_export import main_function, tensor_names
from pulsar2.onnx_import import INPUT_NAMES
from pulsar2.values import Value, tensors_of

_SHOWN = 5
"""Tensors that a warning names."""
_BESIDE = 1e-3
"""How small other numbers are beside one that stands for infinity."""


@dataclass(frozen=True)
class CalibrationResult:
    """What a calibration did: samples run, and tensors observed."""

    samples: int
    tensors: int


def calibrate(
    module: ModuleOp,
    ctx: AxContext,
    dataset: Sequence[Sample],
    method: Method = "MinMax",
    *,
    threads: int = 0,
    fuses: bool = True,
    advance: Callable[[], None] | None = None,
) -> CalibrationResult:
    """Observes every tensor of `@main` that quantization needs, and writes `quant.ranges`.

    `dataset` gives arrays by input name, and is read once. A range is widened to hold 0, and ends
    where all that reads the tensor levels off. The result does not depend on `threads` (0: as many
    as there are cores). `fuses` says whether quantization will fuse activations into operators.
    `advance` is called once per sample.

    Operators that compute or read an infinity, or a number that stands for one, as masks of
    attention hold it, are marked for the CPU, with a warning; so are those that compute or read a
    NaN, where the model replaces it by numbers (as attention does for rows that are masked whole).
    Raises `UserError` for a model that cannot be quantized or run, and with the tensor and the
    sample for a NaN that goes to an output or comes with an input.
    """
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if advance is not None:
            advance()

    while True:
        seen = done
        skipped = itertools.count()

        def once_per_sample(seen: int = seen, skipped: Iterator[int] = skipped) -> None:
            if next(skipped) >= seen:
                count()

        try:
            return _calibrate(module, ctx, dataset, method, threads, fuses, once_per_sample)
        except InfinityError as error:
            mistake = error.mistake
            if mistake is not None and not _removes_nan(module, ctx, dataset[error.index], error):
                raise mistake from None
            _leave_to_cpu(module, error)


def _calibrate(
    module: ModuleOp,
    ctx: AxContext,
    dataset: Sequence[Sample],
    method: Method,
    threads: int,
    fuses: bool,
    advance: Callable[[], None],
) -> CalibrationResult:
    func = main_function(module)
    plan = QuantPlan(func, ctx.weights, fuses=fuses)
    values = plan.observed()
    if not len(dataset):
        raise UserError.of("the calibration data set has no sample")
    if not values:
        return CalibrationResult(0, 0)  # nothing is quantized
    arguments = [v for v in values if isinstance(v, BlockArgument)]
    computed = [v for v in values if not isinstance(v, BlockArgument)]
    names = tensor_names(func, INPUT_NAMES, "input", len(func.body.block.args))
    inputs = [names[v.index] for v in arguments]
    model = ObservedModel(func, ctx.weights, computed)
    tensors = [*arguments, *computed]
    sizes = [int(np.prod(_shape(v), dtype=np.int64)) for v in tensors]
    workers = crew_size(threads, len(dataset))
    crew = [
        Worker(model, inputs, sizes, [make_observer(method) for _ in sizes]) for _ in range(workers)
    ]
    bits = [plan.bits(value) for value in tensors]
    with ThreadPoolExecutor(workers) as pool:
        observe_samples(crew, pool, dataset, tensors, advance)

        def choose(index: int) -> Range:
            return _range(crew, index, method, bits[index])

        ranges = list(pool.map(choose, range(len(tensors))))
    masked = [v for v, r in zip(tensors, ranges, strict=True) if _is_masked(r)]
    if huge := [v for v in masked if not isinstance(v, BlockArgument)]:
        raise InfinityError("", huge)
    _tell_constants(tensors, crew[0].observers, sizes)
    _tell_tiny(tensors, ranges, bits)
    write_ranges(func, leveled(plan, dict(zip(tensors, ranges, strict=True))))
    return CalibrationResult(len(dataset), len(tensors))


def _is_masked(found: Range) -> bool:
    """Whether numbers that stand for infinity lie in a range beside others.

    Masks are negative. Where all numbers are that large, as without normalization, they are meant.
    """
    low, high = found
    return low <= -INFINITY and high <= _BESIDE * -low


def _range(crew: Sequence[Worker[Observer]], index: int, method: Method, bits: int) -> Range:
    """The range of one tensor from what all workers saw of it."""
    first, *others = (worker.observers[index] for worker in crew)
    return chosen_range(merge(first, others), method, bits)


def _tell_constants(
    tensors: Sequence[SSAValue], observers: Sequence[Observer], sizes: Sequence[int]
) -> None:
    """Warns of tensors all of whose numbers were one and the same."""
    same = [
        f"'{tensor_name(value)}' is {observer.min:g}"
        for value, observer, size in zip(tensors, observers, sizes, strict=True)
        if size > 1 and observer.min == observer.max
    ]
    if same:
        logger.warning(
            "all numbers of these tensors are the same in calibration: {}; they are quantized "
            "for a range from 0 to that number (for 0: in steps of 1), so others saturate. Check "
            "the calibration data",
            _first_of(same),
        )


def _tell_tiny(tensors: Sequence[SSAValue], ranges: Sequence[Range], bits: Sequence[int]) -> None:
    """Warns of tensors that no scale is small enough for."""
    tiny = [
        f"'{tensor_name(value)}' is at most {max(-low, high):.1g}"
        for value, (low, high), width in zip(tensors, ranges, bits, strict=True)
        if low < high and high - low < LEAST_SCALE * (2 ** min(width, 16) - 1)
    ]
    if tiny:
        logger.warning(
            "the numbers of these tensors are too small to be quantized, and become 0: {}. Check "
            "the calibration data, or scale the model",
            _first_of(tiny),
        )


def _first_of(tensors: Sequence[str]) -> str:
    """The first of what there is to tell of tensors, and how many more there are."""
    more = f" and {len(tensors) - _SHOWN} more" if len(tensors) > _SHOWN else ""
    return ", ".join(tensors[:_SHOWN]) + more


def _removes_nan(module: ModuleOp, ctx: AxContext, sample: Sample, error: InfinityError) -> bool:
    """Whether a NaN that the model computes from a sample is in none of its outputs."""
    if _holds_nan(sample.inputs.values()):
        return False
    return not _holds_nan(FloatModel.of(module, ctx).run(sample.inputs).values())


def _holds_nan(values: Iterable[Value]) -> bool:
    tensors = (tensor for value in values for tensor in tensors_of(value))
    return any(t.dtype.kind == "f" and np.isnan(t).any() for t in tensors)


def _leave_to_cpu(module: ModuleOp, error: InfinityError) -> None:
    """Marks what computes or reads tensors that are not finite, and warns."""
    block = main_function(module).body.block
    what = "NaN or infinite" if error.mistake else "infinite"
    for value in error.values:
        sample = f" in sample '{error.label}'" if error.label else ", or nearly"
        where = f"tensor '{tensor_name(value)}' is {what}{sample}"
        for op in (value.owner, *(user_in(block, use.operation) for use in value.uses)):
            if isinstance(op, OnnxOp) and not is_on_cpu(op):
                mark_cpu(op, Refusal("value", where))
                logger.warning("{} ({}) goes to the CPU: {}", place_of(op), op.op_type, where)


def _shape(value: SSAValue) -> tuple[int, ...]:
    from pulsar2.dialects.onnx.types import static_shape_of

    return static_shape_of(value.type) or ()
