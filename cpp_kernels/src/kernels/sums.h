#pragma once

#include <algorithm>
#include <cstdint>

#include "element_ops.h"

namespace pulsar2::kernels {

/// The sum of eight lanes, added pairwise.
inline float pair_lanes(const float (&lane)[8]) {
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/// The f32 sum of the terms of n numbers x[i] - shift: element i in lane i mod 8, and the lanes
/// added pairwise.
inline float lane_sum(const ElementOps& ops, Term term, const float* x, float shift, int64_t n) {
  float lane[8] = {};
  ops.add_terms_f32(term, x, shift, lane, n);
  return pair_lanes(lane);
}

/// The exact sum of the terms of n whole numbers of at most 17 bits with their sign.
inline int64_t exact_sum(const ElementOps& ops, Term term, const float* x, int64_t n) {
  constexpr int64_t kExact = int64_t{1} << 20;
  int64_t sum = 0;
  for (int64_t i = 0; i < n; i += kExact) {
    double lane[8] = {};
    ops.add_terms_f64(term, x + i, lane, std::min(kExact, n - i));
    for (const double part : lane) sum += static_cast<int64_t>(part);
  }
  return sum;
}

/// Whether the exact sums above take the elements of a type, less its zero point.
inline bool has_exact_sums(DType dtype) {
  return dtype == DType::U8 || dtype == DType::S8 || dtype == DType::U16 || dtype == DType::S16;
}

}  // namespace pulsar2::kernels
