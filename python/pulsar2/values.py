"""What goes into a model and comes out of it: tensors, and what ONNX makes of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np

from pulsar2.weights import AnyArray

Form = Literal["tensor", "sequence", "optional", "optional sequence"]
"""How a value is made of tensors of one element type; what is optional may be None."""

Value = AnyArray | list[AnyArray] | None


def as_value(given: Any) -> Value:
    """A value as it is computed with: a list or tuple of arrays is a sequence, None is nothing.

    Anything else is what numpy makes an array of.
    """
    if given is None:
        return None
    items = cast("Sequence[Any]", given)
    if isinstance(given, list | tuple) and all(isinstance(item, np.ndarray) for item in items):
        return list(items)
    return np.asarray(items)


def tensors_of(value: Value) -> list[AnyArray]:
    """The tensors that a value holds."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def description(value: Value) -> str:
    """A value's type and shape, as messages show it."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        inner = ", ".join(description(tensor) for tensor in value[:3])
        return f"a sequence of {len(value)}: {inner}" + (", .." if len(value) > 3 else "")
    return f"{value.dtype}{list(value.shape)}"
