"""What can run a model: ONNX Runtime, or the emulator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol

import onnx

from pulsar2.axmodel import UNKNOWN, TensorInfo
from pulsar2.axmodel.reader import value_info
from pulsar2.diagnostics import UserError, first_line
from pulsar2.ort_values import FAULTY_OPTIMIZERS, run_session
from pulsar2.runtime import InferenceSession
from pulsar2.values import Value, as_value


class Simulator(Protocol):
    """A model that can be run."""

    inputs: list[TensorInfo]
    outputs: list[TensorInfo]

    def run(self, feeds: Mapping[str, Value]) -> dict[str, Value]:
        """Outputs (and, where asked for, inner tensors) by name."""
        ...


class OnnxSimulator:
    """A float or QDQ model in ONNX Runtime.

    `path` is where the model was read from; `changed` says that `model` is not what lies there.
    With `inner` every tensor is an output.
    """

    def __init__(
        self, model: onnx.ModelProto, path: str, *, inner: bool = False, changed: bool = False
    ):
        ort: Any = import_module("onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Its own integer kernels saturate on some CPUs; what is wanted is the float arithmetic.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self.inputs = [value_info(v) for v in _real_inputs(model)]
            self.outputs = [value_info(v) for v in model.graph.output]
        except ValueError as error:
            raise UserError.of(str(error), path) from None
        dynamic = [t.name for t in self.inputs if {0, UNKNOWN} & set(t.shape)]
        if dynamic:
            raise UserError.of(
                f"the inputs {', '.join(dynamic)} have no fixed shape", path, "fixed dimensions"
            )
        try:
            if inner:
                # Graph optimizations would remove the inner tensors.
                options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
                source: str | bytes = _with_all_outputs(model, path).SerializeToString()
            elif changed:
                source = model.SerializeToString()
            else:
                source = path
            self._session = ort.InferenceSession(
                source,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=FAULTY_OPTIMIZERS,
            )
        except Exception as error:
            raise UserError.of(
                f"ONNX Runtime cannot load the model: {first_line(error)}", path
            ) from None
        self._names: list[str] = [v.name for v in self._session.get_outputs()]
        self._path = path

    def run(self, feeds: Mapping[str, Value]) -> dict[str, Value]:
        try:
            values = run_session(self._session, None, feeds)
        except Exception as error:
            raise UserError.of(f"ONNX Runtime: {first_line(error)}", self._path) from None
        return {n: as_value(v) for n, v in zip(self._names, values, strict=True)}


class NpuSimulator:
    """A compiled model in the emulator: one group of sizes, and `batch` samples at a time.

    A batch of 0 is what the model's inputs hold. With `inner` the tensors between its subgraphs are
    given out too. `UserError` where there are none, or their batch is no batch of the model.
    """

    def __init__(
        self, session: InferenceSession, group: int = 0, batch: int = 0, *, inner: bool = False
    ):
        model = session.model
        chosen = model.groups[group]
        self._session = session
        self._group = group
        size = batch or model.batch
        self.inputs = [for_batch(t, size, model.batch) for t in chosen.inputs]
        self.outputs = [for_batch(t, size, model.batch) for t in chosen.outputs]
        self._inner = inner
        if inner and len(chosen.subgraphs) < 2:
            raise UserError.of(
                "the model is a single program, which keeps no inner tensors",
                "--enable_perlayer_output",
                "the quant_axmodel.onnx of its build with --mode NPUBackend, which computes the "
                "same",
            )
        if inner and size not in chosen.batches:
            raise UserError.of(
                f"the tensors between subgraphs are of one batch, and {size} is none of the model",
                "--enable_perlayer_output",
                f"--batch_size of {', '.join(map(str, chosen.batches))}",
            )

    def run(self, feeds: Mapping[str, Value]) -> dict[str, Value]:
        names = [t.name for t in self.outputs]
        if self._inner:
            values = self._session.tensors(feeds, self._group)
            return {name: v for name, v in values.items() if name not in feeds or name in names}
        values = self._session.run(names, feeds, shape_group=self._group)
        return dict(zip(names, values, strict=True))


def for_batch(tensor: TensorInfo, batch: int, of: int) -> TensorInfo:
    """A tensor that holds `of` samples, for another number of samples."""
    if batch == of or not tensor.shape:
        return tensor
    return replace(tensor, shape=(tensor.shape[0] // of * batch, *tensor.shape[1:]))


def _real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are not initializers (which old models list among them)."""
    constants = {t.name for t in model.graph.initializer}
    return [v for v in model.graph.input if v.name not in constants]


def _with_all_outputs(model: onnx.ModelProto, path: str) -> onnx.ModelProto:
    """A copy, with the data beside it, in which every tensor of the graph is an output."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    onnx.load_external_data_for_model(copy, os.path.dirname(path))
    known = {v.name for v in copy.graph.output}
    for node in copy.graph.node:
        for name in node.output:
            if name and name not in known:
                known.add(name)
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
    return copy
