"""Layer configurations: which operators of a float graph they choose, and which one wins.

A configuration names operators, operator types, or a subgraph between tensors. A named operator
goes before its type, a type before a subgraph, and a subgraph before the whole model (from DEFAULT
to DEFAULT). Two of equal rank that say different things about one operator contradict each other.

An operator that optimization has written in another form (a MatMul as Gemm, a Sub of a constant as
Add) is still chosen by the type that it has in the model, which goes before the one it has now.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue

from pulsar2.data_types import DataType, WeightType
from pulsar2.diagnostics import Diagnostic, nearest
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.locations import node_name, output_names, place_of, tensor_name
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import is_constant, is_constant_op, kind_of
from pulsar2.lowering.quant.span import operations_between

DEFAULT = "DEFAULT"
"""As a tensor name: all inputs, or all outputs, of the model."""

_FORMER = "former"
_LISTS = ("layer_name", "op_type", "start_tensor_name", "end_tensor_name")
_TYPES = {"data_type": DataType, "output_data_type": DataType, "weight_data_type": WeightType}


@dataclass(frozen=True)
class LayerSpec:
    """One layer configuration, in the words of the configuration file."""

    layer_names: tuple[str, ...] = ()
    op_types: tuple[str, ...] = ()
    start_tensor_names: tuple[str, ...] = ()
    end_tensor_names: tuple[str, ...] = ()
    data_type: str = "U8"
    output_data_type: str | None = None
    weight_data_type: str | None = None
    former: tuple[tuple[str, str], ...] = ()
    """Operators that had one of `op_types` before optimization: that type, and their names."""

    @property
    def rank(self) -> int:
        """How precisely it chooses: 3 operators, 2 types, 1 a subgraph, 0 the whole model."""
        if self.layer_names or self.op_types:
            return 3 if self.layer_names else 2
        whole = DEFAULT in self.start_tensor_names and DEFAULT in self.end_tensor_names
        return 0 if whole else 1

    @property
    def types(self) -> tuple[str, str | None, str | None]:
        """What it says: data, output and weight type."""
        return self.data_type, self.output_data_type, self.weight_data_type

    def __str__(self) -> str:
        """The text that `parse_layer` reads."""
        lists = (self.layer_names, self.op_types, self.start_tensor_names, self.end_tensor_names)
        words = [f"{key}={v}" for key, values in zip(_LISTS, lists, strict=True) for v in values]
        words += [f"{key}={v}" for key, v in zip(_TYPES, self.types, strict=True) if v is not None]
        words += [f"{_FORMER}={op_type}/{name}" for op_type, name in self.former]
        return shlex.join(words)


def parse_layer(text: str) -> LayerSpec:
    """The layer configuration that `text` writes as words `key=value`; ValueError otherwise."""
    lists: dict[str, list[str]] = {key: [] for key in _LISTS}
    types: dict[str, str] = {}
    former: list[tuple[str, str]] = []
    for word in shlex.split(text):
        key, _, value = word.partition("=")
        op_type, _, name = value.partition("/")
        if key in lists and value:
            lists[key].append(value)
        elif key == _FORMER and name:
            former.append((op_type, name))
        elif key in _TYPES and value in get_args(_TYPES[key]):
            types[key] = value
        else:
            accepted = [f"{k}=.." for k in _LISTS]
            accepted += [f"{k}={'|'.join(get_args(v))}" for k, v in _TYPES.items()]
            accepted += [f"{_FORMER}=../.."]
            raise ValueError(f"'{word}' is none of {', '.join(accepted)}")
    spans = bool(lists["start_tensor_name"]) + bool(lists["end_tensor_name"])
    ways = bool(lists["layer_name"]) + bool(lists["op_type"]) + bool(spans)
    if ways != 1 or spans == 1:
        raise ValueError("it chooses operators by name, by type, or from tensors to tensors")
    names, op_types, starts, ends = (tuple(values) for values in lists.values())
    return LayerSpec(names, op_types, starts, ends, **types, former=tuple(former))


@dataclass(frozen=True)
class NodeNames:
    """A node's operator type, and the tensors that it reads, constants left out, and computes."""

    op_type: str
    inputs: frozenset[str]
    outputs: tuple[str, ...]

    @staticmethod
    def of(op: OnnxOp) -> NodeNames:
        """The names of a node as it is now."""
        inputs = frozenset(tensor_name(v) for v in op.operands if not is_constant(v))
        return NodeNames(kind_of(op), inputs, output_names(op))


@dataclass(frozen=True)
class GraphNames:
    """The nodes and tensors of a graph by name, to tell later what has gone from it."""

    nodes: Mapping[str, NodeNames]
    tensors: frozenset[str]

    @staticmethod
    def of(func: FuncOp) -> GraphNames:
        """The names in `func` as it is now."""
        nodes = {node_name(op): NodeNames.of(op) for op in operators_of(func)}
        return GraphNames(nodes, frozenset(_tensors(func)))


