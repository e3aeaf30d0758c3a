"""CPU subgraphs: as the ONNX models inside a container, and run by ONNX Runtime.

A model's large initializers lie in the container's block `cpu_params`, equal ones once, and the
model refers to them as external data. ONNX Runtime computes with them where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import onnx
from onnx import helper

from pulsar2.axmodel import CpuSubgraph
from pulsar2.axmodel.reader import external_slice
from pulsar2.axmodel.schema import CPU_PARAMS
from pulsar2.diagnostics import UserError, first_line
from pulsar2.ort_values import FAULTY_OPTIMIZERS, ort_value, run_session
from pulsar2.weights import AnyArray

_INLINE_BYTES = 256
"""Initializers of fewer bytes stay in the model: an entry of external data is not much shorter."""
_ALIGNMENT = 64


class CpuParams:
    """The block of initializers of all CPU subgraphs of a model, equal ones kept once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offsets: dict[bytes, int] = {}
        self._size = 0

    def take(self, model: onnx.ModelProto) -> None:
        """Moves the large initializers of `model` into the block."""
        for tensor in model.graph.initializer:
            data = tensor.raw_data
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            whole = int(np.prod(tensor.dims, dtype=np.int64)) * dtype.itemsize
            if len(data) < _INLINE_BYTES or len(data) != whole:
                continue  # small, or elements of less than a byte, or strings
            entries = {
                "location": CPU_PARAMS,
                "offset": str(self._add(data)),
                "length": str(len(data)),
            }
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in entries.items():
                tensor.external_data.add(key=key, value=value)

    def _add(self, data: bytes) -> int:
        if data not in self._offsets:
            self._offsets[data] = self._size
            padding = -len(data) % _ALIGNMENT
            self._parts += [data, bytes(padding)]
            self._size += len(data) + padding
        return self._offsets[data]

    def array(self) -> AnyArray:
        return np.frombuffer(b"".join(self._parts), np.uint8)


class CpuRunner:
    """One CPU subgraph of one batch size, loaded into ONNX Runtime.

    `params` is the container's block, which must live as long as the runner does (it is kept).
    Raises `UserError` when ONNX Runtime cannot load the model.
    """

    def __init__(self, subgraph: CpuSubgraph, batch: int, params: AnyArray, threads: int):
        ort: Any = import_module("onnxruntime")
        self.name = subgraph.name
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Its own integer kernels saturate on some CPUs; what is wanted is what ONNX says.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        data = subgraph.model(batch).onnx
        proto = onnx.ModelProto.FromString(data)
        self._kept: list[Any] = [params]
        names: list[str] = []
        values: list[Any] = []
        for tensor in proto.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                offset, length = external_slice(tensor)
                value = self._value(params[offset : offset + length], tensor)
                names.append(tensor.name)
                values.append(value)
        if names:
            # The one lets the optimizer see the values, the other keeps them where they lie.
            options.add_external_initializers(names, values)
            for name, value in zip(names, values, strict=True):
                options.add_initializer(name, value)
        try:
            self._session = ort.InferenceSession(
                data,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=FAULTY_OPTIMIZERS,
            )
        except Exception as error:
            raise UserError.of(
                f"ONNX Runtime cannot load {self.name}: {first_line(error)}"
            ) from None
        self._outputs: list[str] = list(subgraph.outputs)

    def _value(self, data: AnyArray, tensor: onnx.TensorProto) -> Any:
        """The tensor's data as ONNX Runtime takes it, without a copy."""
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        array = data.view(dtype).reshape(tuple(tensor.dims))
        self._kept.append(array)
        return ort_value(array)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name. Raises `UserError` when ONNX Runtime fails."""
        try:
            values = run_session(self._session, self._outputs, feeds)
        except Exception as error:
            raise UserError.of(f"{self.name}: ONNX Runtime: {first_line(error)}") from None
        return dict(zip(self._outputs, values, strict=True))
