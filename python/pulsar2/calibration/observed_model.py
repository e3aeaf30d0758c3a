"""A float model prepared for observation: a session that shows inner tensors to observers.

A tensor that is an output of a session has memory of its own up to the end of the run, and is read
from there. Instead an operator of our own, Observe, shows it to an observer as soon as it is
computed, while it is in cache, and its memory is used again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from pulsar2._kernels import ObserverSet
from pulsar2.calibration.blocked_layout import in_blocked_layout
from pulsar2.calibration.sessions import (
    AS_IT_IS,
    OPTIMIZED,
    Runner,
    export_float,
    one_thread_session,
    write_model,
)
from pulsar2.weights import WeightStore

_DOMAIN = "pulsar2"
_OBSERVERS = "observers:"
_STATE = "state:{}"


class ObservedModel:
    """Runs a function and shows some of its tensors to observers, each in an order of its own."""

    def __init__(
        self,
        function: FuncOp,
        weights: WeightStore,
        observed: Sequence[SSAValue],
        *,
        ordered: bool = False,
    ):
        """`observed` are f32 values that the operations of `function` compute.

        With `ordered` all of them are shown in ONNX's order.
        """
        self._count = len(observed)
        with tempfile.TemporaryDirectory(prefix="pulsar2-") as folder:
            path, optimized = Path(folder) / "model.onnx", Path(folder) / "optimized.onnx"
            exported = export_float(function, weights, path)
            names = [exported.names[v] for v in observed]
            blocked = None
            if not ordered:
                blocked = in_blocked_layout(exported.model, names, path, optimized)
            if blocked is None:
                model, level = exported.model, OPTIMIZED
            else:
                model, places = blocked
                names = [places[name] for name in names]
                path, level = optimized, AS_IT_IS
            _show(model, names)
            write_model(model, path)
            self._session = one_thread_session(path, level)

    def runner(self, observers: ObserverSet) -> ObservedRunner:
        """One thread's way to run the model; several may run at once.

        `observers` has one for each observed tensor, in their order.
        """
        states = [_STATE.format(index) for index in range(self._count)]
        return ObservedRunner(Runner(self._session, states, np.int64), observers)


class ObservedRunner:
    """Runs a session that shows tensors to observers."""

    def __init__(self, runner: Runner, observers: ObserverSet):
        self._runner = runner
        self._observers = observers
        self._address = np.array([observers.address], np.int64)

    def run(self, inputs: Mapping[str, Any]) -> list[int]:
        """What each tensor holds, as `ObserverSet.observe` says it."""
        states = self._runner.run({**inputs, _OBSERVERS: self._address})
        return [int(state[0]) for state in states]


def _show(model: ModelProto, names: Sequence[str]) -> None:
    """Makes the tensors of a model what observers are shown, in place of its outputs."""
    graph = model.graph
    position = {name: at for at, node in enumerate(graph.node) for name in node.output}
    del graph.output[:]
    # ONNX Runtime goes back from the ends of a graph, the last one first, and computes what each
    # takes before the next. So a tensor is shown when it is computed, if the first ones come last.
    for index in sorted(range(len(names)), key=lambda i: position.get(names[i], -1), reverse=True):
        state = _STATE.format(index)
        graph.node.append(
            helper.make_node(
                "Observe", [names[index], _OBSERVERS], [state], domain=_DOMAIN, index=index
            )
        )
        graph.output.append(helper.make_tensor_value_info(state, onnx.TensorProto.INT64, [1]))
    graph.input.append(helper.make_tensor_value_info(_OBSERVERS, onnx.TensorProto.INT64, [1]))
    model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
