"""A module of `quant` operations as a `quant_axmodel.onnx`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorAnnotation,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.quant import ConstantOp
from pulsar2.dialects.quant.types import (
    STORAGE_TYPES,
    UniformPerAxisType,
    quant_parameters,
    quantized_of,
    storage_name,
)
from pulsar2.files import replacing
from pulsar2.frontend.emit import GraphExporter
from pulsar2.locations import location_name, node_name, tensor_name
from pulsar2.lowering.quant.constants import is_constant_like
from pulsar2.lowering.quant.placement import CPU, reason_of
from pulsar2.onnx_export import (
    EXTERNAL_DATA_BYTES,
    PRODUCER,
    ir_version_of,
    main_function,
    needed_opsets,
    tensor_names,
)
from pulsar2.onnx_import import INPUT_NAMES, OUTPUT_NAMES
from pulsar2.quant_axmodel.schema import DOMAIN, VERSION, ax_type, onnx_attributes
from pulsar2.quant_export.builder import value_info
from pulsar2.weights import WeightStore

SCALE, ZERO_POINT = "SCALE_TENSOR", "ZERO_POINT_TENSOR"
"""Keys of a quantization annotation, as ONNX names them."""
AXIS, STORAGE = "AXIS_TENSOR", "STORAGE_TENSOR"
"""Keys of ours: the axis of per-axis scales, and the index of the storage type."""
STORAGE_INDEX = list(STORAGE_TYPES)
"""Storage types by their number in a file."""
_OPSET = 21
_IR_VERSION = 10


class _Writer:
    def __init__(self, weights: WeightStore):
        self.weights = weights
        self.names: dict[SSAValue, str] = {}
        self.initializers: dict[str, TensorProto] = {}
        self.annotations: list[TensorAnnotation] = []
        self._taken: set[str] = set()
        self._onnx = GraphExporter(weights, self.names, self._taken)
        self._shared: dict[bytes, str] = {}

    def name(self, value: SSAValue, wanted: str) -> str:
        """The name of a new tensor, with its annotation."""
        made, count = wanted or "tensor", 0
        while made in self._taken:
            count += 1
            made = f"{wanted or 'tensor'}_{count}"
        self._taken.add(made)
        self.names[value] = made
        self._annotate(value, made)
        return made

    def tensor(self, value: SSAValue) -> str:
        owner = value.owner
        if value not in self.names and isinstance(owner, ConstantOp):
            name = self.name(value, tensor_name(value) or "constant")
            array = np.ascontiguousarray(owner.array(self.weights))
            self.initializers[name] = numpy_helper.from_array(array, name)
        return self.names[value]

    def keep(self, op: OnnxOp) -> tuple[list[NodeProto], list[ValueInfoProto]]:
        """The nodes of an operation that runs on the CPU, and what is known of their tensors."""
        graph = GraphProto()
        self._onnx.append(op, graph)
        self.initializers |= {t.name: t for t in graph.initializer}
        why = reason_of(op)
        if why is not None:
            for node in graph.node:
                for key, value in asdict(why).items():
                    if value:
                        node.metadata_props.add(key=f"{CPU}.{key}", value=value)
        return list(graph.node), list(graph.value_info)

    def _annotate(self, value: SSAValue, name: str) -> None:
        type_ = quantized_of(value) if isinstance(value.type, TensorType) else None
        if type_ is None:
            return
        scales, points = quant_parameters(type_, self.weights)
        parts = {
            SCALE: self._parameter(scales, "scale"),
            ZERO_POINT: self._parameter(points, "zero_point"),
            STORAGE: self._parameter(
                np.asarray([STORAGE_INDEX.index(storage_name(type_.storage))], np.int32), "storage"
            ),
        }
        if isinstance(type_, UniformPerAxisType):
            parts[AXIS] = self._parameter(np.asarray([type_.axis], np.int32), "axis")
        annotation = TensorAnnotation(tensor_name=name)
        for key, tensor in parts.items():
            annotation.quant_parameter_tensor_names.add(key=key, value=tensor)
        self.annotations.append(annotation)

    def _parameter(self, array: np.ndarray, what: str) -> str:
        """An initializer for an annotation; equal ones are stored once."""
        key = what.encode() + array.tobytes()
        if key not in self._shared:
            name = f"ax:{what}:{len(self._shared)}"
            self._shared[key] = name
            self.initializers[name] = numpy_helper.from_array(array, name)
        return self._shared[key]


def make_quant_axmodel(module: ModuleOp, ctx: AxContext) -> ModelProto:
    """The file's model of `@main`, which holds `quant` operations and those of the CPU (before
    partitioning).

    Operations of the CPU are ONNX's own nodes; why they run there is in their metadata. Raises
    `UserError` for an operation of another dialect.
    """
    func = main_function(module)
    writer = _Writer(ctx.weights)
    inputs = tensor_names(func, INPUT_NAMES, "input", len(func.args))
    outputs = tensor_names(func, OUTPUT_NAMES, "output", len(func.function_type.outputs.data))
    for name, argument in zip(inputs, func.args, strict=True):
        writer.name(argument, name)
    nodes: list[onnx.NodeProto] = []
    infos: list[onnx.ValueInfoProto] = []
    for op in func.body.block.ops:
        if is_constant_like(op) or isinstance(op, ReturnOp):
            continue
        if isinstance(op, OnnxOp):
            kept, known = writer.keep(op)
            nodes += kept
            infos += known
            continue
        kind = ax_type(op)
        if not kind:
            raise UserError.of(
                f"'{op.name}' is not an operation of the quant dialect",
                f"node '{node_name(op)}'",
                source=op,
            )
        operands = [writer.tensor(v) for v in op.operands]
        results = [writer.name(v, tensor_name(v)) for v in op.results]
        node = helper.make_node(kind, operands, results, name=node_name(op), domain=DOMAIN)
        node.attribute.extend(onnx_attributes(op))
        nodes.append(node)
        infos += [value_info(n, v.type) for n, v in zip(results, op.results, strict=True)]
    terminator = func.body.block.last_op
    assert isinstance(terminator, ReturnOp)
    for name, value in zip(outputs, terminator.operands, strict=True):
        source = writer.tensor(value)
        if source != name:
            nodes.append(helper.make_node("Identity", [source], [name], name=f"{name}_Identity"))
    results = set(outputs)
    graph = helper.make_graph(
        nodes,
        location_name(func.location) or "main",
        [value_info(n, a.type) for n, a in zip(inputs, func.args, strict=True)],
        [value_info(n, v.type) for n, v in zip(outputs, terminator.operands, strict=True)],
        list(writer.initializers.values()),
        value_info=[i for i in infos if i.name not in results],
    )
    graph.quantization_annotation.extend(writer.annotations)
    opsets = needed_opsets(func.body.walk()) | {DOMAIN: VERSION}
    opsets[""] = max(opsets[""], _OPSET)
    return helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=[helper.make_opsetid(d, v) for d, v in sorted(opsets.items())],
        ir_version=max(_IR_VERSION, ir_version_of(opsets[""])),
    )


def save_quant_axmodel(module: ModuleOp, ctx: AxContext, path: str | os.PathLike[str]) -> None:
    """Writes the file, with large weights in `<file>.data` beside it."""
    model = make_quant_axmodel(module, ctx)
    target = Path(path)
    if model.ByteSize() > EXTERNAL_DATA_BYTES:
        onnx.save_model(  # pyright: ignore[reportUnknownMemberType]
            model,
            str(target),
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=target.name + ".data",
        )
        return
    with replacing(target) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
