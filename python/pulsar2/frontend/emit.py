"""Turns a block of `onnx` operations into an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto
from xdsl.dialects.builtin import NoneType, UnrankedTensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from pulsar2.diagnostics import UserError
from pulsar2.dialects.onnx.attributes import export_tensor
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.constant import Constant, NoValue
from pulsar2.dialects.onnx.control_flow import Yield, used_values
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.node import to_node
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import to_type_proto
from pulsar2.frontend.external import ExternalData
from pulsar2.locations import name_location, node_name, tensor_name, unique_name
from pulsar2.weights import WeightStore


class GraphExporter:
    """Exports a block and the regions in it; `names` has the name of every value afterwards."""

    def __init__(
        self,
        weights: WeightStore,
        names: dict[SSAValue, str] | None = None,
        taken: set[str] | None = None,
        external: ExternalData | None = None,
        node_names: set[str] | None = None,
    ):
        """`names` of values, the tensor names `taken` and `node_names` may be shared with who
        makes a graph that has other nodes too. Constants go to `external`, where that is given."""
        self._weights = weights
        self._external = external
        self._taken: set[str] = set() if taken is None else taken
        self._node_names: set[str] = set() if node_names is None else node_names
        self.names: dict[SSAValue, str] = {} if names is None else names

    def export(
        self, block: Block, inputs: Sequence[str], outputs: Sequence[str], name: str
    ) -> GraphProto:
        """The graph of `block`, its arguments named `inputs` and what it returns `outputs`."""
        graph = GraphProto(name=name)
        self._taken.update(inputs)
        self._taken.update(outputs)
        for argument, label in zip(block.args, inputs, strict=True):
            self.names[argument] = label
            graph.input.append(ValueInfoProto(name=label, type=to_type_proto(argument.type)))
        end = block.last_op
        if not isinstance(end, ReturnOp | Yield):
            raise UserError.of("a block of onnx operations ends with func.return or onnx.Yield")
        copies = self._name_outputs(block, end, outputs)
        for op in block.ops:
            if op is end:
                break
            self._operation(op, graph)
        for value, label in copies:
            graph.node.append(
                NodeProto(
                    op_type="Identity",
                    name=unique_name(f"{label}_identity", self._node_names),
                    input=[self.names[value]],
                    output=[label],
                )
            )
        for value, label in zip(end.operands, outputs, strict=True):
            graph.output.append(ValueInfoProto(name=label, type=to_type_proto(value.type)))
        return graph

    def append(self, op: Operation, graph: GraphProto) -> None:
        """Adds the nodes of one operation, whose operands have names, to `graph`.

        Constants that it uses, in its regions too, become initializers where they are not yet.
        """
        for value in used_values(op):
            if value not in self.names and isinstance(value.owner, Constant | NoValue):
                self._operation(value.owner, graph)
        self._operation(op, graph)

    def _name_outputs(
        self, block: Block, end: Operation, outputs: Sequence[str]
    ) -> list[tuple[SSAValue, str]]:
        """Gives the returned values their names; those that have one already need a copy."""
        copies: list[tuple[SSAValue, str]] = []
        for value, label in zip(end.operands, outputs, strict=True):
            owner = value.owner
            local = isinstance(owner, Operation) and owner.parent is block
            if self.names.get(value) == label:
                continue
            if value in self.names or not local:
                copies.append((value, label))
            else:
                self.names[value] = label
        return copies

    def _name(self, value: SSAValue, fallback: str) -> str:
        """The name of a value, from its location, made unique."""
        if value not in self.names:
            self.names[value] = unique_name(tensor_name(value) or fallback, self._taken)
        return self.names[value]

    def _operation(self, op: Operation, graph: GraphProto) -> None:
        if isinstance(op, NoValue):
            self.names[op.result] = ""
            return
        if isinstance(op, Constant):
            label = self._name(op.result, node_name(op) or "constant")
            graph.initializer.append(self._tensor(label, op))
            return
        if isinstance(op, OnnxOp) and self._expanded(op, graph):
            return
        if not isinstance(op, OnnxOp) or (not op.op_type and not isinstance(op, Custom)):
            raise UserError.of(
                f"'{op.name}' has no form in ONNX",
                f"node '{node_name(op)}'" if node_name(op) else "",
            )
        label = unique_name(node_name(op) or op.op_type, self._node_names)
        results = [
            "" if isinstance(r.type, NoneType) else self._name(r, f"{label}_output_{r.index}")
            for r in op.results
        ]
        node = to_node(op, [self.names[v] for v in op.operands], results, self._weights, label)
        for attribute, region in zip(self._region_names(op), op.regions, strict=False):
            body = self._region(region.block, f"{label}_{attribute}")
            node.attribute.append(AttributeProto(name=attribute, type=AttributeProto.GRAPH, g=body))
        graph.node.append(node)
        for result, text in zip(op.results, results, strict=True):
            if text and not isinstance(result.type, UnrankedTensorType):
                graph.value_info.append(ValueInfoProto(name=text, type=to_type_proto(result.type)))

    def _tensor(self, label: str, op: Constant) -> TensorProto:
        if self._external is not None:
            return self._external.tensor(label, op.array(self._weights))
        return export_tensor(label, op.value, self._weights)

    def _expanded(self, op: OnnxOp, graph: GraphProto) -> bool:
        """Exports an operation that is the dialect's own by what it is built of."""
        made: list[Operation] = []
        builder = OpBuilder(self._weights, made.append, location=name_location(node_name(op)))
        result = op.expansion(builder)
        if result is None:
            return False
        self.names[result] = self._name(op.result, node_name(op) or op.name)
        for part in made:
            self._operation(part, graph)
        for part in reversed(made):
            for value in part.results:
                del self.names[value]
            part.erase()
        return True

    @staticmethod
    def _region_names(op: OnnxOp) -> Sequence[str]:
        if isinstance(op, Custom):
            return op.region_names
        spec = op.spec()
        return () if spec is None else spec.region_names

    def _region(self, block: Block, name: str) -> GraphProto:
        inputs = [self._name(a, f"{name}_input_{a.index}") for a in block.args]
        end = block.last_op
        assert end is not None
        outputs: list[str] = []
        for index, value in enumerate(end.operands):
            owner = value.owner
            local = isinstance(owner, Operation) and owner.parent is block
            wanted = tensor_name(value) if local else ""
            outputs.append(unique_name(wanted or f"{name}_output_{index}", self._taken))
        return self.export(block, inputs, outputs, name)
