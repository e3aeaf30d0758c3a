#pragma once

#include <cstdint>

#include "common.h"
#include "element_ops.h"

namespace pulsar2::kernels {

enum class Fold : int32_t { Sum, Max, Min };

/// Reduces several vectors of x into one of y, element by element: what pooling and reductions
/// share. Integers are summed and compared exactly; an f32 sum keeps eight partial sums.
/// One object per thread; a vector has at most kWidth elements.
class Folder {
 public:
  static constexpr int64_t kWidth = 256;

  /// `most` is the largest number of vectors that will be added between reset and finish.
  Folder(const View& x, const View& y, Fold fold, const Clamp& clamp, Isa isa, int64_t most);

  void reset(int64_t n);
  /// Adds n elements at p. `index` is the position in the sequence that an f32 sum is defined over.
  void add(const uint8_t* p, int64_t stride, int64_t n, int64_t index);
  /// Writes the result; `valid` vectors were added, and a mean divides by `divisor` (1 for a sum).
  void finish(int64_t valid, int64_t divisor, uint8_t* y, int64_t stride, int64_t n);

 private:
  void finish_sum(int64_t valid, int64_t divisor, int64_t n);
  void finish_extreme(uint8_t* y, int64_t stride, int64_t n);
  int64_t integer(int64_t i) const { return wide_ ? acc_.i64[i] : acc_.i32[i]; }

  const View& x_;
  const View& y_;
  const Fold fold_;
  const Clamp clamp_;
  const ElementOps& ops_;
  const bool float_;  ///< x is floating point
  bool wide_;         ///< the accumulators are 64-bit integers
  void (*fold_fn_)(const uint8_t* p, int64_t stride, int64_t n, void* acc);
  union {
    int32_t i32[kWidth];
    int64_t i64[kWidth];
    float f32[8][kWidth];
  } acc_;
  alignas(64) float out_[kWidth];
};

}  // namespace pulsar2::kernels
