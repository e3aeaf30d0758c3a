"""The data types of quantization, by the names that a configuration uses."""

from __future__ import annotations

from typing import Literal

DataType = Literal["U8", "S8", "U16", "S16", "FP32"]
"""What activations may be."""

WeightType = Literal["S8", "S4", "FP32"]
"""What the constant weights of a contraction may be."""
