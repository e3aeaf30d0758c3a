"""A `quant_axmodel.onnx` back into a module of `quant` operations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper
from xdsl.dialects.builtin import ArrayAttr, FunctionType, ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics, UserError, nearest
from pulsar2.dialects.ax import element_type_of
from pulsar2.dialects.onnx import IR_OPSET
from pulsar2.dialects.onnx.constant import Constant
from pulsar2.dialects.onnx.types import from_type_proto
from pulsar2.dialects.quant import ConstantOp
from pulsar2.dialects.quant.types import UniformPerAxisType, UniformType
from pulsar2.frontend.check import free_names
from pulsar2.frontend.graph import GraphImporter, value_hint
from pulsar2.locations import name_location
from pulsar2.lowering.quant.placement import CHOSEN, CPU, mark_cpu
from pulsar2.lowering.quant.support import Refusal
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.quant_axmodel.schema import DOMAIN, OPERATORS, VERSION, operation_class, properties
from pulsar2.quant_axmodel.writer import AXIS, SCALE, STORAGE, STORAGE_INDEX, ZERO_POINT
from pulsar2.weights import WeightStore

AnyArray = npt.NDArray[np.generic]


def read_quant_axmodel(model: str | os.PathLike[str] | ModelProto, ctx: AxContext) -> ModuleOp:
    """The module that the file was written from, its weights put into `ctx.weights`.

    Raises `UserError` when the file is missing, is no such model, or is inconsistent.
    """
    where = "" if isinstance(model, ModelProto) else str(model)
    proto = model if isinstance(model, ModelProto) else _load(where)
    versions = {o.domain: o.version for o in proto.opset_import}
    if versions.get(DOMAIN) != VERSION:
        raise UserError.of(
            "the file is not a QuantAxModel that this version reads",
            where,
            f"it needs operators of domain '{DOMAIN}' version {VERSION}",
        )
    try:
        folder = Path(where).parent if where else None
        return _Reader(proto.graph, versions, ctx.weights, where, folder).module()
    except KeyError as error:
        raise UserError.of(
            f"the QuantAxModel is inconsistent: it uses {error}, which it has not", where
        ) from None
    except (VerifyException, ValueError, IndexError, TypeError) as error:
        raise UserError.of(f"the QuantAxModel is inconsistent: {error}", where) from None


def _load(path: str) -> ModelProto:
    try:
        return onnx.load(path)  # pyright: ignore[reportUnknownMemberType]
    except OSError as error:
        raise UserError.of(f"cannot read the model: {error.strerror or error}", path) from None
    except (DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise UserError.of(f"not an ONNX file: {error}", path) from None


def _is_alias(node: NodeProto, outputs: set[str]) -> bool:
    """Whether a node only gives a tensor the name of an output of the model."""
    marked = any(p.key.startswith(CPU) for p in node.metadata_props)
    plain = node.op_type == "Identity" and not node.domain and not marked
    return plain and node.output[0] in outputs


class _Reader:
    def __init__(
        self,
        graph: GraphProto,
        versions: Mapping[str, int],
        weights: WeightStore,
        where: str,
        folder: Path | None,
    ):
        self.graph = graph
        self.weights = weights
        self.where = where
        self.problems = Diagnostics()
        opsets = {d: v for d, v in versions.items() if d not in (DOMAIN, "ai.onnx")}
        self.importer = GraphImporter(weights, {"": IR_OPSET, **opsets}, folder, self.problems)
        self.arrays: dict[str, AnyArray] = {
            t.name: numpy_helper.to_array(t) for t in graph.initializer
        }
        self.annotations: dict[str, dict[str, str]] = {
            a.tensor_name: {e.key: e.value for e in a.quant_parameter_tensor_names}
            for a in graph.quantization_annotation
        }
        infos = (*graph.input, *graph.output, *graph.value_info)
        self.infos: dict[str, ValueInfoProto] = {i.name: i for i in infos}
        self.values: dict[str, SSAValue] = {}
        self.plain: dict[str, SSAValue] = {}

    def module(self) -> ModuleOp:
        self._refuse_unknown()
        inputs = [i.name for i in self.graph.input]
        block = Block(arg_types=[self._type(n) for n in inputs])
        for name, argument in zip(inputs, block.args, strict=True):
            argument.location = name_location(name)
            argument.name_hint = name if SSAValue.is_valid_name(name) else None
            self.values[name] = argument
        renamed: dict[str, str] = {}
        for index, node in enumerate(self.graph.node):
            if _is_alias(node, {o.name for o in self.graph.output}):
                renamed[node.output[0]] = node.input[0]
            elif node.domain == DOMAIN:
                self._read(node, block)
            else:
                self._keep(node, index, block)
        outputs = [o.name for o in self.graph.output]
        returned = ReturnOp(*(self.values[renamed.get(n, n)] for n in outputs))
        returned.location = name_location(self.graph.name)
        block.add_op(returned)
        function_type = FunctionType.from_lists(block.arg_types, returned.operand_types)
        func = FuncOp("main", function_type, Region(block))
        func.location = name_location(self.graph.name)
        func.attributes[INPUT_NAMES] = ArrayAttr([StringAttr(n) for n in inputs])
        func.attributes[OUTPUT_NAMES] = ArrayAttr([StringAttr(n) for n in outputs])
        module = ModuleOp([func])
        module.verify()
        return module

    def _refuse_unknown(self) -> None:
        errors = Diagnostics()
        for node in self.graph.node:
            if node.domain == DOMAIN and node.op_type not in OPERATORS:
                errors.error(
                    f"node '{node.name}' is a '{node.domain}' {node.op_type}, which is unknown",
                    self.where,
                    nearest(node.op_type, OPERATORS),
                )
        errors.raise_if_any()

    def _read(self, node: NodeProto, block: Block) -> None:
        operands = [self._value(name, block) for name in node.input]
        cls = operation_class(node.op_type)
        op = cls.create(
            operands=operands,
            result_types=[self._type(name) for name in node.output],
            properties=properties(node),
        )
        op.location = name_location(node.name, list(node.output))
        block.add_op(op)
        self.values.update(zip(node.output, op.results, strict=True))

    def _keep(self, node: NodeProto, index: int, block: Block) -> None:
        """Reads a node that runs on the CPU: an operator of ONNX, with its constants."""
        scope = dict(self.values)
        for name in sorted(free_names(node)):
            if name in self.values:
                continue
            if name not in self.plain:
                if name not in self.arrays:
                    raise ValueError(f"tensor '{name}' is used before it is made")
                made = Constant.of(self.arrays[name], self.weights, name_location(name, [name]))
                made.result.name_hint = value_hint(name)
                block.add_op(made)
                self.plain[name] = made.result
            scope[name] = self.plain[name]
        self.importer.add_node(node, index, block, scope, self.infos)
        self.problems.raise_if_any()
        made = block.last_op
        assert made is not None
        self.values |= {n: scope[n] for n in node.output if n}
        entries = {p.key: p.value for p in node.metadata_props}
        fields = {k.removeprefix(f"{CPU}."): v for k, v in entries.items() if k.startswith(CPU)}
        mark_cpu(made, Refusal(**{"kind": CHOSEN, "message": "", **fields}))

    def _value(self, name: str, block: Block) -> SSAValue:
        if name not in self.values:
            if name not in self.arrays:
                raise ValueError(f"tensor '{name}' is used before it is made")
            array = self.arrays[name]
            element = self._element(name, element_type_of(array.dtype))
            constant = ConstantOp.of(array, element, self.weights)
            constant.location = name_location(name, [name])
            block.add_op(constant)
            self.values[name] = constant.result
        return self.values[name]

    def _type(self, name: str) -> Attribute:
        if name not in self.infos:
            raise ValueError(f"tensor '{name}' has no type")
        if name not in self.annotations:
            return from_type_proto(self.infos[name].type)
        tensor = self.infos[name].type.tensor_type
        shape = [d.dim_value for d in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        return TensorType(self._element(name, element_type_of(dtype)), shape)

    def _element(self, name: str, stored: Attribute) -> Attribute:
        annotation: Mapping[str, str] | None = self.annotations.get(name)
        if annotation is None:
            return stored
        parts = {key: self.arrays[tensor] for key, tensor in annotation.items()}
        storage = STORAGE_INDEX[int(parts[STORAGE][0])]
        if AXIS in parts:
            axis = int(parts[AXIS][0])
            scales, points = parts[SCALE], parts[ZERO_POINT]
            return UniformPerAxisType.of(storage, axis, scales, points, self.weights)
        return UniformType(storage, float(parts[SCALE][0]), int(parts[ZERO_POINT][0]))