@dataclass
class Selection:
    """The configuration of each operator that has one, by its index, and what is wrong.

    `errors` and `warnings` tell which configuration they are about.
    """

    chosen: dict[Operation, int] = field(default_factory=dict[Operation, int])
    errors: list[tuple[int, Diagnostic]] = field(default_factory=list[tuple[int, Diagnostic]])
    warnings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def select(func: FuncOp, specs: Sequence[LayerSpec], before: GraphNames | None = None) -> Selection:
    """Which of `specs` each operator of `func` follows. `before` is the imported graph."""
    return _Selector(func, specs, before).run()


def with_former_types(
    func: FuncOp, specs: Sequence[LayerSpec], before: GraphNames
) -> list[LayerSpec]:
    """`specs` that know which operators of `func` had their types in the graph `before`.

    Such an operator computes of the same tensors as before; what several were fused into does not.
    """
    former: list[tuple[str, str]] = []
    for op in operators_of(func):
        name = node_name(op)
        was, now = before.nodes.get(name), NodeNames.of(op)
        if was is not None and was.op_type != now.op_type and was.inputs == now.inputs:
            former.append((was.op_type, name))
    return [replace(s, former=tuple(f for f in former if f[0] in s.op_types)) for s in specs]


def operators_of(func: FuncOp) -> list[OnnxOp]:
    """The operators that compute tensors, in order, constants left out."""
    return [op for op in func.body.block.ops if isinstance(op, OnnxOp) and not is_constant_op(op)]


def _tensors(func: FuncOp) -> dict[str, SSAValue]:
    values: list[SSAValue] = [*func.args, *(r for op in operators_of(func) for r in op.results)]
    found: dict[str, SSAValue] = {}
    for value in values:
        found.setdefault(tensor_name(value), value)
    found.pop("", None)
    return found


