"""What pixels become when a mean is taken from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.dialects.quant.types import UniformType
from pulsar2.lowering.onnx.insert_preprocess import normalized_range
from pulsar2.lowering.quant.parameters import activation_type
from pulsar2.tables import normalize_table

_PIXELS = np.arange(256)
_STD = st.floats(2**-9, 2**9, width=32)


def normalized(mean: float, std: float) -> tuple[UniformType, np.ndarray]:
    """The type of U8 pixels less the mean, over the std, and what each of them is then."""
    low, high = normalized_range(np.dtype(np.uint8), (0.0, 255.0), [mean] * 3, [std] * 3)
    type_ = activation_type(float(np.float32(low)), float(np.float32(high)), "u8")
    return type_, normalize_table([mean], [std], UniformType("u8", 1.0), type_)[0]


@given(st.integers(0, 255), _STD)
def test_pixels_less_a_whole_mean_are_pixels(mean: int, std: float) -> None:
    type_, table = normalized(mean, std)
    assert type_.zero_point == mean
    np.testing.assert_array_equal(table, _PIXELS)


@given(st.integers(0, 254), _STD)
def test_pixels_less_a_half_stay_apart(below: int, std: float) -> None:
    mean = below + 0.5
    type_, table = normalized(mean, std)
    # The two around the mean are both nearest to zero.
    assert len(set(table.tolist())) == 255
    values = (table.astype(np.float64) - type_.zero_point) * type_.scale
    errors = values * std - (_PIXELS - mean)
    assert np.abs(errors).max() < 0.51
    assert np.mean(errors**2) < 0.11  # 1/12 of numbers that lie anywhere between the steps
