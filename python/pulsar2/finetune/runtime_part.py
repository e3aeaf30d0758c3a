"""Operators without a torch form, computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from xdsl.dialects.builtin import FunctionType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block as IrBlock
from xdsl.ir import Operation, Region, SSAValue

from pulsar2.dialects.onnx.control_flow import used_values
from pulsar2.finetune.blocks import Block, members
from pulsar2.locations import name_location
from pulsar2.lowering.quant.plan import QuantPlan
from pulsar2.lowering.quant.rules.base import is_constant_op
from pulsar2.onnx_export import export_function
from pulsar2.weights import AnyArray


class RuntimePart:
    """A block of operators as a model in ONNX Runtime, on one thread."""

    def __init__(self, plan: QuantPlan, block: Block):
        self._block = block
        func = _function(plan, block)
        exported = export_function(func, plan.weights)
        ort: Any = import_module("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(
            exported.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, inputs: Mapping[SSAValue, AnyArray]) -> dict[SSAValue, AnyArray]:
        """The outputs of the block, in f32 as the float model has them."""
        given = [np.asarray(inputs[v]) for v in self._block.inputs]
        feeds = {i.name: a for i, a in zip(self._session.get_inputs(), given, strict=True)}
        return dict(zip(self._block.outputs, self._session.run(None, feeds), strict=True))


def _function(plan: QuantPlan, block: Block) -> FuncOp:
    """A function of copies of the operators, and of the constants that they use."""
    body = IrBlock(arg_types=[v.type for v in block.inputs])
    forms: dict[SSAValue, SSAValue] = dict(zip(block.inputs, body.args, strict=True))
    for number, argument in enumerate(body.args):
        argument.location = name_location(f"input_{number}")

    def copy(op: Operation) -> None:
        for value in used_values(op):
            if value not in forms:
                assert is_constant_op(value.owner)
                assert isinstance(value.owner, Operation)
                copy(value.owner)
        made = op.clone(dict(forms))
        forms.update(zip(op.results, made.results, strict=True))
        body.add_op(made)

    for op in block.ops:
        for member in members(plan, op):
            copy(member)
    outputs = [forms[v] for v in block.outputs]
    body.add_op(ReturnOp(*outputs))
    types = FunctionType.from_lists(body.arg_types, [v.type for v in outputs])
    return FuncOp("part", types, Region(body))
