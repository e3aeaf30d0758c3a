"""The road from a float model to emulated bits, in this process, through the named pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.reference
from xdsl.dialects.builtin import ModuleOp

from pulsar2 import _kernels
from pulsar2.axmodel import encode_axmodel
from pulsar2.calibration.calibrate import calibrate
from pulsar2.calibration.dataset import Sample
from pulsar2.context import AxContext, make_context
from pulsar2.driver.container import Compiled, compile_container
from pulsar2.emulator import Emulator
from pulsar2.onnx_import import import_onnx
from pulsar2.pipeline import parse_passes, run_passes
from pulsar2.quant_export import export_qlinear
from pulsar2.runtime import InferenceSession

Array = npt.NDArray[Any]
Tensors = dict[str, Array]


@dataclass
class Quantized:
    """A quantized module, ready to be scheduled any number of times."""

    module: ModuleOp
    context: AxContext

    def reference(self) -> onnx.ModelProto:
        """The integer model that this module stands for, in ONNX's operators."""
        return export_qlinear(self.module, self.context)

    def compile(
        self,
        npu_mode: str = "NPU1",
        ocm_bytes: int = 0,
        target: str = "AX650",
        options: str = "",
    ) -> Program:
        """The compiled model; ``ocm_bytes`` 0 is what the target's mode gives.

        ``options`` are further ones of the pipeline ``schedule``.
        """
        module = self.module.clone()
        options = f"target={target} npu-mode={npu_mode} ocm-bytes={ocm_bytes} {options}"
        run(f"partition,schedule{{{options}}},emit", module, self.context)
        return Program(compile_container(module, self.context, macs=0))


@dataclass
class Program:
    """A compiled model."""

    compiled: Compiled

    def bytes(self) -> bytes:
        """What would lie in compiled.axmodel."""
        return encode_axmodel(self.compiled.model)

    def run(self, inputs: Tensors, threads: int = 1) -> Tensors:
        """Outputs by name, from the container's bytes through the runtime."""
        session = InferenceSession(self.bytes(), threads=threads)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def run_in_order(self, inputs: Tensors, order: int | None) -> list[Tensors]:
        """Outputs of the programs of models whose programs read the model's inputs alone.

        ``order`` seeds a random order of the jobs among those that queues and waits allow.
        """
        return [
            Emulator(each.code, each.params).run(inputs, order=order)
            for each in self.compiled.programs
        ]

    def findings(self) -> list[str]:
        """What the schedule sanitizer has against the programs."""
        return [
            str(found)
            for each in self.compiled.programs
            for found in _kernels.sanitize(each.code)
            if not found.is_note
        ]


def run(pipeline: str, module: ModuleOp, context: AxContext) -> None:
    """Run passes in place, verifying at the end."""
    run_passes(context, module, parse_passes(pipeline))


def quantize(
    model: onnx.ModelProto, samples: Sequence[Tensors], options: str = "", precision: str = ""
) -> Quantized:
    """Import, optimize, calibrate on ``samples`` and quantize; inputs and outputs stay f32.

    ``options`` are those of the pipeline ``quantize``, as in ``activation=U16 bias=FP32``, and
    ``precision`` those of the pipeline ``precision``.
    """
    context = make_context()
    module = import_onnx(model, context)
    run("optimize", module, context)
    if precision:
        run(f"precision{{{precision}}}", module, context)
    named = [Sample(f"sample {index}", sample) for index, sample in enumerate(samples)]
    calibrate(module, context, named, threads=1)
    run(f"quantize{{{options}}}" if options else "quantize", module, context)
    return Quantized(module, context)


def evaluate_reference(model: onnx.ModelProto, inputs: Tensors) -> Tensors:
    """Outputs by name, as ONNX's own evaluator computes them."""
    evaluator = onnx.reference.ReferenceEvaluator(model)
    names = [output.name for output in model.graph.output]
    results: Any = evaluator.run(names, inputs)
    return dict(zip(names, results, strict=True))


def random_inputs(model: onnx.ModelProto, count: int, seed: int = 0) -> list[Tensors]:
    """Inputs drawn from a normal distribution, by name."""
    rng = np.random.default_rng(seed)
    return [
        {
            value.name: rng.normal(
                size=[dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
            ).astype(np.float32)
            for value in model.graph.input
        }
        for _ in range(count)
    ]
