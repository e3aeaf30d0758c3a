"""How much noise 8 bits of single tensors make in a model's outputs, by calibration data."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pulsar2.calibration.dataset import Sample
from pulsar2.calibration.sessions import one_thread_session
from pulsar2.context import AxContext
from pulsar2.dialects.quant.types import UniformType
from pulsar2.frontend.external import ExternalData
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.wide_tensors import REST, edges, wide_tensors
from pulsar2.onnx_export import ExportedModel, export_function, main_function

_ort: Any = onnxruntime  # it has no types that a checker could use

_RUNS = 256
"""About how many times the model is run; there are as many samples as that allows."""
_MOST_SAMPLES = 8

Arrays = Mapping[str, npt.NDArray[Any]]


def measure_noise(
    module: ModuleOp, ctx: AxContext, samples: Sequence[Sample], *, fuses: bool = True
) -> dict[str, float]:
    """The share of noise, noise power / signal power, in the outputs of `@main`.

    By the name of a tensor, when 8 bits are all that only the tensors have that share its
    quantization; under `REST`, when everything else has. Weights are float. `module` is calibrated.
    The result depends neither on how many threads there are nor on their order.
    """
    func = main_function(module)
    plan = QuantPlan(func, ctx.weights, fuses=fuses)
    wide = [each for each in wide_tensors(plan) if each.name and not each.configured]
    if not wide or not samples:
        return {}
    with tempfile.TemporaryDirectory(prefix="pulsar2-") as folder:
        path = Path(folder) / "model.onnx"
        with path.with_suffix(".data").open("wb") as file:
            exported = export_function(func, ctx.weights, ExternalData(file, "model.data"))
        rounded = _Rounded(exported, [REST, *(each.name for each in wide)])
        for edge in edges(plan, wide):
            type_ = plan.element_type(edge.value)
            assert isinstance(type_, UniformType)
            made = exported.names[edge.op.results[0]]
            rounded.add(made, edge.value, type_, REST if edge.wide is None else edge.wide.name)
        path.write_bytes(rounded.model().SerializeToString())
        # Beyond basic optimization, rounding would be joined with operators into integer kernels.
        session = one_thread_session(path, _ort.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    count = max(1, min(len(samples), _MOST_SAMPLES, _RUNS // (len(wide) + 2)))
    feeds = [samples[i].inputs for i in range(count)]
    return _measured(session, rounded, feeds)


@dataclass
class _Rounded:
    """A model in which groups of tensors are rounded to 8 bits when an input says so."""

    exported: ExportedModel
    groups: Sequence[str]
    _readers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    _made: dict[str, list[NodeProto]] = field(default_factory=dict[str, list[NodeProto]])
    _constants: dict[str, npt.NDArray[Any]] = field(default_factory=dict[str, npt.NDArray[Any]])

    def add(self, reader: str, value: SSAValue, type_: UniformType, group: str) -> None:
        """Lets the node that makes the tensor `reader` read `value` rounded as `group` is."""
        name = self.exported.names[value]
        switched = f"{name}/switched {self.groups.index(group)}"
        made = self._made.setdefault(name, [])
        if not made:
            parameters = [f"{name}/scale", f"{name}/zero"]
            zero_type = np.int8 if type_.bounds[0] < 0 else np.uint8
            self._constants[parameters[0]] = np.array(type_.scale, np.float32)
            self._constants[parameters[1]] = np.array(type_.zero_point, zero_type)
            stored, eight = f"{name}/stored", f"{name}/eight"
            made.append(helper.make_node("QuantizeLinear", [name, *parameters], [stored]))
            made.append(helper.make_node("DequantizeLinear", [stored, *parameters], [eight]))
        if all(switched not in node.output for node in made):
            inputs = [self.flag(group), f"{name}/eight", name]
            made.append(helper.make_node("Where", inputs, [switched]))
        self._readers.setdefault(reader, {})[name] = switched

    def flag(self, group: str) -> str:
        return f"round {self.groups.index(group)}"

    def model(self) -> ModelProto:
        made = ModelProto()
        made.CopyFrom(self.exported.model)
        graph = made.graph
        nodes = list(graph.node)
        del graph.node[:]
        for info in graph.input:
            graph.node.extend(self._made.get(info.name, ()))
        for node in nodes:
            changed = {k: v for name in node.output for k, v in self._readers.get(name, {}).items()}
            for index, name in enumerate(node.input):
                node.input[index] = changed.get(name, name)
            graph.node.append(node)
            for name in node.output:
                graph.node.extend(self._made.get(name, ()))
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in self._constants.items())
        graph.input.extend(
            helper.make_tensor_value_info(self.flag(group), onnx.TensorProto.BOOL, [])
            for group in self.groups
        )
        return made

    def flags(self, chosen: str | None) -> Arrays:
        """What says that only one group is rounded, or none."""
        return {self.flag(group): np.array(group == chosen) for group in self.groups}


def _measured(session: Any, rounded: _Rounded, feeds: Sequence[Arrays]) -> dict[str, float]:
    def run(index: int, chosen: str | None) -> list[npt.NDArray[Any]]:
        found: list[Any] = session.run(None, {**feeds[index], **rounded.flags(chosen)})
        return [np.asarray(f, np.float64) for f in found]

    def noise(task: tuple[int, str]) -> float:
        index, group = task
        pairs = zip(run(index, group), wanted[index], strict=True)
        shares = [float(((a - b) ** 2).sum() / max((b**2).sum(), 1e-30)) for a, b in pairs]
        return sum(shares) / max(len(shares), 1)

    tasks = [(i, group) for group in rounded.groups for i in range(len(feeds))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        wanted = list(pool.map(run, range(len(feeds)), itertools.repeat(None)))
        found = list(pool.map(noise, tasks))
    totals = dict.fromkeys(rounded.groups, 0.0)
    for (_, group), share in zip(tasks, found, strict=True):
        totals[group] += share / len(feeds)
    return totals
