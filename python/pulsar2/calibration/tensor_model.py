"""A float model that hands out inner tensors."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from pulsar2.calibration.sessions import (
    OPTIMIZED,
    Runner,
    export_float,
    one_thread_session,
    with_outputs,
    write_model,
)
from pulsar2.weights import WeightStore


class TensorModel:
    """Runs a function and gives some of the f32 tensors that its operations compute, each flat."""

    def __init__(self, function: FuncOp, weights: WeightStore, values: Sequence[SSAValue]):
        with tempfile.TemporaryDirectory(prefix="pulsar2-") as folder:
            path = Path(folder) / "model.onnx"
            exported = export_float(function, weights, path)
            self._names = [exported.names[v] for v in values]
            write_model(with_outputs(exported.model, self._names), path)
            self._session = one_thread_session(path, OPTIMIZED)

    def runner(self) -> Runner:
        """One thread's way to run the model; several may run at once."""
        return Runner(self._session, self._names)
