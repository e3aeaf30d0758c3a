"""Real numbers as whole numbers of a power of two."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.lowering.analysis.fixed_point import fixed_point

Magnitudes = st.floats(width=32, min_value=2.0**-60, max_value=2.0**60)


@given(
    values=st.lists(Magnitudes, min_size=1, max_size=9), data_type=st.sampled_from(["S32", "U32"])
)
def test_the_greatest_scale_fills_the_integers(
    values: list[float], data_type: Literal["S32", "U32"]
) -> None:
    array = np.array(values, np.float32)
    whole, fraction = fixed_point(array, data_type)
    bits = 31 if data_type == "S32" else 32
    assert 2 ** (bits - 1) <= int(whole.max()) < 2**bits
    wide = array.astype(np.float64) * 2.0**fraction
    np.testing.assert_array_equal(whole, np.rint(wide))
    # What is at least 2^-7 of the greatest keeps all 24 bits of its value.
    large = array >= array.max() * 2.0**-6
    real = whole.astype(np.float32) * np.float32(2.0**-fraction)
    np.testing.assert_array_equal(real[large], array[large])


@pytest.mark.parametrize("values", [[], [0.0], [1e-44, -1e-45]])
def test_next_to_nothing(values: list[float]) -> None:
    whole, fraction = fixed_point(np.array(values, np.float32), "S32")
    assert fraction in (31, 126)
    assert whole.dtype == np.int32
