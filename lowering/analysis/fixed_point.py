"""Real numbers as whole numbers of a power of two."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pulsar2.weights import AnyArray

_MOST_FRACTION = 126
"""2 ** -126 is the least normal f32."""


def fixed_point(values: AnyArray, data_type: Literal["S32", "U32"]) -> tuple[AnyArray, int]:
    """Integers q and a number of fraction bits f, so that values are q * 2 ** -f nearly.

    f is as large as the greatest magnitude allows; a negative one is of a number that is greater
    than all integers of the type. Those of U32 are not negative.
    """
    wide = np.asarray(values, np.float64)
    bits, dtype = (31, np.int32) if data_type == "S32" else (32, np.uint32)
    _, exponent = np.frexp(np.abs(wide).max(initial=0.0))
    fraction = min(bits - int(exponent), _MOST_FRACTION)
    return np.rint(wide * 2.0**fraction).astype(dtype), fraction
