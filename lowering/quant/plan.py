"""Which tensors of a float graph share a quantization, and which must be observed for it.

A plan needs no ranges, so calibration asks it what to observe, and conversion asks the same plan
for the types. The steps: refuse what has no quantized form, fuse activations and biases into the
operator before them, and join tensors whose data only moves into groups of one quantization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.control_flow import user_in
from pulsar2.dialects.onnx.elementwise import Relu
from pulsar2.dialects.onnx.preprocess import ColorMatrix, Normalize
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.dialects.quant.types import UniformType
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.attributes import (
    DATA_TYPE,
    MOVED_DATA_TYPE,
    OUTPUT_DATA_TYPE,
    WEIGHT_DATA_TYPE,
    text_attribute,
)
from pulsar2.lowering.quant.fusions import Fusion, clip_bounds, fusion_of
from pulsar2.lowering.quant.parameters import STORAGES, activation_type, constant_type
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.ranges import range_of
from pulsar2.lowering.quant.refusals import refuse_unsupported
from pulsar2.lowering.quant.rules import RULES
from pulsar2.lowering.quant.rules.base import (
    Rule,
    constant_of,
    is_constant,
    is_constant_op,
    is_float,
    kind_of,
    plain_type,
)
from pulsar2.lowering.quant.stored import fixed_type, stored_constant
from pulsar2.weights import WeightStore

_PRECISION = ("U8", "S8", "U16", "S16", "FP32")
_LEAST_SELECTED = 1 / 16
"""Share of a tensor's numbers that must be selected if they alone are to be observed."""
_BITS = {"U8": 8, "S8": 8, "U16": 16, "S16": 16, "FP32": 32}


@dataclass
class Group:
    """Tensors of one quantization.

    `sources` are those that an operator computes; the others are moved copies of them. `observed`
    are those whose ranges decide: the sources, but where all that reads one keeps a selection of
    its numbers, as MaxPool and Slice do, and not too small a one, the selections. `held` are
    numbers that must be representable. `fixed` is a quantization that comes with the graph.
    """

    members: list[SSAValue] = field(default_factory=list[SSAValue])
    sources: list[SSAValue] = field(default_factory=list[SSAValue])
    observed: list[SSAValue] = field(default_factory=list[SSAValue])
    held: list[float] = field(default_factory=list[float])
    fixed: UniformType | None = None


