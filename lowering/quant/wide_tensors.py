"""The tensors of a transformer that may need 16 bits, and what their 8 bits were seen to cost.

These are what Softmax, a normalization or GELU read and give, and the sums of the residual stream
with what is added: all groups of tensors (of one quantization) that others than products with
constant weights read. Such products take 8 bits whatever the tensor has.

`quant.noise` on the operation that computes a group's first tensor is the share of noise in the
model's outputs, noise power / signal power, when only this group has 8 bits; on the function, when
everything else has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.utils.hints import isa

from pulsar2.dialects.onnx.matmul import MatMul
from pulsar2.dialects.onnx.op import OnnxOp
from pulsar2.dialects.onnx.types import static_shape_of
from pulsar2.locations import tensor_name
from pulsar2.lowering.quant.attributes import DATA_TYPE, OUTPUT_DATA_TYPE
from pulsar2.lowering.quant.channels import weighted_reads
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.plan import Group, QuantPlan
from pulsar2.lowering.quant.rules.base import is_constant, is_float

NOISE = "quant.noise"
REST = ""
"""The name, among tensors, of everything else."""

_SENSITIVE = frozenset(("Softmax", "LayerNormalization", "RMSNormalization", "Gelu"))


@dataclass(frozen=True)
class WideTensor:
    """A group of tensors that may have 16 bits.

    `makers` compute it. `products` are the matrix products of two computed tensors that read it:
    these then read 16 bits. `configured` says that a layer configuration speaks of one of them.
    """

    group: Group
    makers: tuple[OnnxOp, ...]
    products: tuple[MatMul, ...]
    configured: bool

    @property
    def value(self) -> SSAValue:
        """The first tensor that is computed."""
        return self.group.sources[0]

    @property
    def name(self) -> str:
        return tensor_name(self.value)

    @property
    def elements(self) -> int:
        """Of all tensors of the group that are computed."""
        shapes = [static_shape_of(v.type) or () for v in self.group.sources]
        return sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)


@dataclass(frozen=True)
class Edge:
    """An operand of an operation that reads a quantized tensor, and whose 8 bits it has.

    `wide` is None where the operation reads 8 bits in any case.
    """

    op: OnnxOp
    index: int
    wide: WideTensor | None

    @property
    def value(self) -> SSAValue:
        return self.op.operands[self.index]


def wide_tensors(plan: QuantPlan) -> list[WideTensor]:
    """The groups that may have 16 bits, in program order."""
    weighted = {(read.op, 0) for read in weighted_reads(plan.func)}
    near: dict[int, Group] = {}
    for op in plan.ops():
        if is_on_cpu(op) or plan.is_absorbed(op) or not (_is_sensitive(op) or _is_residual(op)):
            continue
        for value in (*op.operands, plan.result(op)):
            if is_float(value) and not is_constant(value):
                group = plan.group(value)
                near.setdefault(id(group), group)
    groups = [group for group in plan.groups() if id(group) in near]
    found = (_wide(plan, group, weighted) for group in groups)
    return [wide for wide in found if wide is not None]


def _wide(plan: QuantPlan, group: Group, weighted: Set[tuple[OnnxOp, int]]) -> WideTensor | None:
    if group.fixed is not None or not group.sources:
        return None
    if plan.bits(group.sources[0]) != 8:
        return None
    makers: list[OnnxOp] = []
    for value in group.sources:
        maker = value.owner
        if not isinstance(maker, OnnxOp) or is_constant(value) or is_on_cpu(maker):
            return None
        makers.append(plan.carrier(maker))
    readers = [(op, i) for op, i in _reads(plan, group) if (op, i) not in weighted]
    if not readers:
        return None
    products = [op for op, _ in readers if isinstance(op, MatMul)]
    said = (DATA_TYPE in op.attributes or OUTPUT_DATA_TYPE in op.attributes for op in makers)
    asked = (DATA_TYPE in plan.carrier(op).attributes for op, _ in readers)
    return WideTensor(
        group,
        tuple(dict.fromkeys(makers)),
        tuple(dict.fromkeys(products)),
        any(said) or any(asked),
    )


def edges(plan: QuantPlan, wide: list[WideTensor]) -> Iterator[Edge]:
    """The operands through which operators read tensors that 8 bits would hold."""
    weighted = {(read.op, 0) for read in weighted_reads(plan.func)}
    by_group = {id(each.group): each for each in wide}
    for group in plan.groups():
        if group.fixed is not None or not group.sources or plan.bits(group.sources[0]) != 8:
            continue
        for op, index in _reads(plan, group):
            found = None if (op, index) in weighted else by_group.get(id(group))
            yield Edge(op, index, found)


def _reads(plan: QuantPlan, group: Group) -> Iterator[tuple[OnnxOp, int]]:
    """Who reads a group's tensors for what they are, rather than to move them."""
    for member in group.members:
        for use in member.uses:
            op = use.operation
            if isinstance(op, ReturnOp) or not isinstance(op, OnnxOp) or is_on_cpu(op):
                continue
            if op.parent is plan.func.body.block and not plan.moves(op, member):
                yield op, use.index


def _is_sensitive(op: OnnxOp) -> bool:
    return op.op_type in _SENSITIVE


def _is_residual(op: OnnxOp) -> bool:
    """Whether `op` adds two computed tensors."""
    return op.op_type == "Add" and not any(is_constant(v) for v in op.operands)


def noise_of(op: Operation) -> float | None:
    """What calibration measured, None where nothing was."""
    found = op.attributes.get(NOISE)
    return float(found.value.data) if isa(found, FloatAttr) else None


def apply_noise(func: FuncOp, noise: Mapping[str, float]) -> None:
    """Writes measured noise into the IR, by the names of tensors, those that it has."""
    if REST in noise:
        func.attributes[NOISE] = FloatAttr(noise[REST], f32)
    for op in func.body.block.ops:
        if op.results and tensor_name(op.results[0]) in noise:
            op.attributes[NOISE] = FloatAttr(noise[tensor_name(op.results[0])], f32)


def decibels(noise: float) -> float:
    """The signal-to-noise ratio for a share of noise."""
    return float(-10 * np.log10(max(noise, 1e-30)))
