"""Threads that run a float model over samples, and what each observes of its tensors."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pulsar2._kernels import ObserverSet, TensorObserver
from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.observed_model import ObservedModel
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.locations import node_name, tensor_name

S = TypeVar("S", bound=TensorObserver)
_NAN = 2
"""How an observer set says that a tensor holds a NaN; other numbers but 0: an infinity."""


def crew_size(threads: int, samples: int) -> int:
    """How many threads run `samples` samples; `threads` 0 is as many as there are cores."""
    return min(threads or os.cpu_count() or 1, samples)


@dataclass
class NotFinite:
    """Which tensors of a sample are not finite, by number: those with a NaN, and the others."""

    label: str
    nan: list[int] = field(default_factory=list[int])
    infinite: list[int] = field(default_factory=list[int])


class InfinityError(Exception):
    """Tensors take values that are not finite, which cannot be quantized.

    `index` is the sample's number. `mistake` is what to tell where there are NaN among them, and
    the model does not deal with them.
    """

    def __init__(
        self,
        label: str,
        values: Sequence[SSAValue],
        *,
        index: int = 0,
        mistake: UserError | None = None,
    ):
        super().__init__(label)
        self.label = label
        self.values = values
        self.index = index
        self.mistake = mistake


class Worker(Generic[S]):
    """One thread's way to run a model, and its observers."""

    def __init__(
        self,
        model: ObservedModel,
        arguments: Sequence[str],
        sizes: Sequence[int],
        observers: Sequence[S],
    ):
        """`sizes` are the numbers of elements of the tensors that are observed, each by one of
        `observers`: the inputs `arguments`, then the observed ones of `model`.
        """
        self._arguments = arguments
        self.observers = list(observers)
        given = len(arguments)
        self._given = ObserverSet(self.observers[:given], sizes[:given])
        self._runner = model.runner(ObserverSet(self.observers[given:], sizes[given:]))

    def observe(self, sample: Sample) -> NotFinite | None:
        """Runs one sample. Says which tensors are not finite, if there are such."""
        try:
            computed = self._runner.run(sample.inputs)
        except Exception as error:
            raise UserError.of(
                f"ONNX Runtime cannot run the model: {str(error).strip()}",
                f"sample '{sample.label}'",
            ) from None
        given = (
            self._given.observe(index, _flat_f32(sample.inputs, name))
            for index, name in enumerate(self._arguments)
        )
        wrong = NotFinite(sample.label)
        for index, state in enumerate((*given, *computed)):
            if state:
                (wrong.nan if state == _NAN else wrong.infinite).append(index)
        return wrong if wrong.nan or wrong.infinite else None


def observe_samples(
    crew: Sequence[Worker[S]],
    pool: ThreadPoolExecutor,
    dataset: Sequence[Sample],
    tensors: Sequence[SSAValue],
    advance: Callable[[], None],
) -> None:
    """Shares the samples out among the workers."""
    free: queue.SimpleQueue[Worker[S]] = queue.SimpleQueue()
    for worker in crew:
        free.put(worker)

    def work(index: int) -> NotFinite | None:
        worker = free.get()
        try:
            return worker.observe(dataset[index])
        finally:
            free.put(worker)

    try:
        for index, failure in enumerate(pool.map(work, range(len(dataset)))):
            if failure is not None:
                raise _failure(failure, tensors, index)
            advance()
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise


def _flat_f32(inputs: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(inputs[name], np.float32).reshape(-1)


def _failure(wrong: NotFinite, tensors: Sequence[SSAValue], index: int) -> InfinityError:
    values = [tensors[i] for i in (*wrong.nan, *wrong.infinite)]
    mistake = _mistake(wrong, tensors) if wrong.nan else None
    return InfinityError(wrong.label, values, index=index, mistake=mistake)


def _mistake(wrong: NotFinite, tensors: Sequence[SSAValue]) -> UserError:
    """What is told of tensors that hold a NaN, where it is the model's mistake or the data's."""
    first = tensors[min(wrong.nan)]
    what, owner = "an input", first.owner
    if isinstance(owner, OnnxOp):
        what = f"computed by node '{node_name(owner)}' ({owner.op_type})"
    others = len(wrong.nan) - 1
    more = f"; so do {others} other(s), which come behind it" if others else ""
    return UserError.of(
        f"tensor '{tensor_name(first)}', {what}, takes the value NaN in calibration{more}",
        f"sample '{wrong.label}'",
        "check the model's weights and the data's preprocessing",
    )