class QuantPlan:
    """The plan of one function; see the module."""

    def __init__(
        self, func: FuncOp, weights: WeightStore, data_type: str = "U8", *, fuses: bool = True
    ):
        """Plans `func`, whose operations have `data_type` unless their attribute says otherwise.

        With `fuses` False no operator carries out a Relu, Clip or bias behind it.
        Raises `UserError` with every operator that has no quantized form.
        """
        self.func = func
        self.weights = weights
        self.data_type = data_type
        self.fuses = fuses
        self.fusions: dict[Operation, Fusion] = {}
        self._absorbed: dict[Operation, OnnxOp] = {}
        self._types: dict[tuple[int, str], Attribute] = {}
        self._data_types: dict[int, str] = {}
        refuse_unsupported(func, weights)
        for op in self.ops() if fuses else ():
            fusion = Fusion() if op in self._absorbed else fusion_of(op, weights)
            for absorbed in fusion.absorbed:
                self._absorbed[absorbed] = op
                self.fusions[op] = fusion
        self._groups = self._join()

    def ops(self) -> Iterator[OnnxOp]:
        """The operators that compute tensors, in order, constants left out."""
        for op in self.func.body.block.ops:
            if isinstance(op, OnnxOp) and not is_constant_op(op):
                yield op

    @staticmethod
    def rule(op: OnnxOp) -> Rule:
        return RULES[kind_of(op)]

    def is_absorbed(self, op: OnnxOp) -> bool:
        """Whether an earlier operator carries out `op`."""
        return op in self._absorbed

    def fusion(self, op: OnnxOp) -> Fusion:
        return self.fusions.get(op) or Fusion()

    def carrier(self, op: OnnxOp) -> OnnxOp:
        """The operator that carries out `op`: an earlier one, or itself."""
        return self._absorbed.get(op, op)  # pyright: ignore

    def result(self, op: OnnxOp) -> SSAValue:
        """The first tensor that `op` and what is fused into it compute."""
        return self.fusion(op).tail(op).results[0]

    def group(self, value: SSAValue) -> Group:
        return self._groups[value]

    def groups(self) -> list[Group]:
        """Every group once, in the order of its first member."""
        return list({id(g): g for g in self._groups.values()}.values())

    def observed(self) -> list[SSAValue]:
        """The tensors whose ranges decide the quantization, group by group."""
        return [
            value
            for group in self.groups()
            if group.fixed is None and self._needs_range(group)
            for value in group.observed
            if not is_constant(value) and self._is_on_npu(value)
        ]

    def element_type(self, value: SSAValue) -> Attribute:
        """The element type that a tensor has in the quantized graph.

        Raises `UserError` when a tensor that decides it was not calibrated.
        """
        group = self._groups.get(value)
        if group is not None and group.fixed is not None:
            return group.fixed
        plain = plain_type(value)
        if plain is not None:
            return plain
        assert group is not None
        return self._typed(group, self._group_data_type(group))

    def constant_type(self, value: SSAValue, op: OnnxOp) -> Attribute:
        """The element type of a constant that `op` reads beside its other operands."""
        stored = stored_constant(value, self.weights)
        if stored is not None and stored.storage != "i32":
            return stored.type(self.weights) if stored.axis is None else f32
        asked = self.op_data_type(op)
        if asked == "FP32":
            return f32
        array = constant_of(value, self.weights)
        assert array is not None
        return constant_type(array, STORAGES[asked])

    def factor_type(self, value: SSAValue, op: OnnxOp) -> Attribute:
        """The element type in which `op`, a sum of products, reads a tensor.

        It is the tensor's own unless that is FP32 or wider than `op` asks for.
        """
        present = self.element_type(value)
        asked = self.op_data_type(op)
        group = self._groups[value]
        if group.fixed is not None or asked == "FP32":
            return group.fixed or f32
        if isinstance(present, UniformType) and present.storage.width.data <= _BITS[asked]:
            return present
        return self._typed(group, asked)

    def bounds(self, op: OnnxOp) -> tuple[float, float]:
        """The numbers between which an activation that is fused into `op` keeps its result."""
        activation = self.fusion(op).activation
        if activation is None:
            return -np.inf, np.inf
        if isinstance(activation, Relu):
            return 0.0, np.inf
        low, high = clip_bounds(activation, self.weights)
        assert low is not None
        assert high is not None
        return low, high

    def weight_bits(self, op: OnnxOp) -> int:
        """Bits of the constant weights of `op`."""
        return 4 if text_attribute(op, WEIGHT_DATA_TYPE) == "S4" else 8

    def op_data_type(self, op: Operation) -> str:
        """The data type of the tensors that `op` reads, or that of the operator that absorbs it."""
        return text_attribute(self._absorbed.get(op, op), DATA_TYPE) or self.data_type

    def bits(self, value: SSAValue) -> int:
        """The bits that the numbers of `value` are stored in; 32 for FP32. Needs no ranges."""
        group = self._groups[value]
        if group.fixed is not None:
            return group.fixed.storage.width.data
        return _BITS[self._group_data_type(group)]

    def is_plain(self, value: SSAValue) -> bool:
        """Whether a tensor is FP32 in the quantized graph too, or a constant."""
        return value not in self._groups or self.bits(value) == 32

    def readers(self, group: Group) -> Iterator[Operation]:
        """What reads tensors of a group, besides what only hands them on within it."""
        for member in group.members:
            for user in self._users(member):
                if not isinstance(user, OnnxOp) or not self.moves(user, member):
                    yield user

    def _typed(self, group: Group, data_type: str) -> Attribute:
        """The type of that data type over the group's range."""
        if data_type == "FP32":
            return f32
        key = id(group), data_type
        if key not in self._types:
            low, high = self.limits(group)
            self._types[key] = activation_type(low, high, STORAGES[data_type])
        return self._types[key]

    def _needs_range(self, group: Group) -> bool:
        """Whether the group is quantized, or a sum of products reads it quantized."""
        if self._group_data_type(group) != "FP32":
            return True
        readers = (user for member in group.members for user in self._users(member))
        return any(
            isinstance(op, OnnxOp)
            and not is_on_cpu(op)
            and self.rule(op).has_weights
            and self.op_data_type(op) != "FP32"
            for op in readers
        )

    def limits(self, group: Group) -> tuple[float, float]:
        """The least and the greatest number that the quantization of a group is made for.

        Raises `UserError` when a tensor that decides it was not calibrated.
        """
        low = min(group.held, default=float("inf"))
        high = max(group.held, default=float("-inf"))
        errors = Diagnostics()
        for value in group.observed:
            pair = range_of(value)
            array = constant_of(value, self.weights)
            if array is not None:
                finite = array[np.isfinite(array)]
                pair = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
            if pair is None:
                errors.error(
                    f"tensor '{tensor_name(value)}' has no observed range",
                    accepted="calibration data (quant.input_configs), or a quantization that the "
                    "model gives it",
                    source=value.owner if isinstance(value.owner, Operation) else self.func,
                )
                continue
            low, high = min(low, pair[0]), max(high, pair[1])
        errors.raise_if_any()
        return low, high

    def _is_on_npu(self, value: SSAValue) -> bool:
        """Whether the quantized graph has the numbers of `value` quantized.

        What an operator on the CPU computes, or what is given to the graph, stays f32 unless an
        operator of the NPU uses it.
        """
        if isinstance(value.owner, OnnxOp) and not is_on_cpu(value.owner):
            return True
        return any(
            not isinstance(user, ReturnOp) and not is_on_cpu(user) for user in self._users(value)
        )

    def _users(self, value: SSAValue) -> list[Operation]:
        """The operations of the function's block that use a tensor, also in their regions."""
        return [user_in(self.func.body.block, use.operation) for use in value.uses]

    def _group_data_type(self, group: Group) -> str:
        """The data type of a group's tensors.

        It is what a computing operator has for its output; else the most precise that a reader asks
        for, so that one tensor serves all who can read it as it is, and no reader gets less than it
        asks for; else, of outputs of the graph and what the CPU reads, what the computing operators
        themselves have. What the CPU computes has the data type of its readers.
        Operators that only move data ask for something only where they were configured, or where
        nobody else does.
        """
        if id(group) not in self._data_types:
            self._data_types[id(group)] = self._find_data_type(group)
        return self._data_types[id(group)]

    def _find_data_type(self, group: Group) -> str:
        computing = [
            self._absorbed.get(v.owner, v.owner)
            for v in group.sources
            if isinstance(v.owner, Operation) and not is_constant(v) and not is_on_cpu(v.owner)
        ]
        # What is put before the model has no type of its own.
        computing = [op for op in computing if not isinstance(op, Normalize | ColorMatrix)]
        given = [text_attribute(op, OUTPUT_DATA_TYPE) for op in computing]
        asked = [data_type for data_type in given if data_type is not None]
        if not asked:
            asked = list(self._asked_by_readers(group, computing))
        if not asked:
            asked = [self.op_data_type(op) for op in computing]
        if not asked:
            asked = list(self._asked_by_movers(group))
        return max(asked, key=_PRECISION.index, default=self.data_type)

    def _asked_by_movers(self, group: Group) -> Iterator[str]:
        """What is said of operators that only move the tensors of a group."""
        for member in group.members:
            for user in self._users(member):
                if isinstance(user, OnnxOp) and self.moves(user, member):
                    said = text_attribute(user, MOVED_DATA_TYPE)
                    if said is not None:
                        yield said

    def _asked_by_readers(self, group: Group, computing: Sequence[Operation]) -> Iterator[str]:
        for member in group.members:
            mover = member.owner
            if member not in group.sources and isinstance(mover, Operation):
                configured = text_attribute(mover, DATA_TYPE)
                if configured is not None:
                    yield configured
            for reader in self._users(member):
                if isinstance(reader, ReturnOp) or is_on_cpu(reader):
                    yield from (self.op_data_type(op) for op in computing)
                elif isinstance(reader, OnnxOp) and reader.op_type == "QuantizeLinear":
                    # The graph's own rounding is to be the only one.
                    yield "FP32"
                elif isinstance(reader, OnnxOp) and not self.moves(reader, member):
                    yield self.op_data_type(reader)

    def moves(self, op: OnnxOp, value: SSAValue) -> bool:
        """Whether `op` hands `value` on with the quantization that it has."""
        return not is_on_cpu(op) and value in self.rule(op).shared(op)

    def _join(self) -> dict[SSAValue, Group]:
        groups: dict[SSAValue, Group] = {}
        for argument in self.func.args:
            if is_float(argument):
                groups[argument] = Group([argument], [argument])
        for op in self.ops():
            if op in self._absorbed:
                continue
            if is_on_cpu(op):
                groups |= {r: Group([r], [r]) for r in op.results if is_float(r)}
                continue
            rule = self.rule(op)
            first = self.result(op)
            results = [first, *op.results[1:]]
            results = [r for r in results if is_float(r)]
            shared = [v for v in rule.shared(op) if is_float(v)]
            fixed = fixed_type(op, self.weights)
            if fixed is not None:
                # An integer tensor too: that of a QuantizeLinear.
                groups[first] = Group([first], [], fixed=fixed)
                continue
            if not shared:
                for result in results:
                    groups[result] = Group([result], [result])
                continue
            joined = self._merge([self._group_of(groups, v) for v in shared])
            joined.held += rule.held(op, self.weights)
            joined.members += results
            for member in joined.members:
                groups[member] = joined
        for group in {id(g): g for g in groups.values()}.values():
            if group.fixed is None:
                group.fixed = self._imported_type(group)
            found = (kept for source in group.sources for kept in self._kept(source))
            group.observed = list(dict.fromkeys(found))
        return groups

    def _kept(self, value: SSAValue) -> list[SSAValue]:
        """The tensors that hold what is read of `value`: itself, or selections of its numbers.

        What a selection leaves out need not be representable: it saturates, and nobody reads it. A
        constant is held whole, as calibration data need not select all that it is there for; so is
        a tensor of which little is selected, as new data exceed a range that few numbers gave.
        """
        kept: list[SSAValue] = []
        selects = False
        for user in self._users(value):
            if not isinstance(user, OnnxOp) or not self.moves(user, value):
                return [value]
            results = [r for r in user.results if is_float(r) and r.first_use is not None]
            parts = [part for result in results for part in self._kept(result)]
            selects |= self.rule(user).selects or parts != results
            kept += parts
        if not kept or not selects or is_constant(value):
            return [value]
        share = sum(map(_size, kept)) / _size(value)
        return kept if share >= _LEAST_SELECTED else [value]

    def _imported_type(self, group: Group) -> UniformType | None:
        """The quantization that the graph itself gives all of a group's tensors, else None.

        That is the case when a QuantizeLinear of one kind is all that reads them, besides operators
        that hand them on within the group.
        """
        found: set[UniformType | None] = set()
        for member in group.members:
            for reader in self._users(member):
                if not isinstance(reader, OnnxOp) or not self.moves(reader, member):
                    kind = ""
                    if isinstance(reader, OnnxOp) and not is_on_cpu(reader):
                        kind = reader.op_type
                    fixed = fixed_type(reader, self.weights) if kind == "QuantizeLinear" else None
                    found.add(fixed)
        return found.pop() if len(found) == 1 else None

    @staticmethod
    def _group_of(groups: dict[SSAValue, Group], value: SSAValue) -> Group:
        found = groups.get(value)
        return Group([value], [value]) if found is None else found

    @staticmethod
    def _merge(parts: Sequence[Group]) -> Group:
        """One group of all; a part of fixed quantization stays as it is if there are others."""
        first = parts[0].fixed
        fixed = first if all(p.fixed == first for p in parts) else None
        result = Group(fixed=fixed)
        for part in {id(p): p for p in parts}.values():
            if part.fixed is not None and fixed is None:
                # The graph says what these are, so they are requantized where they join others.
                low, high = part.fixed.bounds
                scale, zero = float(part.fixed.scale), part.fixed.zero_point
                result.held += [(low - zero) * scale, (high - zero) * scale]
                continue
            result.members += part.members
            result.sources += part.sources
            result.held += part.held
        return result


def _size(value: SSAValue) -> int:
    shape = static_shape_of(value.type)
    assert shape is not None
    return math.prod(shape)
