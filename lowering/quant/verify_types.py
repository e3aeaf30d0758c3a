"""`quant-verify-types`: the data types of every quantized operator, held against the chip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import Float32Type, ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue

from pulsar2.context import AxContext
from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.quant import ConvOp, ConvTransposeOp, MatMulOp
from pulsar2.dialects.quant.types import (
    UniformPerAxisType,
    UniformType,
    element_type,
    quant_parameters,
    quantized_of,
    storage_name,
)
from pulsar2.locations import place_of, tensor_name
from pulsar2.lowering.base import AxPass
from pulsar2.targets import Target, load_target
from pulsar2.weights import WeightStore


@dataclass(frozen=True)
class QuantVerifyTypes(AxPass):
    """Checks that the chip has every data type in use, and that biases count in their units.

    The verifiers of the operations know which types fit together; this knows the chip. A bias of
    integers must have the scale f32(s_x * s_w[c]) of the products that it is added to.

    Needs: `quant` operations. Leaves: the module as it is, or one error with every node that is
    wrong.

    Options: `target`, the chip.

    ```
    %1 = quant.add %a, %b : (..) -> tensor<4x!quant.uniform<u16:f32, 0.001>>
    // is an error with target=X when X has no U16
    ```
    """

    name = "quant-verify-types"

    target: str = "AX650"

    def run(self, ctx: AxContext, module: ModuleOp) -> None:
        target = load_target(self.target)
        errors = Diagnostics()
        for op in module.walk():
            if not op.name.startswith("quant."):
                continue
            for value in (*op.operands, *op.results):
                name = _type_name(element_type(value))
                if name is not None and name not in target.element_types:
                    errors.error(
                        f"tensor '{tensor_name(value)}' is {name}, which {target.name} lacks",
                        place_of(op),
                        _accepted(target),
                        op,
                    )
            if isinstance(op, ConvOp | ConvTransposeOp | MatMulOp):
                for fault in _bias_faults(op, ctx.weights):
                    errors.error(fault, place_of(op), "f32(s_x * s_w[c])", op)
        errors.raise_if_any()


def _accepted(target: Target) -> str:
    return f"its types: {', '.join(sorted(target.element_types))}"


def _type_name(type_: Attribute) -> str | None:
    """What a target file calls an element type; None for one that is no number format of ours."""
    if isinstance(type_, Float32Type):
        return "F32"
    if isinstance(type_, UniformType | UniformPerAxisType):
        return storage_name(type_.storage).replace("i", "S").replace("u", "U")
    return None


def _operands(op: Operation) -> tuple[SSAValue, SSAValue, SSAValue | None]:
    assert isinstance(op, ConvOp | ConvTransposeOp | MatMulOp)
    return (op.a, op.b, op.bias) if isinstance(op, MatMulOp) else (op.x, op.w, op.bias)


def _bias_faults(op: Operation, weights: WeightStore) -> Iterator[str]:
    x, w, bias = _operands(op)
    types = [None if v is None else quantized_of(v) for v in (x, w, bias)]
    if any(t is None for t in types):
        return
    scale_x, scale_w, scale_b = (quant_parameters(t, weights)[0] for t in types if t is not None)
    products = np.float32(scale_x[0]) * scale_w
    wrong = np.flatnonzero(np.broadcast_to(products, scale_b.shape) != scale_b)
    if wrong.size:
        yield f"the bias has another scale than the products in {wrong.size} channel(s)"
