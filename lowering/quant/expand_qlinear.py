"""`quant-expand-qlinear`: operators on quantized tensors, written out as QDQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import IntegerType, ModuleOp, UnrankedTensorType, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue

from pulsar2.context import AxContext
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.dialects.onnx.attributes import AttributeValue, from_attribute
from pulsar2.dialects.onnx.builder import OpBuilder
from pulsar2.dialects.onnx.custom import Custom
from pulsar2.dialects.onnx.inference import ShapeInference
from pulsar2.dialects.onnx.types import element_of
from pulsar2.locations import name_location, node_name, output_names
from pulsar2.lowering.base import AxPass
from pulsar2.lowering.quant.stored import constant_of
from pulsar2.weights import WeightStore

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True)
class QuantExpandQlinear(AxPass):
    """Writes operators on stored integers as DequantizeLinear, operator, QuantizeLinear.

    These are QLinearConv and QLinearMatMul, ONNX Runtime's QLinearAdd, QLinearMul, QLinearSigmoid,
    QLinearLeakyRelu, QLinearGlobalAveragePool, QLinearAveragePool, QLinearSoftmax, QLinearConcat
    and QGemm, its own spelling of QuantizeLinear and DequantizeLinear, and operators that move
    stored integers (MaxPool, Reshape, Transpose, ..). What they mean is what ONNX says they mean in
    this form, so nothing is lost; a bias in S32 is dequantized by f32(s_x * s_w).

    Needs: an imported graph; types may be unknown. Leaves: none of these operators.

    ```
    %y = onnx.QLinearConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz) : ..
    // becomes
    %0 = onnx.DequantizeLinear(%x, %xs, %xz) : ..
    %1 = onnx.DequantizeLinear(%w, %ws, %wz) : ..
    %2 = onnx.Conv(%0, %1) : ..
    %y = onnx.QuantizeLinear(%2, %ys, %yz) : ..
    ```
    """

    name = "quant-expand-qlinear"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        for op in module.ops:
            if isinstance(op, FuncOp) and not op.is_declaration:
                _Expansion(ctx.weights).run(op)


class _Expansion:
    """The expansion of one function."""

    def __init__(self, weights: WeightStore):
        self.weights = weights
        self.inference = ShapeInference(weights)
        self.parameters: dict[SSAValue, tuple[SSAValue, SSAValue | None]] = {}

    def run(self, func: FuncOp) -> None:
        for op in list(func.body.block.ops):
            if not isinstance(op, OnnxOp):
                continue
            kind = op.function if isinstance(op, Custom) else op.op_type
            if kind == "QuantizeLinear" and not isinstance(op, Custom):
                self.parameters[op.results[0]] = op.operands[1], op.operand(2)
            expand = _EXPANSIONS.get(kind)
            if expand is not None and (not isinstance(op, Custom) or op.domain == _RUNTIME):
                expand(_Site(self, op))
            elif _moves(op) and op.operands[0] in self.parameters:
                _move(_Site(self, op))


class _Site:
    """One operator, and the making of what takes its place."""

    def __init__(self, expansion: _Expansion, op: OnnxOp):
        self._expansion = expansion
        self.op = op
        block = op.parent_block()
        assert block is not None
        self._builder = OpBuilder(
            expansion.weights,
            lambda made: block.insert_op_before(made, op),
            inference=expansion.inference,
            location=name_location(node_name(op)),
        )

    @property
    def attributes(self) -> Attributes:
        """The operator's attributes, as values."""
        if isinstance(self.op, Custom):
            return {k: from_attribute(v) for k, v in self.op.custom_attributes.items()}
        return {k: self.op.value_of(k) for k in self.op.attributes if not k.startswith("quant.")}

    def operand(self, index: int) -> SSAValue | None:
        return self.op.operand(index)

    def parameters(self, value: SSAValue) -> tuple[SSAValue, SSAValue | None]:
        """Scale and zero point of a tensor of stored integers."""
        return self._expansion.parameters[value]

    def real(self, index: int, axis: int = 1) -> SSAValue:
        """The numbers of operand `index`, whose scale and zero point are the next two."""
        x = self.op.operands[index]
        return self.dequantized(x, self.op.operands[index + 1], self.operand(index + 2), axis)

    def dequantized(
        self, x: SSAValue, scale: SSAValue, zero_point: SSAValue | None, axis: int = 1
    ) -> SSAValue:
        """A DequantizeLinear."""
        part = f"{node_name(self.op)}_DequantizeLinear"
        attributes: Attributes = {"axis": axis}
        made = self._builder.op(
            "DequantizeLinear",
            [x, scale, zero_point],
            attributes,
            location=name_location(part, [f"{part}_Output"]),
        )
        return made.results[0]

    def bias(self, index: int, scales: Sequence[SSAValue], factor: float = 1.0) -> SSAValue | None:
        """The numbers of an S32 bias in units of the product of constant scales, if it is there."""
        value = self.operand(index)
        arrays = [constant_of(s, self._expansion.weights) for s in scales]
        if value is None or any(a is None for a in arrays):
            return None
        product = np.full(1, factor, np.float32)
        for array in arrays:
            assert array is not None
            product = (product * array.reshape(-1).astype(np.float32)).astype(np.float32)
        product = product if product.size > 1 else product.reshape(())
        return self.dequantized(value, self._builder.constant(product), None, 0)

    def compute(
        self, op_type: str, operands: Sequence[SSAValue | None], attributes: Attributes
    ) -> list[SSAValue]:
        """The operator on numbers, under the name of the operator and its outputs."""
        names = output_names(self.op)
        made = self._builder.op(
            op_type,
            operands,
            attributes,
            result_types=[UnrankedTensorType(f32) for _ in self.op.results],
            location=name_location(node_name(self.op), names),
        )
        return list(made.results)

    def quantized(
        self, results: Sequence[SSAValue], scale: SSAValue, zero_point: SSAValue | None
    ) -> None:
        """Replaces the operator by the quantization of `results`."""
        part = f"{node_name(self.op)}_QuantizeLinear"
        stored: list[SSAValue] = []
        for result, old, name in zip(
            results, self.op.results, output_names(self.op) or ("",), strict=True
        ):
            made = self._builder.op(
                "QuantizeLinear",
                [result, scale, zero_point],
                location=name_location(part, [f"{name}_QuantizeLinear_Output"]),
            )
            stored.append(made.results[0])
            parameters = self._expansion.parameters
            parameters[made.results[0]] = scale, zero_point
            old.replace_all_uses_with(made.results[0])
        self.finish()

    def replaced(self, results: Sequence[SSAValue]) -> None:
        """Replaces the operator by `results`."""
        for old, new in zip(self.op.results, results, strict=True):
            old.replace_all_uses_with(new)
        self.finish()

    def finish(self) -> None:
        """Removes the operator, which nobody uses any more."""
        self.op.detach()
        self.op.erase()


