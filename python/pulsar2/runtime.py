"""Runs compiled models from Python, with the interface of pyaxengine and ONNX Runtime.

    from pulsar2.runtime import InferenceSession      # was: from axengine import InferenceSession

    session = InferenceSession("compiled.axmodel")
    (output,) = session.run(None, {session.get_inputs()[0].name: pictures})

NPU subgraphs run on the bit-exact emulator of the virtual NPU, CPU subgraphs in ONNX Runtime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from pulsar2.axmodel import (
    UNKNOWN,
    CompiledModel,
    CpuSubgraph,
    Group,
    NpuSubgraph,
    TensorInfo,
    decode_axmodel,
    read_axmodel,
)
from pulsar2.cpu_subgraph import CpuRunner
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.emulator import Emulator
from pulsar2.values import Form, Value, as_value, description, tensors_of
from pulsar2.weights import AnyArray

axengine_provider_name = "AxEngineExecutionProvider"
axclrt_provider_name = "AXCLRTExecutionProvider"
"""The providers of pyaxengine: a chip of this machine, and one on a card. Here: the emulator."""

_PROVIDER = "EmulatorExecutionProvider"
_RUNTIME_NAMES = {"float32": "float", "float64": "double", "object": "string"}

Provider = str | tuple[str, Mapping[str, object]]


class SessionOptions:
    """How a session runs.

    `intra_op_num_threads` is how many threads compute; 0 is one for each core that there is. Other
    attributes of ONNX Runtime's class may be set, and mean nothing here.
    """

    def __init__(self) -> None:
        self.intra_op_num_threads = 0


@dataclass(frozen=True)
class NodeArg:
    """An input or output: name, element type as numpy calls it, and shape.

    An output of integers stands for `scale * (integer - zero_point)`, where these are given. What
    is not of the form `tensor` has no shape: it is a list of arrays, or may be None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None = None
    zero_point: int | None = None
    form: Form = "tensor"

    @property
    def type(self) -> str:
        """The type as ONNX Runtime spells it, such as `tensor(float)`."""
        name = f"tensor({_RUNTIME_NAMES.get(self.dtype, self.dtype)})"
        if self.form.endswith("sequence"):
            name = f"seq({name})"
        return f"optional({name})" if self.form.startswith("optional") else name


def get_all_providers() -> list[str]:
    """The providers that a session takes: the emulator, and pyaxengine's names, which mean it."""
    return [_PROVIDER, axengine_provider_name, axclrt_provider_name]


def get_available_providers() -> list[str]:
    """As `get_all_providers`: the emulator is there always."""
    return get_all_providers()


def split_batches(count: int, sizes: Sequence[int]) -> list[int]:
    """The batch sizes that `count` samples are run in: the largest that fits, again and again.

    3 on 1, 2, 4 is 2 + 1; 9 is 4 + 4 + 1. When even the smallest is more than what is left, it is
    used all the same, and the rest of it is padding.
    """
    parts: list[int] = []
    left = count
    while left > 0:
        fitting = [s for s in sizes if s <= left]
        parts.append(max(fitting) if fitting else min(sizes))
        left -= parts[-1]
    return parts


