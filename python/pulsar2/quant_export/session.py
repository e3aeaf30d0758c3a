"""ONNX Runtime sessions that execute a QDQ model as it is written."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnx import ModelProto

from pulsar2.ort_values import FAULTY_OPTIMIZERS

_ort: Any = onnxruntime  # it has no types that a checker could use


def reference_session(model: ModelProto, threads: int = 1) -> onnxruntime.InferenceSession:
    """The session of the Reference mode: float operators between the casts that the model has.

    Left to itself ONNX Runtime would turn the operators into integer kernels of its own, which
    saturate on some CPUs, and drop requantizations.
    """
    options = _ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return _ort.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[
            "DoubleQDQPairsRemover",
            "QDQFinalCleanupTransformer",
            *FAULTY_OPTIMIZERS,
        ],
    )
