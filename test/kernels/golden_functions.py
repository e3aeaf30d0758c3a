"""The f32 functions' definitions in numpy float64: the same IEEE operations as the C++ kernels.

Each takes and returns float64 arrays whose arguments are f32 values; the caller rounds to f32.
`include/pulsar2/kernels/functions.h` describes the definitions, `test_functions.py` holds both
against mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

ROUND = float.fromhex("0x1.8p52")
LOG2E = float.fromhex("0x1.71547652b82fep+0")
LN2_HI = float.fromhex("0x1.62e42fefa3800p-1")
LN2_LO = float.fromhex("0x1.ef35793c76730p-45")
ERF_SERIES = [
    float.fromhex(c)
    for c in [
        "0x1.5f7919bc67b8cp-58",
        "-0x1.a2007af3447f6p-54",
        "0x1.d70b3537f4765p-50",
        "-0x1.f56f071a885cfp-46",
        "0x1.f683ae4a97007p-42",
        "-0x1.d8453cb0c46eap-38",
        "0x1.9e6ad5e55a730p-34",
        "-0x1.51d7181c5d36dp-30",
        "0x1.fcc5720624c1cp-27",
        "-0x1.5f742ec43e71ap-23",
        "0x1.b9e6c9dc651a3p-20",
        "-0x1.f4d25c3e0c2ebp-17",
        "0x1.f9a326f9b89b7p-14",
        "-0x1.c02db40040b86p-11",
        "0x1.565bcd0e6a53fp-8",
        "-0x1.b82ce31288b51p-6",
        "0x1.ce2f21a042be2p-4",
        "-0x1.812746b0379e7p-2",
        "0x1.20dd750429b6dp+0",
    ]
]
ERFCX_FIT = [
    float.fromhex(c)
    for c in [
        "0x1.71e5192dbe9eep-34",
        "-0x1.d22d434f3f938p-33",
        "-0x1.7e1eca2617c99p-30",
        "0x1.dfb99b947e3c5p-29",
        "0x1.23fb0ea763398p-26",
        "-0x1.beea943040336p-25",
        "-0x1.912aec5b122d0p-23",
        "0x1.eb66da47010b5p-21",
        "0x1.61ca7c82ecbdep-20",
        "-0x1.1c98bc1beadedp-16",
        "0x1.af641e4d5860fp-16",
        "0x1.bb0b26343c69ap-13",
        "-0x1.98885ff550e07p-10",
        "0x1.765960abc2090p-8",
        "-0x1.bf0c97e0de12bp-7",
        "0x1.43e741202ae2cp-6",
        "-0x1.180574a324711p-10",
        "-0x1.7d8e4a3aac164p-4",
        "0x1.3b44b01a925bcp+0",
    ]
]
TWO_OVER_PI = int("a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561", 16)


def _horner(coefficients: list[float], x: F64) -> F64:
    p = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        p = p * x + c
    return p


def _power_of_two(shifted: F64) -> F64:
    return ((shifted.view(np.int64) + 1023) << 52).view(np.float64)


def _exp_series(x: F64) -> F64:
    return _horner([1.0 / math.factorial(i) for i in range(12, 0, -1)], x)


def exp(x: F64) -> F64:
    x = np.where(x < -700.0, -700.0, x)
    x = np.where(x > 700.0, 700.0, x)
    shifted = x * LOG2E + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HI) - k * LN2_LO
    return (_exp_series(r) * r + 1.0) * _power_of_two(shifted)


def expm1(x: F64) -> F64:
    return np.where((x > -0.35) & (x < 0.35), _exp_series(x) * x, exp(x) - 1.0)


def _atanh_tail(s: F64) -> F64:
    z = s * s
    return _horner([2.0 / i for i in range(19, 1, -2)], z) * z * s


def _split_exponent(x: F64) -> tuple[F64, F64]:
    bits = x.view(np.int64)
    e = (bits - 0x3FE6A09E667F3BCD) >> 52
    return (bits - (e << 52)).view(np.float64), e.astype(np.float64)


def _log_of(f: F64, e: F64) -> F64:
    s = f / (2.0 + f)
    return e * LN2_HI + (2.0 * s + (_atanh_tail(s) + e * LN2_LO))


def log(x: F64) -> F64:
    inside = (x > 0) & (x < np.inf)
    m, e = _split_exponent(np.where(inside, x, 1.0))
    outside = np.where(x == 0, -np.inf, np.where(x > 0, x, np.nan))
    return np.where(inside, _log_of(m - 1.0, e), outside)


def _log1p_unit(u: F64) -> F64:
    halve = u > 0.41421356
    return _log_of(np.where(halve, (u - 1.0) * 0.5, u), np.where(halve, 1.0, 0.0))


def inverse_sigmoid(x: F64, eps: F64) -> F64:
    t = _clamp(x, 0.0, 1.0)
    u = np.where(t < eps, eps, t)
    w = np.where(1.0 - t < eps, eps, 1.0 - t)
    m, e = _split_exponent(u / w)
    return _log_of(np.where(e == 0, (u - w) / w, m - 1.0), e)


def sigmoid(x: F64) -> F64:
    return 1.0 / (1.0 + exp(-x))


def tanh(x: F64) -> F64:
    a = np.abs(x)
    e = expm1(-2.0 * np.where(a > 20.0, 20.0, a))
    return np.copysign(-e / (2.0 + e), x)


def _clamp(x: F64, lo: float, hi: float) -> F64:
    x = np.where(x < lo, lo, x)
    return np.where(x > hi, hi, x)


def _erfcx_fit(x: F64) -> F64:
    u = float.fromhex("0x1.4bda12f684bdap+0") - float.fromhex("0x1.25ed097b425edp+3") / (x + 3.0)
    return _horner(ERFCX_FIT, u) / (1.0 + 2.0 * x)


def erf(x: F64) -> F64:
    a = _clamp(np.abs(x), 0.0, 8.0)
    small = x * _horner(ERF_SERIES, _clamp(x * x, 0.0, 1.0))
    large = np.copysign(1.0 - exp(-(a * a)) * _erfcx_fit(_clamp(a, 1.0, 28.0)), x)
    return np.where(a < 1.0, small, large)


def gelu(x: F64) -> F64:
    v = np.where(x < -50.0, -50.0, x)
    a = np.abs(v) * float.fromhex("0x1.6a09e667f3bcdp-1")
    square = v * v * 0.5
    small = 1.0 - a * _horner(ERF_SERIES, _clamp(square, 0.0, 1.0))
    large = exp(-square) * _erfcx_fit(_clamp(a, 1.0, 28.0))
    tail = np.where(a < 1.0, small, large)
    return 0.5 * v * np.where(v < 0, tail, 2.0 - tail)


def gelu_tanh(x: F64) -> F64:
    v = np.where(x < -50.0, -50.0, x)
    cubic = v + float.fromhex("0x1.6e4e26d4801f7p-5") * (v * v * v)
    return v * sigmoid(float.fromhex("0x1.9884533d43651p+0") * cubic)


def silu(x: F64) -> F64:
    v = np.where(x < -200.0, -200.0, x)
    return v * sigmoid(v)


def softplus(x: F64) -> F64:
    return np.where(x < 0, 0.0, x) + _log1p_unit(exp(-np.abs(x)))


def mish(x: F64) -> F64:
    v = np.where(x < -200.0, -200.0, x)
    return v * tanh(softplus(v))


def sqrt(x: F64) -> F64:
    return np.sqrt(x)


def rsqrt(x: F64) -> F64:
    return 1.0 / np.sqrt(x)


def _sin_quadrant(r: F64, quadrant: NDArray[np.int64]) -> F64:
    z = r * r
    sin_terms = [(-1) ** (i // 2) / math.factorial(i) for i in range(15, 1, -2)]
    cos_terms = [(-1) ** (i // 2) / math.factorial(i) for i in range(16, 1, -2)]
    s = _horner(sin_terms, z) * z * r + r
    c = _horner(cos_terms, z) * z + 1.0
    v = np.where(quadrant & 1, c, s)
    return np.where(quadrant & 2, -v, v)


def _sin_large(x: float, turn: int) -> float:
    if not math.isfinite(x):
        return math.nan
    mantissa, exponent = math.frexp(abs(x))
    m, e = int(mantissa * 2**24), exponent - 24
    # 128 bits of 2 / pi from the first that does not only add multiples of 4.
    window = ((TWO_OVER_PI << 64) >> (256 - (e - 2) - 64)) & ((1 << 128) - 1)
    product = (m * window) & ((1 << 128) - 1)
    high, low = product >> 64, product & ((1 << 64) - 1)
    quadrant = ((high + (1 << 61)) >> 62) & 3
    fraction_high = high - (((high + (1 << 61)) >> 62) << 62)
    r = (float(fraction_high) * 2.0**64 + float(low)) * 2.0**-126
    r *= float.fromhex("0x1.921fb54442d18p+0")
    sign = -1 if x < 0 else 1
    value = _sin_quadrant(np.array([r]), np.array([quadrant + sign * turn], np.int64))[0]
    return float(sign * value)


def _sin_turned(x: F64, turn: int) -> F64:
    small = np.abs(x) < 2.0**20
    v = np.where(small, x, 0.0)
    shifted = v * float.fromhex("0x1.45f306dc9c883p-1") + ROUND
    k = shifted - ROUND
    r = (v - k * float.fromhex("0x1.921fb54400000p+0")) - k * float.fromhex("0x1.0b4611a600000p-34")
    r = r - k * float.fromhex("0x1.3198a2e037073p-69")
    y = _sin_quadrant(r, shifted.view(np.int64) + turn)
    for i in np.flatnonzero(~small):
        y.flat[i] = _sin_large(float(x.flat[i]), turn)
    return y


def sin(x: F64) -> F64:
    return _sin_turned(x, 0)


def cos(x: F64) -> F64:
    return _sin_turned(x, 1)


def _pow_core(x: F64, y: F64) -> F64:
    m, e = _split_exponent(x)
    f = m - 1.0
    d = 2.0 + f
    s = f / d
    s_head = (s.view(np.int64) & ~0x7FFFFFF).view(np.float64)
    s_rest = ((f - s_head * d) - (s - s_head) * d) / d
    big = e * LN2_HI
    twice = 2.0 * s
    log_hi = big + twice
    twice_part = log_hi - big
    lost = (big - (log_hi - twice_part)) + (twice - twice_part)
    log_lo = lost + (2.0 * s_rest + (_atanh_tail(s) + e * LN2_LO))
    log_head = (log_hi.view(np.int64) & ~0x1FFFFFFF).view(np.float64)
    hi = y * log_head
    lo = y * ((log_hi - log_head) + log_lo)
    inside = np.where(np.abs(hi) <= 200.0, hi, 0.0)
    shifted = inside * LOG2E + ROUND
    k = shifted - ROUND
    r = (inside - k * LN2_HI) + (lo - k * LN2_LO)
    value = (_exp_series(r) * r + 1.0) * _power_of_two(shifted)
    return np.where(hi > 200.0, np.inf, np.where(hi < -200.0, 0.0, value))


def pow(x: F64, y: F64) -> F64:
    whole = np.floor(y) == y
    odd = whole & (np.floor(y * 0.5) * 2.0 != y)
    a = np.abs(x)
    plain = (a > 0) & (a < np.inf) & (a != 1) & np.isfinite(y)
    r = _pow_core(np.where(plain, a, 2.0), np.where(plain, y, 1.0))
    r = np.where(np.isinf(y), np.where((a > 1) == (y > 0), np.inf, 0.0), r)
    r = np.where(a == 1, 1.0, r)
    r = np.where((a == 0) | (a == np.inf), np.where((a == 0) == (y < 0), np.inf, 0.0), r)
    r = np.where(odd & np.signbit(x), -r, r)
    r = np.where((x < 0) & ~whole & (a < np.inf), np.nan, r)
    r = np.where(np.isnan(x) | np.isnan(y), np.nan, r)
    return np.where((y == 0) | (x == 1), 1.0, r)


UNARY: dict[str, Callable[[F64], F64]] = {
    f.__name__: f
    for f in (
        exp, log, erf, tanh, sigmoid, sin, cos, sqrt, rsqrt, expm1, gelu, gelu_tanh, silu,
        softplus, mish,
    )
}  # fmt: skip
