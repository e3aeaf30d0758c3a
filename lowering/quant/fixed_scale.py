"""Which scales of normalizations are kept as whole numbers, and which cannot be."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.func import FuncOp

from pulsar2.diagnostics import Diagnostics
from pulsar2.dialects.onnx import OnnxOp
from pulsar2.locations import place_of, tensor_name
from pulsar2.lowering.quant.placement import is_on_cpu
from pulsar2.lowering.quant.rules.normalization import LAYER_NORMS
from pulsar2.lowering.quant.stored import constant_of
from pulsar2.weights import WeightStore


def refuse_negative_scales(func: FuncOp, weights: WeightStore) -> None:
    """`UserError` with every normalization whose scale U32 cannot hold."""
    errors = Diagnostics()
    for op in func.body.block.ops:
        if not isinstance(op, OnnxOp) or op.op_type not in LAYER_NORMS or is_on_cpu(op):
            continue
        scale = op.operand(1)
        array = constant_of(scale, weights)
        negative = 0 if array is None else int(np.count_nonzero(np.asarray(array, np.float64) < 0))
        if scale is not None and negative:
            errors.error(
                f"the scale '{tensor_name(scale)}' holds {negative} negative number(s), which "
                "ln_scale_data_type U32 cannot hold",
                place_of(op),
                "S32 or FP32",
                op,
            )
    errors.raise_if_any()
