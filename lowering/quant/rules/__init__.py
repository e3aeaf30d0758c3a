"""The conversion rules, by ONNX operator."""

from __future__ import annotations

from pulsar2.lowering.quant.rules.base import Rule
from pulsar2.lowering.quant.rules.contraction import CONTRACTION_RULES
from pulsar2.lowering.quant.rules.elementwise import ELEMENTWISE_RULES
from pulsar2.lowering.quant.rules.indexing import INDEXING_RULES
from pulsar2.lowering.quant.rules.integer import INTEGER_RULES
from pulsar2.lowering.quant.rules.movement import MOVEMENT_RULES
from pulsar2.lowering.quant.rules.normalization import NORMALIZATION_RULES
from pulsar2.lowering.quant.rules.pooling import POOLING_RULES
from pulsar2.lowering.quant.rules.preprocess import PREPROCESS_RULES
from pulsar2.lowering.quant.rules.resize import RESIZE_RULES
from pulsar2.lowering.quant.rules.sampling import SAMPLING_RULES

RULES: dict[str, Rule] = {
    op_type: rule
    for rule in (
        *CONTRACTION_RULES,
        *ELEMENTWISE_RULES,
        *INDEXING_RULES,
        *INTEGER_RULES,
        *MOVEMENT_RULES,
        *NORMALIZATION_RULES,
        *POOLING_RULES,
        *PREPROCESS_RULES,
        *RESIZE_RULES,
        *SAMPLING_RULES,
    )
    for op_type in rule.op_types
}
"""The rule of each ONNX operator that has a quantized form."""
