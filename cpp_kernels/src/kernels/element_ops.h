#pragma once

#include <cstdint>

#include "common.h"
#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// Functions of one variable, as numbered in the job table.
enum class UnaryFn : int32_t {
  Identity,
  Relu,
  Clip,
  Sigmoid,
  HardSigmoid,
  HardSwish,
  Tanh,
  Exp,
  Log,
  Sqrt,
  Erf,
  Gelu,
  LeakyRelu,
  Elu,
  Softplus,
  Mish,
  Silu,
  Abs,
  Neg,
  Floor,
  Ceil,
  Round,
  Sin,
  Cos,
  Rsqrt,
  GeluTanh,
  Not,
  Reciprocal,
  Normalize,
  Pow,
  InverseSigmoid,
};
constexpr int kNumUnaryFns = 31;

/// Functions of two variables, as numbered in the job table.
enum class BinaryFn : int32_t {
  Add,
  Sub,
  Mul,
  Div,
  Min,
  Max,
  Pow,
  Equal,
  Greater,
  Less,
  GreaterEqual,
  LessEqual,
  And,
  Or,
  Xor,
  Prelu,
};
constexpr int kNumBinaryFns = 16;

/// What sums along an axis are made of.
enum class Term : int32_t { Plain, Magnitude, Square };

/// Elements in one pass over the buffers below: they stay in the L1 cache.
constexpr int64_t kBlock = 512;

/// Arithmetic on runs of elements; n is at most kBlock.
struct ElementOps {
  /// out[i] = f32(x[i] - zero_point) * scale; floating-point elements are taken as they are.
  void (*load)(const uint8_t* p, int64_t stride, DType dtype, float scale, int32_t zero_point,
               float* out, int64_t n);
  /// y[i] = clamp(sat(rne(v[i] / scale) + zero_point)); floating-point elements are clamped only.
  /// A NaN becomes the lower bound of an integer type.
  void (*store)(const float* v, uint8_t* p, int64_t stride, DType dtype, float scale,
                int32_t zero_point, const Clamp& clamp, int64_t n);
  /// y[i] = fn(x[i]); the arrays are apart.
  void (*unary)(UnaryFn fn, float alpha, float beta, const float* x, float* y, int64_t n);
  /// y[i] = fn(a[i], b[i]); the arrays are apart.
  void (*binary)(BinaryFn fn, const float* a, const float* b, float* y, int64_t n);
  /// v[i] = f32(acc[i]) * mult[i], then + bias[i] where bias is given
  void (*scale_sums)(const int32_t* acc, const float* mult, const float* bias, float* v, int64_t n);
  /// y[i] = exp(x[i] - shift)
  void (*exp_minus)(const float* x, float shift, float* y, int64_t n);
  /// Adds terms of x[i] - shift, element i to lane i mod 8. In f64, of whole numbers below 2^17,
  /// every such sum of 2^20 terms is exact.
  void (*add_terms_f64)(Term term, const float* x, double* lanes, int64_t n);
  void (*add_terms_f32)(Term term, const float* x, float shift, float* lanes, int64_t n);
  /// y[i] = ((x[i] - shift) * factor) * scale[i] + bias[i], without what is null
  void (*normalize)(const float* x, float shift, float factor, const float* scale,
                    const float* bias, float* y, int64_t n);
  /// y[i] = (1 - ratio) * a[i] + ratio * b[i]; n is any number
  void (*blend)(const float* a, const float* b, double ratio, double* y, int64_t n);
  /// Of pixels of `stride` elements each: v[i][c] = (1 - ratio[i]) * line[left[i]][c] +
  /// ratio[i] * line[right[i]][c] for the first n of their elements and `count` of i.
  void (*blend_columns)(const double* line, const int32_t* left, const int32_t* right,
                        const double* ratio, int64_t count, int64_t stride, int64_t n, float* v);
};

const ElementOps& element_ops(Isa isa);

}  // namespace pulsar2::kernels