def _conv(site: _Site) -> None:
    x, w = site.real(0), site.real(3, axis=0)
    bias = site.bias(8, [site.op.operands[1], site.op.operands[4]])
    results = site.compute("Conv", [x, w, bias], site.attributes)
    site.quantized(results, site.op.operands[6], site.operand(7))


def _matmul(site: _Site) -> None:
    results = site.compute("MatMul", [site.real(0), site.real(3, axis=-1)], {})
    site.quantized(results, site.op.operands[6], site.operand(7))


def _binary(op_type: str) -> Callable[[_Site], None]:
    def expand(site: _Site) -> None:
        results = site.compute(op_type, [site.real(0), site.real(3)], {})
        site.quantized(results, site.op.operands[6], site.operand(7))

    return expand


def _unary(op_type: str, dropped: str = "") -> Callable[[_Site], None]:
    """An operator of one tensor; one that has `channels_last` set stays, and is refused later."""

    def expand(site: _Site) -> None:
        if site.attributes.get("channels_last"):
            return
        kept = {k: v for k, v in site.attributes.items() if k != dropped}
        results = site.compute(op_type, [site.real(0)], kept)
        site.quantized(results, site.op.operands[3], site.operand(4))

    return expand


def _concat(site: _Site) -> None:
    operands = [site.real(i) for i in range(2, len(site.op.operands), 3)]
    results = site.compute("Concat", operands, site.attributes)
    site.quantized(results, site.op.operands[0], site.operand(1))


def _gemm(site: _Site) -> None:
    attributes = site.attributes
    alpha = attributes.get("alpha", 1.0)
    assert isinstance(alpha, float)
    b = site.real(3, axis=0 if attributes.get("transB") else 1)
    c = site.bias(6, [site.op.operands[1], site.op.operands[4]], alpha)
    results = site.compute("Gemm", [site.real(0), b, c], attributes)
    scale = site.operand(7)
    if scale is None:
        site.replaced(results)
    else:
        site.quantized(results, scale, site.operand(8))


def _quantize(site: _Site) -> None:
    if isinstance(site.op, Custom):
        site.quantized([site.op.operands[0]], site.op.operands[1], site.operand(2))


def _dequantize(site: _Site) -> None:
    if isinstance(site.op, Custom):
        axis = site.attributes.get("axis", 1)
        assert isinstance(axis, int)
        site.replaced([site.real(0, axis)])


def _moves(op: OnnxOp) -> bool:
    """Whether an operator hands the integers of its first operand on as they are."""
    if op.op_type == "Resize":
        return op.value_of("mode") == "nearest" and op.operand(1) is None
    if op.op_type == "Pad":
        return op.value_of("mode") != "constant" or op.operand(2) is not None
    return op.op_type in _MOVING and bool(op.operands)


def _move(site: _Site) -> None:
    """Moves numbers in place of stored integers."""
    if not isinstance(element_of(site.op.operands[0].type), IntegerType):
        return
    scale, zero_point = site.parameters(site.op.operands[0])
    operands: list[SSAValue | None] = []
    for index, value in enumerate(site.op.operands):
        if index in _NUMBERS.get(site.op.op_type, (0,)) or site.op.op_type == "Concat":
            operands.append(site.dequantized(value, scale, zero_point))
        else:
            operands.append(site.operand(index))
    results = site.compute(site.op.op_type, operands, site.attributes)
    site.quantized(results, scale, zero_point)


_RUNTIME = "com.microsoft"

_EXPANSIONS: Mapping[str, Callable[[_Site], None]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QLinearAdd": _binary("Add"),
    "QLinearMul": _binary("Mul"),
    "QLinearSigmoid": _unary("Sigmoid"),
    "QLinearLeakyRelu": _unary("LeakyRelu"),
    "QLinearGlobalAveragePool": _unary("GlobalAveragePool", "channels_last"),
    "QLinearAveragePool": _unary("AveragePool", "channels_last"),
    "QLinearSoftmax": _unary("Softmax", "opset"),
    "QLinearConcat": _concat,
    "QGemm": _gemm,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
}

QUANTIZED_OPERATORS = frozenset(_EXPANSIONS) - {"QuantizeLinear", "DequantizeLinear"}
"""Operators of integers that are expanded, by their names in ONNX and ONNX Runtime."""

_MOVING = frozenset(
    (
        *("MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Slice"),
        *("Split", "Identity", "Gather", "DepthToSpace", "SpaceToDepth", "Expand"),
    )
)
"""Operators that hand stored integers on as they are."""

_NUMBERS = {"Pad": (0, 2)}
"""Which operands are numbers of the first one's quantization, where others than the first are."""
