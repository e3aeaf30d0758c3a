"""What a layer configuration leaves on the operations of a float graph."""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

DATA_TYPE = "quant.data_type"
"""The data type that an operation computes in: that of the tensors it reads."""

OUTPUT_DATA_TYPE = "quant.output_data_type"
"""The data type of its result, where that is not left to those who read it."""

WEIGHT_DATA_TYPE = "quant.weight_data_type"
"""The data type of its constant weights."""

MOVED_DATA_TYPE = "quant.moved_data_type"
"""The data type of what an operation moves, where no operation that computes has a say in it."""


def text_attribute(op: Operation, name: str) -> str | None:
    """The value of such an attribute, None where the operation has none."""
    found = op.attributes.get(name)
    return found.data if isinstance(found, StringAttr) else None
