"""A float model prepared for observation: ONNX Runtime sessions that hand out inner tensors.

ONNX Runtime computes convolutions in a blocked layout, and a tensor that is an output must be put
back into ONNX's order, which can cost as much as the convolutions do. What an observer takes does
not depend on the order. So the tensors to observe are marked by a GlobalMaxPool, an operator that
ONNX Runtime computes in the blocked layout too; the model is optimized with the marks, saved, and
in the saved model each mark is replaced by its operand, as it lies in memory.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, helper, numpy_helper
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from pulsar2.diagnostics import UserError
from pulsar2.frontend.external import ExternalData
from pulsar2.onnx_export import export_function
from pulsar2.ort_values import is_ml_dtype, ort_value, run_session
from pulsar2.weights import WeightStore

F32Array = npt.NDArray[np.float32]

_ort: Any = onnxruntime  # it has no types that a checker could use

_MARK = "observed:"
_REORDERS = ("ReorderInput", "ReorderOutput")
_MODEL, _OPTIMIZED = "model.onnx", "optimized.onnx"


class ObservedModel:
    """Runs a function and gives some of its tensors, each flat and in an order of its own.

    One in a blocked layout has more elements than its shape says: padding, which holds what the
    operator gives for channels of zeros. Only operators that give 0 are taken in such a layout.

    Weights go to ONNX Runtime through files that it maps, never through a message of protobuf: the
    one is faster, and the other ends at 2 GiB.
    """

    def __init__(
        self,
        function: FuncOp,
        weights: WeightStore,
        observed: Sequence[SSAValue],
        *,
        ordered: bool = False,
    ):
        """`observed` are f32 values that the operations of `function` compute.

        With `ordered` all of them are given in ONNX's order.
        """
        with tempfile.TemporaryDirectory(prefix="pulsar2-") as folder:
            path = Path(folder) / _MODEL
            with path.with_suffix(".data").open("wb") as file:
                exported = export_function(
                    function, weights, ExternalData(file, f"{path.stem}.data")
                )
            model = exported.model
            _name_quick_gelu(model)
            self._names = [exported.names[v] for v in observed]
            self._places = {name: name for name in self._names}
            level = _ort.GraphOptimizationLevel.ORT_ENABLE_ALL
            marked = [] if ordered else _markable(model, self._names)
            blocked = _without_marks(model, self._names, marked, path) if marked else None
            if blocked is not None:
                model, self._places = blocked
                path = path.with_name(_OPTIMIZED)
                level = _ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            _write(_with_outputs(model, list(self._places.values()), []), path)
            self._session = one_thread_session(path, level)

    def runner(self) -> Runner:
        """One thread's way to run the model; several may run at once."""
        return Runner(self._session, [self._places[n] for n in self._names])


class Runner:
    """Runs a session into buffers that it keeps from run to run."""

    def __init__(self, session: Any, outputs: Sequence[str]):
        self._session = session
        self._outputs = list(outputs)
        self._distinct = list(dict.fromkeys(outputs))
        self._binding: Any = None
        self._views: dict[str, F32Array] = {}
        self._kept: list[Any] = []

    def run(self, inputs: Mapping[str, Any]) -> list[F32Array]:
        """The observed tensors, flat, valid until the next run."""
        if not self._outputs:
            return []
        if not all(isinstance(value, np.ndarray) for value in inputs.values()):
            # Sequences and optional values cannot be bound to buffers.
            found = run_session(self._session, self._distinct, inputs)
            arrays = dict(zip(self._distinct, found, strict=True))
            return [np.ascontiguousarray(arrays[n]).reshape(-1) for n in self._outputs]
        if self._binding is None:
            self._first_run(inputs)
        else:
            self._bind_inputs(inputs)
            self._session.run_with_iobinding(self._binding)
        return [self._views[name] for name in self._outputs]

    def _bind_inputs(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        for name, array in inputs.items():
            if is_ml_dtype(array.dtype):
                self._binding.bind_ortvalue_input(name, ort_value(array))
            else:
                self._binding.bind_cpu_input(name, np.ascontiguousarray(array))

    def _first_run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        self._binding = self._session.io_binding()
        self._bind_inputs(inputs)
        for name in self._distinct:
            self._binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(self._binding)
        self._kept = list(self._binding.get_outputs())
        self._binding.clear_binding_outputs()
        for name, value in zip(self._distinct, self._kept, strict=True):
            count = int(np.prod(value.shape(), dtype=np.int64))
            memory = (ctypes.c_float * count).from_address(value.data_ptr())
            self._views[name] = np.ctypeslib.as_array(memory)
            self._binding.bind_ortvalue_output(name, value)


def one_thread_session(path: Path, level: Any, save_to: Path | None = None) -> Any:
    """A session of one thread at optimization `level`; with `save_to`, only what that gives."""
    options = _ort.SessionOptions()
    # Images are what runs in parallel, so one run is one thread and its result does not depend on
    # how many there are.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = level
    options.log_severity_level = 3
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
        # It is saved and never run.
        options.add_session_config_entry("session.disable_prepacking", "1")
        for key, value in (("file_name", f"{save_to.stem}.data"), ("min_size_in_bytes", "1024")):
            options.add_session_config_entry(
                f"session.optimized_model_external_initializers_{key}", value
            )
    try:
        return _ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError.of(
            f"ONNX Runtime cannot run the model for calibration: {str(error).strip()}"
        ) from None


def _write(model: ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())


def _name_quick_gelu(model: ModelProto) -> None:
    """Makes each Swish of f32 the operator that ONNX Runtime has a kernel for.

    It would compute Swish as four operators, of which none is computed in the blocked layout.
    """
    types = {
        v.name: v.type.tensor_type.elem_type
        for v in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }
    named = [
        node
        for node in model.graph.node
        if (node.domain, node.op_type) == ("", "Swish")
        and types.get(node.output[0]) == onnx.TensorProto.FLOAT
    ]
    for node in named:
        alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("alpha", alpha))
        node.domain, node.op_type = "com.microsoft", "QuickGelu"
    if named and all(o.domain != "com.microsoft" for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _with_outputs(
    model: ModelProto, outputs: Sequence[str], nodes: Sequence[NodeProto]
) -> ModelProto:
    """The model with these nodes added and these outputs in place of its own."""
    made = ModelProto()
    made.CopyFrom(model)
    made.graph.node.extend(nodes)
    del made.graph.output[:]
    made.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in dict.fromkeys(outputs)
    )
    return made


