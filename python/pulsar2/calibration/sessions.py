"""Float models exported for ONNX Runtime, and sessions of one thread that run them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, helper
from xdsl.dialects.func import FuncOp

from pulsar2 import _kernels
from pulsar2.diagnostics import UserError
from pulsar2.frontend.external import ExternalData
from pulsar2.onnx_export import ExportedModel, export_function
from pulsar2.ort_values import FAULTY_OPTIMIZERS, is_ml_dtype, ort_value, run_session
from pulsar2.weights import WeightStore

F32Array = npt.NDArray[np.float32]

ort: Any = onnxruntime  # it has no types that a checker could use
OPTIMIZED: Any = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
AS_IT_IS: Any = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def export_float(function: FuncOp, weights: WeightStore, path: Path) -> ExportedModel:
    """The model of a function, to be written to `path`; its weights are in a file beside that.

    They go to ONNX Runtime through files that it maps, never through a message of protobuf: the one
    is faster, and the other ends at 2 GiB.
    """
    with path.with_suffix(".data").open("wb") as file:
        exported = export_function(function, weights, ExternalData(file, f"{path.stem}.data"))
    _name_quick_gelu(exported.model)
    return exported


def with_outputs(model: ModelProto, outputs: Sequence[str]) -> ModelProto:
    """The model with these f32 tensors as outputs, in place of its own."""
    made = ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    made.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in dict.fromkeys(outputs)
    )
    return made


def write_model(model: ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())


class Runner:
    """Runs a session into buffers that it keeps from run to run."""

    def __init__(self, session: Any, outputs: Sequence[str], dtype: type[np.generic] = np.float32):
        """`outputs` are names of the session's outputs, which are tensors of `dtype`."""
        self._session = session
        self._outputs = list(outputs)
        self._dtype = np.dtype(dtype)
        self._distinct = list(dict.fromkeys(outputs))
        self._binding: Any = None
        self._views: dict[str, npt.NDArray[Any]] = {}
        self._kept: Any = None

    def run(self, inputs: Mapping[str, Any]) -> list[npt.NDArray[Any]]:
        """The outputs, flat, valid until the next run."""
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
        """Runs once with outputs that ONNX Runtime allocates, which later runs write again."""
        first = self._binding = self._session.io_binding()
        self._bind_inputs(inputs)
        for name in self._distinct:
            first.bind_output(name, "cpu")
        self._session.run_with_iobinding(first)
        # Values of some versions live no longer than the binding that they come from.
        self._kept = first
        self._binding = self._session.io_binding()
        for name, value in zip(self._distinct, first.get_outputs(), strict=True):
            count = int(np.prod(value.shape(), dtype=np.int64))
            memory = (ctypes.c_byte * (count * self._dtype.itemsize)).from_address(value.data_ptr())
            self._views[name] = np.frombuffer(memoryview(memory), self._dtype)
            self._binding.bind_ortvalue_output(name, value)


def one_thread_session(path: Path, level: Any, save_to: Path | None = None) -> Any:
    """A session of one thread at optimization `level`; with `save_to`, only what that gives."""
    options = ort.SessionOptions()
    # Images are what runs in parallel, so one run is one thread and its result does not depend on
    # how many there are.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = level
    options.log_severity_level = 3
    options.register_custom_ops_library(_kernels.__file__)
    # Its own integer kernels, in a model with QuantizeLinear, saturate on some CPUs.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
        # It is saved and never run.
        options.add_session_config_entry("session.disable_prepacking", "1")
        for key, value in (("file_name", f"{save_to.stem}.data"), ("min_size_in_bytes", "1024")):
            options.add_session_config_entry(
                f"session.optimized_model_external_initializers_{key}", value
            )
    try:
        return ort.InferenceSession(
            str(path),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=FAULTY_OPTIMIZERS,
        )
    except Exception as error:
        raise UserError.of(
            f"ONNX Runtime cannot run the model for calibration: {str(error).strip()}"
        ) from None


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