class InferenceSession:
    """A compiled model, ready to run.

    `path_or_bytes` is the file or its bytes. The arguments are pyaxengine's, in its order: each of
    its `providers` is the emulator here, with ONNX Runtime for CPU subgraphs, and
    `provider_options`, which are about the device, mean nothing. `threads` goes before what
    `sess_options` says of them; neither changes a result. Several threads may call `run` at a time.
    Raises `UserError` when the model cannot be read.
    """

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str] | bytes,
        sess_options: SessionOptions | None = None,
        providers: Sequence[Provider] | str | None = None,
        provider_options: object = None,
        *,
        threads: int | None = None,
    ):
        problems = Diagnostics()
        for given in [providers] if isinstance(providers, str) else providers or []:
            provider = given if isinstance(given, str) else given[0]
            if provider not in get_all_providers():
                accepted = f"one of {', '.join(get_all_providers())}"
                problems.error(f"unknown provider '{provider}'", accepted=accepted)
        problems.raise_if_any()
        self._options = sess_options
        if isinstance(path_or_bytes, bytes):
            self._model = decode_axmodel(path_or_bytes)
        else:
            self._model = read_axmodel(path_or_bytes)
        asked = int(getattr(sess_options, "intra_op_num_threads", 0))
        self._threads = threads or asked or len(os.sched_getaffinity(0))
        self._loaded: dict[tuple[str, int], Emulator | CpuRunner] = {}
        self._loading = Lock()

    def __enter__(self) -> InferenceSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._loaded.clear()

    @property
    def model(self) -> CompiledModel:
        """The compiled model as it was read."""
        return self._model

    def get_session_options(self) -> SessionOptions | None:
        """The options that the session was made with."""
        return self._options

    def get_providers(self) -> list[str]:
        """What runs the model."""
        return [_PROVIDER]

    def get_inputs(self, shape_group: int = 0) -> list[NodeArg]:
        """The inputs, with the largest batch that the model was compiled for.

        `shape_group` is the group of input sizes; 0 is the original.
        """
        return [_node_arg(t) for t in self._group(shape_group).inputs]

    def get_outputs(self, shape_group: int = 0) -> list[NodeArg]:
        """The outputs, with the largest batch that the model was compiled for."""
        return [_node_arg(t) for t in self._group(shape_group).outputs]

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,
        shape_group: int = 0,
    ) -> list[Any]:
        """The outputs of that name, in that order; all when `output_names` is None or empty.

        Arrays (or what numpy makes arrays of) have the inputs' type and shape; their first
        dimension may be any number of samples, which are run in the batch sizes that the model has
        (see `split_batches`). Sequences are lists of arrays, and an optional value that is not
        there is None; a model that takes or gives such runs one sample at a time. `run_options` is
        taken as ONNX Runtime takes it, and means nothing here. Raises `UserError` for an unknown
        name, a missing input, a wrong type or shape, all at once, and for a group that the model
        has not.
        """
        group = self._group(shape_group)
        names = list(output_names or [t.name for t in group.outputs])
        forms = {t.name: t.form for t in group.inputs}
        given: dict[str, Value] = {
            name: np.asarray(v) if forms.get(name, "tensor") == "tensor" else as_value(v)
            for name, v in input_feed.items()
        }
        count = self._check(group, names, given)
        if any(t.form != "tensor" for t in (*group.inputs, *group.outputs)):
            values = self._run_batch(group, count, given)
            return [values[name] for name in names]
        arrays = {n: v for n, v in given.items() if isinstance(v, np.ndarray)}
        units = {t.name: self._unit(t) for t in (*group.inputs, *group.outputs)}
        parts: dict[str, list[AnyArray]] = {name: [] for name in names}
        done = 0
        for batch in split_batches(count, group.batches):
            taken = min(batch, count - done)
            feeds: dict[str, Value] = {}
            for name, array in arrays.items():
                unit = units[name]
                whole = count == batch or not array.ndim
                part = array if whole else array[done * unit : (done + taken) * unit]
                missing = (batch - taken) * unit
                feeds[name] = _padded(part, missing) if missing and array.ndim else part
            values = self._run_batch(group, batch, feeds)
            for name in names:
                value = values[name]
                parts[name].append(value if taken == batch else value[: taken * units[name]])
            done += taken
        return [
            p[0] if len(p) == 1 else np.concatenate([np.atleast_1d(a) for a in p])
            for p in parts.values()
        ]

    def tensors(self, input_feed: Mapping[str, Value], shape_group: int = 0) -> dict[str, Any]:
        """Every tensor that goes from one subgraph to another, or out, by its name.

        `input_feed` is as for `run`, but has to be of one of the model's batch sizes.
        """
        group = self._group(shape_group)
        count = self._check(group, [], input_feed)
        if count not in group.batches:
            raise UserError.of(
                f"{count} samples are no batch of the model",
                accepted=f"batches: {', '.join(map(str, group.batches))}",
            )
        return self._run_batch(group, count, input_feed)

    def _group(self, number: int) -> Group:
        groups = self._model.groups
        if not 0 <= number < len(groups):
            raise UserError.of(
                f"the model has no group {number}", accepted=f"groups: 0 to {len(groups) - 1}"
            )
        return groups[number]

    def _unit(self, tensor: TensorInfo) -> int:
        """Length of a tensor's first dimension for one sample."""
        return tensor.shape[0] // self._model.batch if tensor.shape else 1

    def _check(self, group: Group, names: Sequence[str], feed: Mapping[str, Value]) -> int:
        """How many samples `feed` holds."""
        problems = Diagnostics()
        outputs = [t.name for t in group.outputs]
        for name in names:
            if name not in outputs:
                _unknown(problems, "output", name, outputs)
        inputs = {t.name: t for t in group.inputs}
        for name in feed:
            if name not in inputs:
                _unknown(problems, "input", name, list(inputs))
        counts: set[int] = set()
        for name, tensor in inputs.items():
            if name not in feed:
                problems.error(f"input '{name}' is missing")
                continue
            array = feed[name]
            if tensor.form != "tensor" or not isinstance(array, np.ndarray):
                if fault := _unfit(tensor, array):
                    problems.error(f"input '{name}' is {description(array)}", accepted=fault)
                continue
            unit = self._unit(tensor)
            fits = array.ndim == len(tensor.shape) and array.shape[1:] == tensor.shape[1:]
            if not unit and array.shape == tensor.shape and array.dtype == tensor.dtype:
                continue  # it holds nothing, however many samples there are
            wrong = array.dtype != tensor.dtype and not _are_texts(array, tensor)
            if wrong or not fits or not unit or (array.ndim and array.shape[0] % unit):
                first = [f"{unit}*n" if unit > 1 else "n"] if tensor.shape else []
                shape = ", ".join([*first, *map(str, tensor.shape[1:])])
                problems.error(
                    f"input '{name}' is {array.dtype}{list(array.shape)}",
                    accepted=f"expected {tensor.dtype}[{shape}]{', n samples' if first else ''}",
                )
                continue
            if array.ndim:
                counts.add(array.shape[0] // unit)
        if len(counts) > 1 or 0 in counts:
            held = ", ".join(map(str, sorted(counts)))
            problems.error(
                f"the inputs hold {held} samples", accepted="the same number, at least 1, in each"
            )
        single = [t.name for t in (*group.inputs, *group.outputs) if t.form != "tensor"]
        if single and not counts <= set(group.batches):
            problems.error(
                f"the inputs hold {max(counts)} samples, but {single[0]} is no tensor",
                accepted="one sample at a time",
            )
        problems.raise_if_any()
        return counts.pop() if counts else group.batches[-1]

    def _run_batch(self, group: Group, batch: int, feeds: Mapping[str, Value]) -> dict[str, Any]:
        values: dict[str, Any] = dict(feeds)
        for subgraph in group.subgraphs:
            runner = self._runner(subgraph, batch)
            values |= runner.run({name: values[name] for name in subgraph.inputs})
        return values | {output: values[tensor] for output, tensor in group.aliases}

    def _runner(self, subgraph: NpuSubgraph | CpuSubgraph, batch: int) -> Emulator | CpuRunner:
        """What runs a subgraph for a batch size, loaded once."""
        key = subgraph.name, batch
        with self._loading:
            if key not in self._loaded:
                if isinstance(subgraph, NpuSubgraph):
                    made = load_program(self._model, subgraph, batch, self._threads)
                else:
                    made = CpuRunner(subgraph, batch, self._model.cpu_params, self._threads)
                self._loaded[key] = made
            return self._loaded[key]


def load_program(model: CompiledModel, subgraph: NpuSubgraph, batch: int, threads: int) -> Emulator:
    """The emulator of one program of a model; `UserError` when the program is not valid."""
    program = subgraph.program(batch)
    begin = program.param_offset
    params = np.asarray(model.params[begin : begin + program.param_bytes], np.uint8)
    try:
        emulator = Emulator(program.code, params, threads)
    except ValueError as error:
        raise UserError.of(f"the program of {subgraph.name} is not valid: {error}") from None
    told = ({t.name for t in emulator.inputs}, {t.name for t in emulator.outputs})
    if told != (set(subgraph.inputs), set(subgraph.outputs)):
        raise UserError.of(
            f"the program of {subgraph.name} has other inputs or outputs than its node"
        )
    return emulator


def _node_arg(tensor: TensorInfo) -> NodeArg:
    known = NodeArg(tensor.name, tensor.dtype.name, tensor.shape, form=tensor.form)
    stored = tensor.quantization
    if stored is None:
        return known
    return replace(known, scale=stored.scale, zero_point=stored.zero_point)


def _unfit(tensor: TensorInfo, value: Value) -> str:
    """What an input should be that is no tensor, where `value` is not that; else ''."""
    sequence = tensor.form.endswith("sequence")
    fits = value is None and tensor.form.startswith("optional")
    fits = fits or isinstance(value, list if sequence else np.ndarray)
    wanted = tensor.element_shape
    for array in tensors_of(value):
        same = array.dtype == tensor.dtype or _are_texts(array, tensor)
        if wanted is not None and len(wanted) == array.ndim:
            same = same and all(w in (UNKNOWN, n) for w, n in zip(wanted, array.shape, strict=True))
        fits = fits and same and (wanted is None or len(wanted) == array.ndim)
    if fits:
        return ""
    dims = "" if wanted is None else ["?" if d == UNKNOWN else d for d in wanted]
    inner = f"{tensor.dtype}{str(dims).replace(chr(39), '')}"
    what = f"a list of {inner} arrays" if sequence else f"a {inner} array"
    return f"{what}, or None" if tensor.form.startswith("optional") else what


def _are_texts(array: AnyArray, tensor: TensorInfo) -> bool:
    return tensor.dtype.kind == "O" and array.dtype.kind in "OSU"


def _unknown(problems: Diagnostics, kind: str, name: str, known: Sequence[str]) -> None:
    accepted = f"{kind}s: {', '.join(known)}"
    hint = nearest(name, known, 1)
    problems.error(
        f"there is no {kind} '{name}'", accepted=f"{accepted}; {hint}" if hint else accepted
    )


def _padded(array: AnyArray, count: int) -> AnyArray:
    return np.concatenate([array, np.zeros((count, *array.shape[1:]), array.dtype)])
