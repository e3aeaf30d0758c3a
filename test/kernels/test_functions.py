"""The f32 functions: within 2^-45 of the true value, and the same bits in C++ and numpy."""

from __future__ import annotations

import golden_functions
import mpmath
import numpy as np
import pytest

from pulsar2 import _kernels

BOUND = 2.0**-45


def _half_erfc(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


TRUTH = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "erf": mpmath.erf,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "expm1": mpmath.expm1,
    "gelu": lambda x: x * _half_erfc(x),
    "gelu_tanh": lambda x: (
        x / (1 + mpmath.exp(-2 * mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3)))
    ),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
}
POSITIVE = {"log", "sqrt", "rsqrt"}
PERIODIC = {"sin", "cos"}
# Past the first bound the result rounds to the same f32 as the limit, and is not compared.
RANGES = {
    "exp": (-103, 88),
    "sigmoid": (-103, 103),
    "expm1": (-103, 88),
    "gelu": (-14, 100),
    "gelu_tanh": (-10, 100),
    "silu": (-103, 103),
    "softplus": (-103, 103),
    "mish": (-103, 103),
    "erf": (-10, 10),
    "tanh": (-50, 50),
}


def arguments(name: str, count: int = 600) -> np.ndarray:
    """f32 values: evenly spaced, of every magnitude, and close to the joints of the definitions."""
    rng = np.random.default_rng(sorted(TRUTH).index(name))
    magnitudes = (2.0 ** rng.uniform(-60, 60, count)).astype(np.float32)
    joints = np.array([0.35, 0.7071, 1.0, 1.4142, 0.41421356, 0.6931, 2**20], np.float32)
    near = (joints[:, None] * (1 + 2.0 ** -rng.uniform(5, 24, (len(joints), 20)))).ravel()
    x = np.concatenate([magnitudes, near.astype(np.float32), rng.uniform(0, 20, count)])
    x = x.astype(np.float32)
    if name in POSITIVE:
        return x
    if name in PERIODIC:
        huge = (2.0 ** rng.uniform(20, 127.9, count)).astype(np.float32)
        multiples = (np.arange(1, 3000, 7) * np.pi / 2).astype(np.float32)
        x = np.concatenate([x, huge, multiples])
    x = np.concatenate([x, -x])
    lo, hi = RANGES.get(name, (-np.inf, np.inf))
    return x[(x >= lo) & (x <= hi)]


@pytest.mark.parametrize("name", TRUTH)
def test_relative_error(name):
    x = arguments(name)
    computed = _kernels.evaluate_function(name, x)
    with mpmath.workprec(300):
        for value, result in zip(x.tolist(), computed.tolist(), strict=True):
            truth = TRUTH[name](mpmath.mpf(value))
            if truth == 0:
                assert result == 0
                continue
            error = abs((mpmath.mpf(result) - truth) / truth)
            assert error < BOUND, f"{name}({value!r}): 2^{float(mpmath.log(error, 2)):.1f}"


def test_relative_error_of_pow():
    rng = np.random.default_rng(0)
    x = (2.0 ** rng.uniform(-20, 20, 3000)).astype(np.float32)
    x[::3] = rng.uniform(0.9, 1.1, 1000)
    y = (rng.normal(size=3000) * 10.0 ** rng.integers(-2, 3, 3000)).astype(np.float32)
    computed = _kernels.evaluate_function("pow", x, y)
    compared = 0
    with mpmath.workprec(300):
        for a, b, result in zip(x.tolist(), y.tolist(), computed.tolist(), strict=True):
            truth = mpmath.mpf(a) ** mpmath.mpf(b)
            if not 1e-45 < truth < 3.4e38:
                continue
            compared += 1
            assert abs((mpmath.mpf(result) - truth) / truth) < BOUND, f"{a!r} ** {b!r}"
    assert compared > 1500


