"""Turns the nodes of an ONNX graph into operations of the `onnx` dialect."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TypeProto, ValueInfoProto
from xdsl.dialects.builtin import LocationAttr, NoneType
from xdsl.ir import Attribute, Block, Region, SSAValue, TypeAttribute

from pulsar2.diagnostics import Diagnostics, nearest
from pulsar2.dialects.onnx import op_class
from pulsar2.dialects.onnx.attributes import import_attribute
from pulsar2.dialects.onnx.builder import OpBuilder, unknown_type
from pulsar2.dialects.onnx.control_flow import Yield
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.domain import DOMAIN, DOMAIN_OPS
from pulsar2.dialects.onnx.inference import InferenceError, ShapeInference, merge
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.schema import op_spec
from pulsar2.dialects.onnx.types import from_type_proto
from pulsar2.dialects.onnx.verify import attribute_violations, schema_violations
from pulsar2.frontend.adapters import adapt
from pulsar2.frontend.check import DEFAULT_DOMAINS, node_label, ordered_nodes, subgraphs
from pulsar2.frontend.node import Node
from pulsar2.frontend.regions import body_argument_types
from pulsar2.frontend.tensors import TensorError, sparse_array, tensor_array
from pulsar2.locations import name_location
from pulsar2.weights import AnyArray, WeightStore

_BODY_ROUNDS = 4
"""A loop's body is imported again with wider types until its carried types hold."""


