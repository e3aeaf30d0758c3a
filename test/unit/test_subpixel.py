"""Phases of a transposed convolution against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pulsar2.lowering.analysis.subpixel import phases

small = st.integers(1, 6)


@given(small, small, small, st.integers(1, 4), st.integers(0, 9), st.integers(1, 30))
def test_phases_compute_a_transposed_convolution(
    size: int, kernel: int, stride: int, dilation: int, pad: int, out: int
) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.integers(1, 99, size), rng.integers(1, 99, kernel)
    wanted = np.zeros(out, np.int64)
    for i in range(size):
        for k in range(kernel):
            at = i * stride + k * dilation - pad
            if 0 <= at < out:
                wanted[at] += x[i] * w[k]
    got = np.full(out, -1)
    for phase in phases(size, out, kernel, stride, dilation, pad):
        source = np.concatenate(
            [np.zeros(phase.pad, np.int64), x[phase.begin :], np.zeros(99, int)]
        )
        taps = w[list(phase.taps)]
        reach = np.arange(len(taps)) * phase.dilation
        got[phase.first :: stride] = [
            taps @ source[m + reach] if phase.taps else 0 for m in range(phase.count)
        ]
        assert phase.begin == 0 or phase.pad == 0
    np.testing.assert_array_equal(got, wanted)