def test_relative_error_of_inverse_sigmoid():
    rng = np.random.default_rng(0)
    near = 0.5 + np.concatenate(
        [2.0 ** -rng.uniform(2, 25, 300), -(2.0 ** -rng.uniform(2, 25, 300))]
    )
    x = np.concatenate([near, rng.uniform(-0.1, 1.1, 500), 2.0 ** -rng.uniform(1, 20, 100)])
    x, eps = x.astype(np.float32), np.float32(1e-5)
    computed = _kernels.evaluate_function("inverse_sigmoid", x, np.full_like(x, eps))
    np.testing.assert_array_equal(
        golden_functions.inverse_sigmoid(x.astype(np.float64), np.float64(eps)), computed
    )
    with mpmath.workprec(300):
        for value, result in zip(x.tolist(), computed.tolist(), strict=True):
            t = min(max(mpmath.mpf(value), 0), 1)
            truth = mpmath.log(max(t, float(eps)) / max(1 - t, float(eps)))
            if truth == 0:
                assert result == 0
            else:
                assert abs((mpmath.mpf(result) - truth) / truth) < BOUND, repr(value)


@pytest.mark.parametrize("name", TRUTH)
def test_numpy_port_is_identical(name):
    x = arguments(name)
    patterns = np.random.default_rng(1).integers(0, 2**32, 5000, np.uint32).view(np.float32)
    x = np.concatenate([x, patterns, np.array([0, -0.0, np.inf, -np.inf, np.nan], np.float32)])
    with np.errstate(all="ignore"):
        ported = golden_functions.UNARY[name](x.astype(np.float64))
    np.testing.assert_array_equal(ported, _kernels.evaluate_function(name, x))


def test_numpy_port_of_pow_is_identical():
    rng = np.random.default_rng(2)
    special = np.array(
        [0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e38, 2.0**25], "f4"
    )
    x, y = (v.ravel() for v in np.meshgrid(special, special))
    x = np.concatenate([x, rng.integers(0, 2**32, 5000, np.uint32).view(np.float32)])
    y = np.concatenate([y, rng.normal(size=5000).astype(np.float32)])
    with np.errstate(all="ignore"):
        ported = golden_functions.pow(x.astype(np.float64), y.astype(np.float64))
        computed = _kernels.evaluate_function("pow", x, y)
        np.testing.assert_array_equal(ported, computed)
        reference = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
        ours = computed.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(reference))
    same = ~np.isnan(ours)
    np.testing.assert_array_equal(np.signbit(ours[same]), np.signbit(reference[same]))
    np.testing.assert_allclose(ours[same], reference[same], rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", np.inf, np.inf),
        ("exp", -np.inf, 0.0),
        ("exp", 100.0, np.inf),
        ("log", 0.0, -np.inf),
        ("log", -1.0, np.nan),
        ("log", np.inf, np.inf),
        ("tanh", -0.0, -0.0),
        ("tanh", -np.inf, -1.0),
        ("sigmoid", np.inf, 1.0),
        ("sigmoid", -np.inf, 0.0),
        ("erf", -0.0, -0.0),
        ("erf", np.inf, 1.0),
        ("sin", np.inf, np.nan),
        ("gelu", -np.inf, -0.0),
        ("gelu", np.inf, np.inf),
        ("silu", -np.inf, -0.0),
        ("softplus", np.inf, np.inf),
        ("sqrt", -1.0, np.nan),
        ("rsqrt", 0.0, np.inf),
    ],
)
def test_limits(name, x, expected):
    with np.errstate(over="ignore"):
        value = np.float32(_kernels.evaluate_function(name, np.array([x], np.float32))[0])
    assert np.isnan(value) == np.isnan(expected)
    if not np.isnan(expected):
        assert value == np.float32(expected)
        assert np.signbit(value) == np.signbit(np.float32(expected))


def test_unknown_function():
    with pytest.raises(ValueError, match="no function is called sinh"):
        _kernels.evaluate_function("sinh", np.zeros(1, np.float32))
