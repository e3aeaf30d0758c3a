#pragma once

#include <cstddef>

namespace pulsar2 {

/// The f32 functions of the numerics, each before its one rounding to f32.
///
/// Arguments are f32 values; the result is computed in double with a relative error below 2^-45
/// by the same sequence of IEEE operations (no FMA, no libm) on every machine:
///
///   exp      x = k ln 2 + r, |r| <= ln 2 / 2; Taylor series of degree 12 in r; times 2^k
///   log      x = m 2^e, m in [sqrt 1/2, sqrt 2); 2 atanh((m - 1) / (m + 1)) to the 19th power
///   erf      |x| < 1: Taylor series of degree 37; else 1 - exp(-x^2) F(|x|), F a Chebyshev fit of
///            degree 18 of exp(x^2) erfc(x) on [1, 28]
///   tanh     -e / (2 + e), e = exp(-2 |x|) - 1
///   sigmoid  1 / (1 + exp(-x))
///   sin cos  x = k pi / 2 + r in three parts of pi / 2 (|x| >= 2^20: 320 bits of 2 / pi);
///            Taylor series of degree 15 and 16 in r
///   sqrt     IEEE square root; rsqrt = 1 / sqrt(x)
///   pow      exp(y log x) with the logarithm in two doubles; special values as in IEEE 754
///   gelu     x / 2 erfc(-x / sqrt 2); gelu_tanh = x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))
///   silu     x sigmoid(x); softplus = max(x, 0) + log(1 + exp(-|x|)); mish = x tanh(softplus(x))
///   inverse_sigmoid  log(u / w), u = max(t, eps), w = max(1 - t, eps), t = x within [0, 1], as log
///            but with m - 1 = (u - w) / w where e = 0; eps is the second argument
///   expm1    Taylor series of degree 12 for |x| < 0.35, else exp(x) - 1 (elu = alpha expm1(x))
struct FunctionEntry {
  const char* name;
  double (*unary)(double x);             ///< nullptr for those of two
  double (*binary)(double x, double y);  ///< nullptr for those of one
};

/// All functions, for tests and documentation.
const FunctionEntry* all_functions(size_t* count);

}  // namespace pulsar2
