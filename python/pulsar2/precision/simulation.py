"""What runs a float or a quantized graph so that its tensors can be compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from pulsar2.axmodel import encode_axmodel
from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError, first_line
from pulsar2.driver.container import link
from pulsar2.driver.part import Part
from pulsar2.locations import tensor_name
from pulsar2.lowering.onnx.rewrite import update_signature
from pulsar2.lowering.quant.cut_tensors import QuantCutTensors
from pulsar2.lowering.quant.layers import operators_of
from pulsar2.onnx_export import main_function
from pulsar2.onnx_import import OUTPUT_NAMES
from pulsar2.quant_export import export_qdq, reference_session
from pulsar2.runtime import InferenceSession

AnyArray = npt.NDArray[Any]
Tensors = Mapping[str, AnyArray]


class Simulation(Protocol):
    """A graph that can be run."""

    @property
    def inputs(self) -> Mapping[str, np.dtype[Any]]:
        """Its inputs and their types."""
        ...

    def run(self, feeds: Tensors) -> Tensors:
        """Its outputs by name, quantized ones as the numbers they stand for."""
        ...


class Reference:
    """A quantized module, whole tensors, float operators between casts, in ONNX Runtime.

    Raises `UserError` where that has not an operator for some type.
    """

    def __init__(self, module: ModuleOp, ctx: AxContext):
        model = export_qdq(module, ctx)
        try:
            self._session: Any = reference_session(model, len(os.sched_getaffinity(0)))
        except Exception as error:
            raise UserError.of(
                f"ONNX Runtime cannot run the quantized model: {first_line(error)}"
            ) from None
        self._names: list[str] = [v.name for v in self._session.get_outputs()]
        self.inputs: dict[str, np.dtype[Any]] = {
            v.name: np.dtype(_DTYPES[v.type.removeprefix("tensor(").removesuffix(")")])
            for v in self._session.get_inputs()
        }

    def run(self, feeds: Tensors) -> Tensors:
        return dict(zip(self._names, self._session.run(None, dict(feeds)), strict=True))


class Backend:
    """A quantized module as the program that it compiles to, bit for bit, on the emulator."""

    def __init__(self, module: ModuleOp, compile: Callable[[ModuleOp], Part]):
        model = link([{1: compile(module)}]).model
        self._session = InferenceSession(encode_axmodel(model))
        self._names = [t.name for t in model.outputs]
        self.inputs: dict[str, np.dtype[Any]] = {t.name: t.dtype for t in model.inputs}

    def run(self, feeds: Tensors) -> Tensors:
        return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))


_DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "bool": "bool",
    **{name: name for size in (8, 16, 32, 64) for name in (f"int{size}", f"uint{size}")},
}  # fmt: skip


def cut(
    module: ModuleOp, ctx: AxContext, inputs: Iterable[str], outputs: Iterable[str]
) -> ModuleOp:
    """A copy of a quantized module, cut at tensors; see `QuantCutTensors`."""
    copy = module.clone()
    QuantCutTensors(inputs=tuple(inputs), outputs=tuple(outputs)).run(ctx, copy)
    return copy


def returning(module: ModuleOp, names: Sequence[str]) -> ModuleOp:
    """A copy of a float module that returns the tensors of these names, and nothing else."""
    copy = module.clone()
    function = main_function(copy)
    known: dict[str, SSAValue] = {}
    for op in operators_of(function):
        for result in op.results:
            known.setdefault(tensor_name(result), result)
    last = function.body.block.last_op
    assert isinstance(last, ReturnOp)
    made = ReturnOp(*(known[name] for name in names))
    made.location = last.location
    Rewriter.replace_op(last, made)
    function.attributes[OUTPUT_NAMES] = ArrayAttr([StringAttr(name) for name in names])
    update_signature(function)
    return copy