@dataclass
class GraphImporter:
    """Imports a graph and its subgraphs; mistakes are collected in `diagnostics`.

    `opsets` has the version of each domain, the default one under ''. `folder` is where external
    data lies.
    """

    weights: WeightStore
    opsets: Mapping[str, int]
    folder: Path | None
    diagnostics: Diagnostics
    inference: ShapeInference = field(init=False)
    doubtful: list[str] = field(default_factory=list[str])
    """Nodes of subgraphs whose operands do not fit: they fail only if they ever run."""
    _labels: set[str] = field(default_factory=set[str])
    _depth: int = 0

    def __post_init__(self) -> None:
        self.inference = ShapeInference(self.weights)

    def fill(
        self, graph: GraphProto, block: Block, outer: Mapping[str, SSAValue]
    ) -> list[SSAValue | None]:
        """Appends a graph's constants and nodes to `block`, whose arguments are its inputs.

        `outer` are the tensors of the graphs around it. Returns the graph's outputs, None for one
        that is not defined (which is reported).
        """
        constants = self._constants(graph)
        names = [v.name for v in graph.input if v.name not in constants]
        scope = {**outer, **dict(zip(names, block.args, strict=True))}
        for argument, name in zip(block.args, names, strict=True):
            argument.location = name_location(name)
            argument.name_hint = value_hint(name)
        for name, array in constants.items():
            builder = OpBuilder(self.weights, block.add_op, inference=self.inference)
            scope[name] = builder.constant(array, name_location(name, [name]))
            scope[name].name_hint = value_hint(name)
        declared = {v.name: v.type for v in (*graph.value_info, *graph.output)}
        for index, proto in ordered_nodes(graph, set(outer), self.diagnostics):
            self._node(proto, self._label(proto, index), block, scope, declared)
        outputs = [scope.get(v.name) for v in graph.output]
        for info, value in zip(graph.output, outputs, strict=True):
            if value is None and not self.diagnostics.errors:
                self.diagnostics.error(
                    f"the output '{info.name}' of the graph is not defined by any node"
                )
        return outputs

    def add_node(
        self,
        proto: NodeProto,
        index: int,
        block: Block,
        scope: dict[str, SSAValue],
        declared: Mapping[str, ValueInfoProto],
    ) -> None:
        """Appends one node, number `index`, on tensors of `scope`, and its results to `scope`."""
        types = {n: declared[n].type for n in proto.output if n in declared}
        self._node(proto, self._label(proto, index), block, scope, types)

    def _constants(self, graph: GraphProto) -> dict[str, AnyArray]:
        found: dict[str, AnyArray] = {}
        for tensor in graph.initializer:
            try:
                found[tensor.name] = tensor_array(tensor, self.folder)
            except TensorError as error:
                self.diagnostics.error(str(error), f"initializer '{tensor.name}'")
                found[tensor.name] = np.zeros(tuple(tensor.dims), np.float32)
        for sparse in graph.sparse_initializer:
            try:
                found[sparse.values.name] = sparse_array(sparse, self.folder)
            except TensorError as error:
                self.diagnostics.error(str(error), f"initializer '{sparse.values.name}'")
                found[sparse.values.name] = np.zeros(tuple(sparse.dims), np.float32)
        return found

    def _label(self, node: NodeProto, index: int) -> str:
        """A name for the node that no other node of the model has."""
        label = base = node_label(node, index)
        count = 0
        while label in self._labels:
            count += 1
            label = f"{base}_{count}"
        self._labels.add(label)
        return label

    def _node(
        self,
        proto: NodeProto,
        label: str,
        block: Block,
        scope: dict[str, SSAValue],
        declared: Mapping[str, TypeProto],
    ) -> None:
        where = f"node '{label}' ({proto.op_type})"
        location = name_location(label, [o or "" for o in proto.output])
        operands = [scope.get(name) if name else None for name in proto.input]
        try:
            attributes = self._attributes(proto)
            types = self._declared_types(proto.output, declared, operands)
            builder = OpBuilder(
                self.weights, block.add_op, inference=self.inference, location=name_location(label)
            )
            if proto.op_type == "Constant" and proto.domain in DEFAULT_DOMAINS:
                made = self._constant(proto, attributes, builder, location)
            elif proto.domain in DEFAULT_DOMAINS:
                made = self._standard(
                    proto, operands, attributes, types, builder, location, scope, where
                )
            elif proto.domain == DOMAIN:
                made = self._own(proto, operands, attributes, builder, location, where)
            else:
                made = self._custom(proto, operands, attributes, types, builder, location, scope)
        except InferenceError as error:
            if self._depth:
                self.doubtful.append(f"{where}: {error}")
            else:
                self.diagnostics.error(str(error), where)
            made = block.last_op
        except ValueError as error:
            self.diagnostics.error(str(error), where)
            return
        if made is None:
            return
        for name, result in zip(proto.output, made.results, strict=False):
            if name:
                scope[name] = result
                result.name_hint = value_hint(name)

    def _attributes(self, proto: NodeProto) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for attribute in proto.attribute:
            if attribute.type == AttributeProto.GRAPH:
                continue
            if attribute.ref_attr_name:
                raise ValueError(
                    f"attribute '{attribute.name}' refers to '{attribute.ref_attr_name}' of a "
                    "function, outside of one"
                )
            if attribute.type == AttributeProto.SPARSE_TENSOR and proto.op_type == "Constant":
                continue
            try:
                value = import_attribute(attribute, self.weights)
            except ValueError as error:
                raise ValueError(f"attribute '{attribute.name}': {error}") from None
            if value is not None:
                found[attribute.name] = value
        return found

    def _declared_types(
        self,
        names: Sequence[str],
        declared: Mapping[str, TypeProto],
        operands: Sequence[SSAValue | None],
    ) -> list[Attribute]:
        """The types that the model declares for tensors; a stand-in where it declares none."""
        types: list[Attribute] = []
        for name in names:
            type_: Attribute = (
                unknown_type([v for v in operands if v is not None]) if name else NoneType()
            )
            if name in declared:
                with contextlib.suppress(KeyError, ValueError):
                    type_ = from_type_proto(declared[name])
            types.append(type_)
        while len(types) > 1 and isinstance(types[-1], NoneType):
            types.pop()
        return types

    def _constant(
        self,
        proto: NodeProto,
        attributes: Mapping[str, Attribute],
        builder: OpBuilder,
        location: LocationAttr,
    ) -> OnnxOp:
        """The values of a `Constant` node, whichever attribute has them."""
        if len(proto.attribute) != 1:
            raise ValueError(
                f"it must have one attribute with its value, got {len(proto.attribute)}"
            )
        attribute = proto.attribute[0]
        match attribute.name:
            case "value":
                array = tensor_array(attribute.t, self.folder)
            case "sparse_value":
                array = sparse_array(attribute.sparse_tensor, self.folder)
            case "value_float":
                array = np.array(attribute.f, dtype=np.float32)
            case "value_floats":
                array = np.array(attribute.floats, dtype=np.float32)
            case "value_int":
                array = np.array(attribute.i, dtype=np.int64)
            case "value_ints":
                array = np.array(attribute.ints, dtype=np.int64)
            case "value_string":
                array = np.array(attribute.s.decode(), dtype=np.object_)
            case "value_strings":
                array = np.array([s.decode() for s in attribute.strings], dtype=np.object_)
            case _:
                raise ValueError(f"it has no value but an attribute '{attribute.name}'")
        owner = builder.constant(array, location).owner
        assert isinstance(owner, OnnxOp)
        return owner

    def _standard(
        self,
        proto: NodeProto,
        operands: list[SSAValue | None],
        attributes: dict[str, Attribute],
        types: list[Attribute],
        builder: OpBuilder,
        location: LocationAttr,
        scope: Mapping[str, SSAValue],
        where: str,
    ) -> OnnxOp | None:
        version = self.opsets[""]
        spec = op_spec(proto.op_type, version)
        if spec is None:
            return None
        wrong = list(attribute_violations(spec, attributes))
        for sentence in wrong:
            self.diagnostics.error(sentence, where)
        if wrong or any(n and v is None for n, v in zip(proto.input, operands, strict=True)):
            return None
        node = Node(proto.op_type, operands, attributes, proto.output)
        adapt(node, version, builder)
        cls = op_class(node.op_type)
        if cls is None:
            raise ValueError(f"'{node.op_type}' has no successor in the newest opset")
        names = cls.spec().region_names if cls.spec() is not None else ()  # pyright: ignore
        graphs = dict(subgraphs(proto))
        bodies = [graphs[n] for n in names if n in graphs]
        regions = [
            self._region(node.op_type, body, node.operands, node.attributes, scope)
            for body in bodies
        ]
        made = cls.create(
            operands=builder.operands(node.operands),
            result_types=types,
            attributes=node.attributes,
            regions=regions,
            location=location,
        )
        return builder.add(made)

    def _own(
        self,
        proto: NodeProto,
        operands: Sequence[SSAValue | None],
        attributes: Mapping[str, Attribute],
        builder: OpBuilder,
        location: LocationAttr,
        where: str,
    ) -> OnnxOp | None:
        """An operator of our own domain."""
        cls = DOMAIN_OPS.get(proto.op_type)
        if cls is None:
            known = nearest(proto.op_type, DOMAIN_OPS) or f"one of {', '.join(DOMAIN_OPS)}"
            raise ValueError(f"'{DOMAIN}' has no operator '{proto.op_type}' ({known})")
        values = builder.operands(operands)
        made = cls.create(
            operands=values,
            result_types=[unknown_type(values)],
            attributes=dict(attributes),
            location=location,
        )
        # What its verifier finds says more than what inference would.
        wrong = list(schema_violations(cls.spec(), made.operand_types, [], attributes, 0))
        wrong = [w for w in wrong if "results" not in w]
        for sentence in wrong:
            self.diagnostics.error(sentence, where)
        return None if wrong else builder.add(made)

    def _custom(
        self,
        proto: NodeProto,
        operands: Sequence[SSAValue | None],
        attributes: Mapping[str, Attribute],
        types: Sequence[Attribute],
        builder: OpBuilder,
        location: LocationAttr,
        scope: Mapping[str, SSAValue],
    ) -> OnnxOp:
        graphs = dict(subgraphs(proto))
        regions = [
            self._region(proto.op_type, g, operands, attributes, scope) for g in graphs.values()
        ]
        made = Custom(
            proto.domain,
            proto.op_type,
            self.opsets[proto.domain],
            builder.operands(operands),
            types,
            attributes,
            regions=regions,
            region_names=tuple(graphs),
            location=location,
        )
        return builder.add(made)

    def _region(
        self,
        op_type: str,
        graph: GraphProto,
        operands: Sequence[SSAValue | None],
        attributes: Mapping[str, Attribute],
        scope: Mapping[str, SSAValue],
    ) -> Region:
        types = body_argument_types(op_type, graph, operands, attributes)
        labels = set(self._labels)
        for round_ in range(_BODY_ROUNDS):
            self._labels = set(labels)
            block = Block(arg_types=types)
            self._depth += 1
            values = self.fill(graph, block, scope)
            self._depth -= 1
            block.add_op(Yield([v for v in values if v is not None]))
            carried = len(operands) - 2 if op_type == "Loop" else 0
            yields = [v.type for v in values[1 : 1 + carried] if v is not None]
            wider: list[TypeAttribute] = [
                merge(t, y) or t for t, y in zip(types[2:], yields, strict=False)
            ]
            if not wider or wider == types[2:] or round_ == _BODY_ROUNDS - 1:
                return Region(block)
            types = [*types[:2], *wider]
        raise AssertionError("the last round returns")


def value_hint(name: str) -> str | None:
    """A name for an IR value that resembles the tensor's, or None."""
    hint = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return (
        None if not hint or hint.strip("_").isdigit() else f"t{hint}" if hint[0].isdigit() else hint
    )
