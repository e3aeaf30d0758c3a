#pragma once

#include <cstdint>

#include "pulsar2/kernels/isa.h"

namespace pulsar2::kernels {

/// Operations on runs of bytes.
struct ByteOps {
  /// y[i] = table[x[i]]
  void (*lut)(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t n);
  /// y[i] = clamp of the largest of taps[t][i]
  void (*max)(const uint8_t* const* taps, int64_t count, int64_t n, bool is_signed, int32_t lo,
              int32_t hi, uint8_t* y);
  /// sums[i] = sum of taps[t][i], for at most kMostSummed taps
  void (*sum)(const uint8_t* const* taps, int64_t count, int64_t n, bool is_signed, int32_t* sums);
};

constexpr int64_t kMostSummed = 256;  ///< of the taps of ByteOps::sum: their sums fit 16 bits

const ByteOps& byte_ops(Isa isa);

}  // namespace pulsar2::kernels
