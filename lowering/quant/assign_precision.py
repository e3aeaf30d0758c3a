"""`quant-assign-precision`: the data types of the operators of a float graph."""

from __future__ import annotations

from dataclasses import dataclass

from loguru import logger
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.attributes import (
    DATA_TYPE,
    MOVED_DATA_TYPE,
    OUTPUT_DATA_TYPE,
    WEIGHT_DATA_TYPE,
)
from pulsar2.lowering.quant.layers import LayerSpec, operators_of, parse_layer, select
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import Rule, kind_of


@dataclass(frozen=True)
class QuantAssignPrecision(AxPass):
    """Writes down in which data type each operator computes.

    An operator's data type is that of the tensors it reads; `convert-onnx-to-quant` derives those
    of all tensors from it, so that data movement takes its neighbours' type. Of several
    configurations for one operator the named operator goes before its type, a type before a
    subgraph, and a subgraph before the whole model. An operator without an FP32 form (a
    convolution) that lies in an FP32 subgraph keeps its inputs quantized and gives FP32 results.

    Needs: `onnx` operations with their nodes' names as locations. Leaves: attributes
    `quant.data_type`, `quant.output_data_type` and `quant.weight_data_type`, where something was
    said. Data movement holds them only where its name or type was configured; else
    `quant.moved_data_type`, for tensors that no operator computes or reads otherwise.

    Options: `layers`, one text per layer configuration, words as in the configuration file
    (`layer_name=`, `op_type=`, `start_tensor_name=`, `end_tensor_name=`, each any number of times,
    then `data_type=`, `output_data_type=`, `weight_data_type=`, and `former=TYPE/NAME` for an
    operator that had one of the types before optimization); `highest`, for the most precise
    type of every operator that no layer configuration speaks of: FP32, or U16 for one without an
    FP32 form; `floating`, for FP32 alike, or FP32 results of one without an FP32 form: for a QDQ
    graph that is not calibrated.

    ```
    %2 = onnx.Add(%0, %1) : ..
    // becomes with layers="op_type=Add data_type=U16"
    %2 = onnx.Add(%0, %1) {quant.data_type = "U16"} : ..
    ```
    """

    name = "quant-assign-precision"

    layers: tuple[str, ...] = ()
    highest: bool = False
    floating: bool = False

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        specs = self._specs()
        for op in module.ops:
            if isinstance(op, FuncOp) and op.sym_name.data == "main":
                self._assign(op, specs)

    def _specs(self) -> list[LayerSpec]:
        errors = Diagnostics()
        specs: list[LayerSpec] = []
        for text in filter(None, self.layers):
            try:
                specs.append(parse_layer(text))
            except ValueError as error:
                errors.error(f"'{text}' is no layer configuration: {error}", self.name)
        errors.raise_if_any()
        return specs

    def _assign(self, func: FuncOp, specs: list[LayerSpec]) -> None:
        found = select(func, specs)
        if found.errors:
            raise UserError(diagnostic for _, diagnostic in found.errors)
        for _, message in found.warnings:
            logger.warning("{}", message)
        for op in operators_of(func):
            rule = RULES.get(kind_of(op))
            if rule is None:
                continue
            index = found.chosen.get(op)
            if index is not None:
                _write(op, rule, specs[index])
            elif (self.highest or self.floating) and rule.shared(op):
                op.attributes[MOVED_DATA_TYPE] = StringAttr("FP32")
            elif self.highest:
                op.attributes[DATA_TYPE] = StringAttr("FP32" if rule.takes_float(op) else "U16")
            elif self.floating:
                _leave_float(op, rule)


def _leave_float(op: OnnxOp, rule: Rule) -> None:
    """Lets `op` compute in FP32, or give FP32 results at least."""
    if rule.takes_float(op):
        op.attributes[DATA_TYPE] = StringAttr("FP32")
    elif rule.has_weights:
        op.attributes[OUTPUT_DATA_TYPE] = StringAttr("FP32")


def _write(op: OnnxOp, rule: Rule, spec: LayerSpec) -> None:
    """Writes what `spec` says of `op` into its attributes."""
    if rule.shared(op) and spec.rank < 2:
        op.attributes[MOVED_DATA_TYPE] = StringAttr(spec.data_type)
        return
    data_type, output = spec.data_type, spec.output_data_type
    if data_type == "FP32" and not rule.takes_float(op):
        data_type, output = "U8", output or "FP32"
    op.attributes[DATA_TYPE] = StringAttr(data_type)
    if rule.has_weights:
        if output is not None:
            op.attributes[OUTPUT_DATA_TYPE] = StringAttr(output)
        if spec.weight_data_type is not None:
            op.attributes[WEIGHT_DATA_TYPE] = StringAttr(spec.weight_data_type)