class _Selector:
    def __init__(self, func: FuncOp, specs: Sequence[LayerSpec], before: GraphNames | None):
        self._func = func
        self._specs = specs
        self._before = before
        self._ops = operators_of(func)
        self._tensors = _tensors(func)
        self._found = Selection()
        self._contradictions: dict[tuple[int, int], list[Operation]] = {}

    def run(self) -> Selection:
        for index, spec in enumerate(self._specs):
            for op in self._chosen_by(index, spec):
                self._assign(op, index)
        self._tell_contradictions()
        self._check_types()
        return self._found

    def _chosen_by(self, index: int, spec: LayerSpec) -> Iterable[OnnxOp]:
        if spec.layer_names:
            names = {node_name(op) for op in self._ops}
            for name in spec.layer_names:
                if name not in names:
                    self._report_missing(index, "operator", name, names)
            return [op for op in self._ops if node_name(op) in spec.layer_names]
        if spec.op_types:
            former = {name for _, name in spec.former}
            found = {op_type for op_type, _ in spec.former}
            for op_type in spec.op_types:
                if op_type not in found:
                    self._check_op_type(index, op_type)
            return [
                op for op in self._ops if kind_of(op) in spec.op_types or node_name(op) in former
            ]
        return self._between(index, spec)

    def _check_op_type(self, index: int, op_type: str) -> None:
        if any(kind_of(op) == op_type for op in self._ops):
            return
        if op_type in RULES:
            message = f"the optimized graph has no operator of type {op_type}"
            self._found.warnings.append((index, message))
            return
        known = {*RULES, *(kind_of(op) for op in self._ops)}
        self._error(
            index,
            f"no operator that can be quantized has the type '{op_type}'",
            nearest(op_type.removeprefix("Ax").removeprefix("Quantized"), known)
            or f"the graph has {_listed({kind_of(o) for o in self._ops})}",
        )

    def _report_missing(self, index: int, what: str, name: str, known: Iterable[str]) -> None:
        if what == "operator" and name in self._tensors:
            owner = self._tensors[name].owner
            computed = isinstance(owner, OnnxOp)
            accepted = f"'{node_name(owner)}' computes it" if computed else "it is an input"
            self._error(index, f"'{name}' is no operator but a tensor", accepted)
            return
        of_name = [op for op in self._ops if node_name(op) == name]
        if what == "tensor" and of_name:
            results = _listed(output_names(of_name[0]))
            self._error(index, f"'{name}' is no tensor but an operator", f"it computes {results}")
            return
        self._error(
            index,
            f"the optimized graph has no {what} '{name}'{self._why_gone(name)}",
            nearest(name, known) or "frontend/optimized.onnx shows the graph and its names",
        )

    def _why_gone(self, name: str) -> str:
        """What became of something of that name in the graph that was imported, '' if unknown."""
        before = self._before
        if before is None:
            return ""
        if name in before.nodes:
            node = before.nodes[name]
            heirs = [self._tensors[t].owner for t in node.outputs if t in self._tensors]
            told = [node_name(h) for h in heirs if isinstance(h, OnnxOp)]
            what = f"the model's {node.op_type} of that name"
            gone = f": optimization fused, folded or removed {what}"
            return f"{gone}, and '{told[0]}' computes its result" if told else gone
        if name in before.tensors:
            return ": the tensor was in the model, and optimization made it superfluous"
        return ""

    def _between(self, index: int, spec: LayerSpec) -> list[OnnxOp]:
        """The operators on the way from the start tensors to the end tensors."""
        starts = self._span_tensors(index, spec.start_tensor_names, list(self._func.args))
        terminator = self._func.body.block.last_op
        assert isinstance(terminator, ReturnOp)
        ends = self._span_tensors(index, spec.end_tensor_names, list(terminator.operands))
        if starts is None or ends is None:
            return []
        whole = DEFAULT in spec.start_tensor_names
        chosen = operations_between(self._ops, starts, ends, from_all=whole)
        if not chosen and spec.rank:
            self._error(
                index,
                f"no operator lies between {_listed(spec.start_tensor_names)} and "
                f"{_listed(spec.end_tensor_names)}",
                "tensors from which the end tensors are computed",
            )
        return chosen

    def _span_tensors(
        self, index: int, names: Sequence[str], default: list[SSAValue]
    ) -> list[SSAValue] | None:
        """The tensors of these names; None, and errors, when one is missing."""
        if DEFAULT in names:
            return default
        missing = [n for n in names if n not in self._tensors]
        for name in missing:
            self._report_missing(index, "tensor", name, self._tensors)
        return None if missing else [self._tensors[n] for n in names]

    def _assign(self, op: OnnxOp, index: int) -> None:
        present = self._found.chosen.get(op)
        if present is None or self._precedence(op, present) < self._precedence(op, index):
            self._found.chosen[op] = index
        elif (
            self._precedence(op, present) == self._precedence(op, index)
            and self._specs[present].types != self._specs[index].types
        ):
            self._contradictions.setdefault((present, index), []).append(op)

    def _precedence(self, op: OnnxOp, index: int) -> tuple[int, bool]:
        spec = self._specs[index]
        return spec.rank, any(name == node_name(op) for _, name in spec.former)

    def _tell_contradictions(self) -> None:
        for (first, second), ops in self._contradictions.items():
            told = " and ".join(_types_text(self._specs[i]) for i in (first, second))
            self._error(
                second,
                f"it contradicts layer configuration {first}: operator {named(ops)} cannot "
                f"be both {told}",
                "one of the two",
            )

    def _check_types(self) -> None:
        """Reports what operators lack, once for all of a type that a configuration chooses."""
        alike: dict[tuple[int, str], list[OnnxOp]] = {}
        for op, index in self._found.chosen.items():
            assert isinstance(op, OnnxOp)
            if kind_of(op) in RULES:
                alike.setdefault((index, kind_of(op)), []).append(op)
        for (index, kind), ops in alike.items():
            for message, accepted, chosen in self._lacking(index, kind, ops):
                what = f"{kind} {named(chosen)} {message}"
                if accepted:
                    self._error(index, what, accepted, chosen[0])
                else:
                    self._found.warnings.append((index, what))

    def _lacking(
        self, index: int, kind: str, ops: Sequence[OnnxOp]
    ) -> Iterator[tuple[str, str, list[OnnxOp]]]:
        """What operators of one kind lack of their configuration, what would be accepted ('' where
        it is only to be told), and which lack it."""
        spec, rule = self._specs[index], RULES[kind]
        named = spec.rank >= 2
        whole = [] if spec.data_type != "FP32" else [o for o in ops if not rule.takes_float(o)]
        if whole and named:
            accepted = "an integer data_type, with output_data_type FP32 for a float result"
            yield "does not support data_type FP32", accepted, whole
        elif whole:
            yield "has no FP32 form: it keeps its inputs quantized", "", whole
        for key, value in zip(tuple(_TYPES)[1:], spec.types[1:], strict=True):
            if value is not None and not rule.has_weights and named:
                yield f"has no {key}", "Conv, Gemm and MatMul have one", list(ops)

    def _error(
        self, index: int, message: str, accepted: str, source: Operation | None = None
    ) -> None:
        where = f"layer configuration {index}" + (f", {place_of(source)}" if source else "")
        self._found.errors.append((index, Diagnostic(message, where, accepted, source)))


def _types_text(spec: LayerSpec) -> str:
    words = [f"{key} {v}" for key, v in zip(_TYPES, spec.types, strict=True) if v is not None]
    return ", ".join(words)


def named(ops: Sequence[Operation]) -> str:
    """The name of the first of some operators, and how many more there are."""
    more = f" (and {len(ops) - 1} more)" if len(ops) > 1 else ""
    return f"'{node_name(ops[0])}'{more}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in sorted(names))
