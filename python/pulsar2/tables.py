"""Tables of 8-bit functions: what the look-up jobs of the virtual NPU hold.

A table has one entry for each byte of the input (in the order of the raw byte), computed by the
literal formula of numerics.md through the same kernel that evaluates wider types, so both agree bit
for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pulsar2.weights import AnyArray

if TYPE_CHECKING:
    from pulsar2.dialects.quant.types import UniformType

UNARY_FUNCTIONS = {
    name: code
    for code, name in enumerate(
        (
            "identity", "relu", "clip", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "exp",
            "log", "sqrt", "erf", "gelu", "leaky_relu", "elu", "softplus", "mish", "silu", "abs",
            "neg", "floor", "ceil", "round", "sin", "cos", "rsqrt", "gelu_tanh", "not",
            "reciprocal", "normalize", "pow", "inverse_sigmoid",
        )
    )
}  # fmt: skip
"""Codes of the functions of a `unary` job, by name."""

NO_CLAMP = (-(2**31), 2**31 - 1)
"""Clamp bounds that leave an f32 result as it is."""


def _inputs(x: UniformType) -> AnyArray:
    from pulsar2.dialects.quant.types import storage_dtype

    return np.arange(256, dtype=np.uint8).view(storage_dtype(x))


def unary_table(
    fn: str, alpha: float, beta: float, x: UniformType, y: UniformType | None, dtype: np.dtype[Any]
) -> AnyArray:
    """The 256 results of a function; `dtype` is that of the result (f32 when `y` is None)."""
    from pulsar2 import _kernels

    table = np.empty(256, dtype)
    low, high = y.bounds if y is not None else NO_CLAMP
    y_scale, y_zero = (float(y.scale), y.zero_point) if y is not None else (1.0, 0)
    words = [UNARY_FUNCTIONS[fn], float(alpha), float(beta), low, high]
    _kernels.run_kernel(
        7, [(_inputs(x), float(x.scale), x.zero_point), (table, y_scale, y_zero)], words
    )
    return table


def unary_values(fn: str, alpha: float, beta: float, x: AnyArray) -> AnyArray:
    """The results of a function of each of the f32 numbers `x`, f32."""
    from pulsar2 import _kernels

    y = np.empty_like(x)
    words = [UNARY_FUNCTIONS[fn], float(alpha), float(beta), *NO_CLAMP]
    _kernels.run_kernel(7, [(x, 1.0, 0), (y, 1.0, 0)], words)
    return y


def normalize_table(
    mean: Sequence[float], std: Sequence[float], x: UniformType, y: UniformType | None
) -> AnyArray:
    """The results [channels, 256] of `f32((x^ - mean) / std)` for each channel."""
    from pulsar2.dialects.quant.types import storage_dtype

    dtype = np.dtype(np.float32) if y is None else storage_dtype(y)
    return np.stack(
        [unary_table("normalize", m, s, x, y, dtype) for m, s in zip(mean, std, strict=True)]
    )