_ZERO_KEEPING = frozenset(
    (
        "Add",
        "AveragePool",
        "Clip",
        "Concat",
        "Conv",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSwish",
        "LeakyRelu",
        "MaxPool",
        "Mul",
        "QuickGelu",
        "Relu",
        "Tanh",
    )
)
"""Operators that give 0 for channels of zeros, a Clip where 0 is within its bounds."""


def _markable(model: ModelProto, observed: Sequence[str]) -> list[str]:
    """The observed tensors that may be computed in the blocked layout: those near convolutions."""
    shapes = {
        v.name: len(v.type.tensor_type.shape.dim)
        for v in (*model.graph.value_info, *model.graph.output)
    }
    if not any(node.op_type == "Conv" for node in model.graph.node):
        return []
    numbers = {
        t.name: float(numpy_helper.to_array(t).reshape(-1)[0])
        for t in model.graph.initializer
        if t.data_type == onnx.TensorProto.FLOAT and not any(d != 1 for d in t.dims)
    }
    producers = {
        name: node.op_type
        for node in model.graph.node
        for name in node.output
        if node.op_type != "Clip" or _clips_around_zero(node, numbers)
    }
    return [n for n in observed if shapes.get(n) == 4 and producers.get(n) in _ZERO_KEEPING]


def _clips_around_zero(node: NodeProto, numbers: Mapping[str, float]) -> bool:
    low, high = [*node.input[1:], "", ""][:2]
    return (not low or numbers.get(low, 1.0) <= 0) and (not high or numbers.get(high, -1.0) >= 0)


def _without_marks(
    model: ModelProto, observed: Sequence[str], marked: Sequence[str], path: Path
) -> tuple[ModelProto, dict[str, str]] | None:
    """The optimized model, and under which name it holds each observed tensor.

    The model goes through `path`, with its weights beside it; those of the optimized one go there
    too. None when ONNX Runtime did with a mark what is not known here.
    """
    marks = [helper.make_node("GlobalMaxPool", [name], [_MARK + name]) for name in marked]
    chosen = set(marked)
    outputs = [_MARK + name if name in chosen else name for name in observed]
    _write(_with_outputs(model, outputs, marks), path)
    saved = path.with_name(_OPTIMIZED)
    one_thread_session(path, _ort.GraphOptimizationLevel.ORT_ENABLE_ALL, saved)
    optimized = ModelProto.FromString(saved.read_bytes())
    nodes = list(optimized.graph.node)
    producers = {name: node for node in nodes for name in node.output}
    uses = Counter(name for node in nodes for name in node.input)
    places: dict[str, str] = {}
    dropped: list[NodeProto] = []
    for name in observed:
        places[name] = name
        if name not in chosen:
            continue
        at: NodeProto | None = producers.get(_MARK + name)
        if at is not None and at.op_type == "ReorderOutput":
            dropped.append(at)
            at = producers.get(at.input[0])
        if at is None or at.op_type != "GlobalMaxPool":
            return None
        dropped.append(at)
        source = at.input[0]
        before = producers.get(source)
        if before is not None and before.op_type in _REORDERS and uses[source] == 1:
            dropped.append(before)
            source = before.input[0]
        places[name] = source
    gone = {id(node) for node in dropped}
    del optimized.graph.node[:]
    optimized.graph.node.extend(n for n in nodes if id(n) not in gone)
    return optimized, places
